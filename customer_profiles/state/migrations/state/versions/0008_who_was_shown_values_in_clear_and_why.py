"""Who was shown values in clear, and why."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "unmasking",
        sa.Column(
            "unmasking_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("asked_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "asked_by",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "command",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="What showed the values.",
        ),
        sa.Column(
            "record_nos",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Whose values were shown.",
        ),
        sa.Column(
            "reason",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("unmasking_no", name=op.f("pk_unmasking")),
        comment="Who was shown values of persons in clear, and why; written before they are shown, never rewritten.",
    )
    with op.batch_alter_table("unmasking", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_unmasking_asked_at"), ["asked_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("unmasking", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_unmasking_asked_at"))

    op.drop_table("unmasking")
