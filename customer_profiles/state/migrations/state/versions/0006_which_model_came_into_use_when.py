"""Which model came into use when."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "model_promotion",
        sa.Column(
            "promotion_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "version",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The model in use from then on; 0 for the priors.",
        ),
        sa.Column(
            "generation",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="The generation that was built with it; none when the next batch took it up.",
        ),
        sa.Column("promoted_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("promotion_no", name=op.f("pk_model_promotion")),
        comment="Which model came into use when; appended, never rewritten.",
    )
    # Of what was promoted before, the one in use is all that is known.
    op.execute(
        "INSERT INTO model_promotion (promotion_no, version, generation, promoted_at) "
        "SELECT 0, version, NULL, created_at FROM model WHERE status = 'promoted'"
    )


def downgrade() -> None:
    op.drop_table("model_promotion")
