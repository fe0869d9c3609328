"""Key check."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "key_check",
        sa.Column(
            "name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "fingerprint",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Derived one way: tells whether a key is the same, and nothing else of it.",
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_key_check")),
        comment="Which keys this state was made with, so that another one is refused before it writes a word.",
    )


def downgrade() -> None:
    op.drop_table("key_check")
