"""Count anew, and tell who entered and left segments."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "recount",
        sa.Column(
            "recount_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("record_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("recount_no", name=op.f("pk_recount")),
        comment="Records whose interactions were replaced after they came in, for whoever counts them to count anew; appended.",
    )
    op.create_table(
        "segment_change",
        sa.Column(
            "change_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="Number of the change; it only grows.",
        ),
        sa.Column(
            "customer_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The customer who entered or left.",
        ),
        sa.Column(
            "segment",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Name of the segment.",
        ),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="entered or left.",
        ),
        sa.Column(
            "changed_at", sa.BigInteger(), autoincrement=False, nullable=False, comment="When, micros."
        ),
        sa.Column(
            "cause_kind",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="interaction, record, identity, time, rules or rebuild.",
        ),
        sa.Column(
            "cause",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Number of the record, of the identity event or of the rebuilt generation; the moment it was due, micros; 0 for rules.",
        ),
        sa.PrimaryKeyConstraint("change_no", name=op.f("pk_segment_change")),
    )
    with op.batch_alter_table("segment_change", schema=None) as batch_op:
        batch_op.create_index("segment_change_by_customer", ["customer_no", "change_no"], unique=False)

    with op.batch_alter_table("record_activity", schema=None) as batch_op:
        batch_op.alter_column("first_at", existing_type=sa.BIGINT(), nullable=True)
        batch_op.alter_column("last_at", existing_type=sa.BIGINT(), nullable=True)
    _comment(
        "Value of a property counted by itself, as name=value; empty for all.",
        "When its first interaction happened, micros; null when none is left.",
        "When its newest interaction happened, micros; null when none is left.",
    )


def _comment(of_property: str, first_at: str, last_at: str) -> None:
    """Only Postgres keeps comments; SQLite would write the whole table anew."""
    if op.get_bind().dialect.name == "postgresql":
        op.alter_column("bucket", "property", existing_type=sa.Text(), comment=of_property)
        op.alter_column("record_activity", "first_at", existing_type=sa.BigInteger(), comment=first_at)
        op.alter_column("record_activity", "last_at", existing_type=sa.BigInteger(), comment=last_at)


def downgrade() -> None:
    _comment(
        "Value of a property kept apart; empty for all.",
        "When its first interaction happened, micros.",
        "When its newest interaction happened, micros.",
    )
    with op.batch_alter_table("record_activity", schema=None) as batch_op:
        batch_op.alter_column("last_at", existing_type=sa.BIGINT(), nullable=False)
        batch_op.alter_column("first_at", existing_type=sa.BIGINT(), nullable=False)

    with op.batch_alter_table("segment_change", schema=None) as batch_op:
        batch_op.drop_index("segment_change_by_customer")

    op.drop_table("segment_change")
    op.drop_table("recount")
