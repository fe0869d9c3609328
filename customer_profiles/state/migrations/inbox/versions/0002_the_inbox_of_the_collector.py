"""The inbox of the collector."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "inbox_event",
        sa.Column(
            "inbox_no",
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
        sa.Column("body", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column(
            "error",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column("received_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("inbox_no", name=op.f("pk_inbox_event")),
        comment="What the collector accepted and not every feed of its source has read; body is the event as JSON.",
    )
    op.create_table(
        "inbox_message",
        sa.Column("digest", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("inbox_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_inbox_message")),
        comment="Digests of source and message ID of what was accepted: it counts once, also when its event is read and gone.",
    )
    with op.batch_alter_table("inbox_message", schema=None) as batch_op:
        batch_op.create_index("inbox_message_received", ["received_at"], unique=False)


def downgrade() -> None:
    with op.batch_alter_table("inbox_message", schema=None) as batch_op:
        batch_op.drop_index("inbox_message_received")

    op.drop_table("inbox_message")
    op.drop_table("inbox_event")
