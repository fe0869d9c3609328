"""How long what was received took to be served."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "served_batch",
        sa.Column(
            "batch_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("served_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("events", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("slowest", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "histogram",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="How many events by step of their time from received to served; a step is a tenth longer than the one below.",
        ),
        sa.PrimaryKeyConstraint("batch_no", name=op.f("pk_served_batch")),
        comment="How long the interactions of each batch took from received to served; kept for a day.",
    )
    with op.batch_alter_table("served_batch", schema=None) as batch_op:
        batch_op.create_index("served_batch_time", ["served_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("served_batch", schema=None) as batch_op:
        batch_op.drop_index("served_batch_time")

    op.drop_table("served_batch")
