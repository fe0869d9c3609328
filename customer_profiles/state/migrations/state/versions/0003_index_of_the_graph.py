"""Index of the graph."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "index_run",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="key or content.",
        ),
        sa.Column(
            "run_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "part_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "least", sa.BigInteger(), autoincrement=False, nullable=False, comment="Its first key or content."
        ),
        sa.Column(
            "most", sa.BigInteger(), autoincrement=False, nullable=False, comment="Its last key or content."
        ),
        sa.Column("rows", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("body", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("generation", "kind", "run_no", "part_no", name=op.f("pk_index_run")),
        comment="The index of the graph in sorted runs: who holds which blocking key, and what a content says.",
    )
    op.create_table(
        "resolved_record",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "record_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "content_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Digest of what it says, normalised.",
        ),
        sa.Column(
            "first_name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "birth_date",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("generation", "record_no", name=op.f("pk_resolved_record")),
        comment="Each live record as the graph has taken it in: its content, and what vetoes look at.",
    )
    with op.batch_alter_table("resolved_record", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_resolved_record_generation_content_no"), ["generation", "content_no"], unique=False
        )


def downgrade() -> None:
    with op.batch_alter_table("resolved_record", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_resolved_record_generation_content_no"))

    op.drop_table("resolved_record")
    op.drop_table("index_run")
