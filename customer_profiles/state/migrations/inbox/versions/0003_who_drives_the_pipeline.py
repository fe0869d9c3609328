"""Who drives the pipeline."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "lease",
        sa.Column(
            "name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "holder",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="A token of the process that drives; empty when it was let go of.",
        ),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("beat_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "status",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
        comment="Who drives the pipeline: its version goes up with every heartbeat; one that stands still is stale.",
    )


def downgrade() -> None:
    op.drop_table("lease")
