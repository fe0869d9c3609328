"""Who undid a decision, and why."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.add_column(
            sa.Column(
                "undone_by",
                sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
                autoincrement=False,
                nullable=True,
            )
        )
        batch_op.add_column(
            sa.Column(
                "undone_reason",
                sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
                autoincrement=False,
                nullable=True,
            )
        )


def downgrade() -> None:
    with op.batch_alter_table("decision", schema=None) as batch_op:
        batch_op.drop_column("undone_reason")
        batch_op.drop_column("undone_by")
