"""Membership history."""
# ruff: noqa: E501

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "claim_history",
        sa.Column(
            "claim_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "commit_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "record_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="The living record that held it from this commit until its next row; none when it led to nobody.",
        ),
        sa.PrimaryKeyConstraint("claim_no", "commit_no", name=op.f("pk_claim_history")),
        comment="What a claim led to where that was not simply its own record; appended, never rewritten.",
    )
    op.create_table(
        "identity_commit",
        sa.Column(
            "commit_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("committed_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "generation",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="What was live from then on.",
        ),
        sa.Column(
            "moved",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Records whose customer changed.",
        ),
        sa.PrimaryKeyConstraint("commit_no", name=op.f("pk_identity_commit")),
        comment="The moments at which who belongs to whom is defined; appended, never rewritten.",
    )
    with op.batch_alter_table("identity_commit", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_commit_committed_at"), ["committed_at"], unique=False)

    op.create_table(
        "membership_history",
        sa.Column(
            "record_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "commit_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "customer_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="From this commit until the record's next row; none when the record was gone.",
        ),
        sa.PrimaryKeyConstraint("record_no", "commit_no", name=op.f("pk_membership_history")),
        comment="Which customer each record belonged to, commit by commit; appended, never rewritten.",
    )
    with op.batch_alter_table("membership_history", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_membership_history_customer_no"), ["customer_no"], unique=False)

    # The history of a state that is older than it begins with what holds now.
    live = "coalesce((SELECT max(generation) FROM generation WHERE status = 'live'), 1)"
    somebody = f"EXISTS (SELECT 1 FROM member WHERE generation = {live})"
    op.execute(
        "INSERT INTO identity_commit (commit_no, committed_at, generation, moved) "
        f"SELECT 1, coalesce(max(committed_at), 0), {live}, 0 FROM identity_event HAVING {somebody}"
    )
    op.execute(
        "INSERT INTO membership_history (record_no, commit_no, customer_no) "
        f"SELECT record_no, 1, customer_no FROM member WHERE generation = {live}"
    )
    op.execute(f"INSERT INTO sequence (name, next_number) SELECT 'identity_commit', 2 WHERE {somebody}")


def downgrade() -> None:
    with op.batch_alter_table("membership_history", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_membership_history_customer_no"))

    op.drop_table("membership_history")
    with op.batch_alter_table("identity_commit", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_identity_commit_committed_at"))

    op.drop_table("identity_commit")
    op.drop_table("claim_history")
