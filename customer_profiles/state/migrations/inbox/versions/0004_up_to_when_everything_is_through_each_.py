"""Up to when everything is through each stage."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watermark",
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
        sa.Column("watermark", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("stage", "source", name=op.f("pk_watermark")),
        comment="Everything up to this moment is through the stage: read from its source, an empty reading included, or taken in with all that comes before it. It stands still while a source cannot be read or a stage is behind.",
    )


def downgrade() -> None:
    op.drop_table("watermark")
