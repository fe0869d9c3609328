"""Add totals of the ledger."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "ledger_total",
        sa.Column(
            "stage",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "source",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("batches", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("applied", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("unchanged", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("duplicate", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("quarantined", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("suppressed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("declined", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seconds", sa.Double(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("stage", "source", name=op.f("pk_ledger_total")),
        comment="Old batches that are no longer in the ledger, added up: each of them accounted for all that it received.",
    )


def downgrade() -> None:
    op.drop_table("ledger_total")
