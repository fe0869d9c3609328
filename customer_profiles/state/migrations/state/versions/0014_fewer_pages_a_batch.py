"""Fewer pages are written for a batch: records are found by content in the index of the graph, and of the history of
membership only who left a customer is looked up.
"""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

_LEFT = "came_from_no IS NOT NULL"


def upgrade() -> None:
    op.drop_index("ix_resolved_record_generation_content_no", table_name="resolved_record")
    _comment("key, content or copy.")
    op.add_column(
        "membership_history",
        sa.Column(
            "came_from_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="The customer that it belonged to until this commit; none when it was new or came back.",
        ),
    )
    op.execute(
        "UPDATE membership_history SET came_from_no = ("
        "SELECT earlier.customer_no FROM membership_history earlier "
        "WHERE earlier.record_no = membership_history.record_no AND earlier.commit_no < membership_history.commit_no "
        "ORDER BY earlier.commit_no DESC LIMIT 1) "
        "WHERE commit_no > (SELECT min(commit_no) FROM membership_history)"
    )
    op.create_index(
        op.f("ix_membership_history_came_from_no"),
        "membership_history",
        ["came_from_no"],
        unique=False,
        sqlite_where=sa.text(_LEFT),
        postgresql_where=sa.text(_LEFT),
    )
    op.drop_index("ix_membership_history_customer_no", table_name="membership_history")


def downgrade() -> None:
    op.create_index("ix_membership_history_customer_no", "membership_history", ["customer_no"], unique=False)
    op.drop_index(op.f("ix_membership_history_came_from_no"), table_name="membership_history")
    with op.batch_alter_table("membership_history", schema=None) as batch_op:
        batch_op.drop_column("came_from_no")
    _comment("key or content.")
    op.create_index(
        "ix_resolved_record_generation_content_no",
        "resolved_record",
        ["generation", "content_no"],
        unique=False,
    )


def _comment(text: str) -> None:
    """Say what `index_run.kind` is; SQLite keeps no comments."""
    if op.get_bind().dialect.name == "postgresql":
        op.execute(f"COMMENT ON COLUMN index_run.kind IS '{text}'")
