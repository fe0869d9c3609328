"""All tables."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "consent_statement",
        sa.Column(
            "statement_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="Number of the statement in the ledger; it only grows.",
        ),
        sa.Column(
            "statement_key",
            sa.LargeBinary(),
            autoincrement=False,
            nullable=False,
            comment="Hash of what makes it the same statement when it is delivered again.",
        ),
        sa.Column(
            "record_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The record that spoke (ISO/IEC TS 27560: pii_principal_id).",
        ),
        sa.Column(
            "source",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The source that delivered it.",
        ),
        sa.Column(
            "source_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Key of the record in its source.",
        ),
        sa.Column(
            "statement_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="The source's own number of the statement (ISO/IEC TS 27560: record_id).",
        ),
        sa.Column(
            "purpose",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="What the data would be used for (ISO/IEC TS 27560: purpose).",
        ),
        sa.Column(
            "choice",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="granted, refused or withdrawn (ISO/IEC TS 27560: event_state).",
        ),
        sa.Column(
            "stated_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When it was said, micros (ISO/IEC TS 27560: event_time).",
        ),
        sa.Column(
            "received_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When it reached us, micros.",
        ),
        sa.Column(
            "method",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="How it was collected (ISO/IEC TS 27560: collection_method).",
        ),
        sa.Column(
            "notice",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="The privacy notice that was shown, with its version (ISO/IEC TS 27560: privacy_notice).",
        ),
        sa.PrimaryKeyConstraint("statement_no", name=op.f("pk_consent_statement")),
        sa.UniqueConstraint("statement_key", name="consent_statement_key"),
    )
    with op.batch_alter_table("consent_statement", schema=None) as batch_op:
        batch_op.create_index("consent_statement_by_record", ["record_no", "purpose"], unique=False)

    op.create_table(
        "trust_sequence",
        sa.Column(
            "name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("next_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_trust_sequence")),
        comment="The next free number of each sequence of this store; gapless and in order of commit.",
    )


def downgrade() -> None:
    op.drop_table("trust_sequence")
    with op.batch_alter_table("consent_statement", schema=None) as batch_op:
        batch_op.drop_index("consent_statement_by_record")

    op.drop_table("consent_statement")
