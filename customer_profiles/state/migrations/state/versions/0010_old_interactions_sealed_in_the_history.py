"""Old interactions sealed in the history."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "history_segment",
        sa.Column(
            "segment",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The name of its file, without the ending.",
        ),
        sa.Column(
            "partition_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The part of all records that its interactions belong to, by the hash of the record number.",
        ),
        sa.Column(
            "row_count", sa.BigInteger(), autoincrement=False, nullable=False, comment="Interactions in it."
        ),
        sa.Column(
            "first_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The smallest interaction number in it.",
        ),
        sa.Column("last_no", sa.BigInteger(), autoincrement=False, nullable=False, comment="The greatest."),
        sa.Column(
            "last_seal",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The newest sealing that brought an interaction.",
        ),
        sa.Column(
            "first_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When the oldest interaction occurred, micros.",
        ),
        sa.Column(
            "last_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When the newest one did.",
        ),
        sa.Column(
            "byte_count",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The size of the file.",
        ),
        sa.Column(
            "sealed_key",
            sa.LargeBinary(),
            autoincrement=False,
            nullable=False,
            comment="The key of the file, sealed; once it is gone, no copy of the file opens.",
        ),
        sa.Column(
            "sealed_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When the file was written, micros.",
        ),
        sa.PrimaryKeyConstraint("segment", name=op.f("pk_history_segment")),
        comment="The files that old interactions are sealed in; a file that is not named here was never there.",
    )
    with op.batch_alter_table("history_segment", schema=None) as batch_op:
        batch_op.create_index("history_segment_partition", ["partition_no"], unique=False)

    op.create_table(
        "sealed_event",
        sa.Column("event_hash", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("interaction_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("record_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("event_hash", name=op.f("pk_sealed_event")),
        comment="The events whose interactions are sealed in the history, so that they count once for ever.",
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("interaction", schema=None) as batch_op:
        batch_op.create_index("interaction_occurred", ["occurred_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("interaction", schema=None) as batch_op:
        batch_op.drop_index("interaction_occurred")

    op.drop_table("sealed_event")
    with op.batch_alter_table("history_segment", schema=None) as batch_op:
        batch_op.drop_index("history_segment_partition")

    op.drop_table("history_segment")
