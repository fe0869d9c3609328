"""What is said of sealed interactions since."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "corrected_interaction",
        sa.Column(
            "interaction_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "source",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "event_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("record_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "type",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "channel",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column("occurred_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column(
            "currency",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "properties",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("interaction_no", name=op.f("pk_corrected_interaction")),
        comment="What a changed mapping reads of sealed interactions; stands over them until it is written into the history.",
    )
    with op.batch_alter_table("corrected_interaction", schema=None) as batch_op:
        batch_op.create_index("corrected_interaction_record", ["record_no"], unique=False)

    with op.batch_alter_table("sealed_event", schema=None) as batch_op:
        batch_op.add_column(sa.Column("content_hash", sa.LargeBinary(), autoincrement=False, nullable=True))


def downgrade() -> None:
    with op.batch_alter_table("sealed_event", schema=None) as batch_op:
        batch_op.drop_column("content_hash")

    with op.batch_alter_table("corrected_interaction", schema=None) as batch_op:
        batch_op.drop_index("corrected_interaction_record")

    op.drop_table("corrected_interaction")
