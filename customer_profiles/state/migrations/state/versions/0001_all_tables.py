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
        "bucket",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The generation the row belongs to.",
        ),
        sa.Column(
            "record_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The record that did it.",
        ),
        sa.Column(
            "grain",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="minute, hour, day or lifetime.",
        ),
        sa.Column(
            "start",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="Start of the bucket, micros; 0 for a lifetime.",
        ),
        sa.Column(
            "type",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Interaction type.",
        ),
        sa.Column(
            "channel",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Channel; empty where none is known.",
        ),
        sa.Column(
            "currency",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Currency of the values; empty without value.",
        ),
        sa.Column(
            "property",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Value of a property kept apart; empty for all.",
        ),
        sa.Column(
            "count", sa.BigInteger(), autoincrement=False, nullable=False, comment="Number of interactions."
        ),
        sa.Column(
            "value_sum",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Sum of their values, minor units.",
        ),
        sa.Column(
            "last_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When the newest of them happened, micros.",
        ),
        sa.PrimaryKeyConstraint(
            "generation",
            "record_no",
            "grain",
            "start",
            "type",
            "channel",
            "currency",
            "property",
            name=op.f("pk_bucket"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "catalog_column",
        sa.Column(
            "source",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The source.",
        ),
        sa.Column(
            "feed",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The feed.",
        ),
        sa.Column(
            "name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The column, or the path inside a row.",
        ),
        sa.Column(
            "place",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Its place among the columns, from 1.",
        ),
        sa.Column(
            "type",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Its type.",
        ),
        sa.Column(
            "nulls",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Rows in which it is empty.",
        ),
        sa.Column(
            "distinct_values",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="How many different values it has.",
        ),
        sa.Column(
            "class",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Its class of personal data.",
        ),
        sa.Column(
            "guessed",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="1 when the class was guessed from its name and form.",
        ),
        sa.Column(
            "mapped_to",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="The fields it goes into; empty: not read.",
        ),
        sa.PrimaryKeyConstraint("source", "feed", "name", name=op.f("pk_catalog_column")),
        comment="The columns of each feed, with what kind of personal data they hold; never a value.",
    )
    op.create_table(
        "catalog_feed",
        sa.Column(
            "source",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The source.",
        ),
        sa.Column(
            "feed",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The feed.",
        ),
        sa.Column(
            "place",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Its table, or its folder and pattern.",
        ),
        sa.Column(
            "contract",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="What its rows become.",
        ),
        sa.Column(
            "owned_by",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Who answers for it.",
        ),
        sa.Column(
            "row_count", sa.BigInteger(), autoincrement=False, nullable=False, comment="How many rows it has."
        ),
        sa.Column(
            "unreadable",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Lines that are no rows.",
        ),
        sa.Column(
            "size_bytes",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="Its size on disk, where it is known.",
        ),
        sa.Column(
            "newest",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Its highest cursor value, or newest file.",
        ),
        sa.Column(
            "audited_at", sa.BigInteger(), autoincrement=False, nullable=False, comment="When this was found."
        ),
        sa.PrimaryKeyConstraint("source", "feed", name=op.f("pk_catalog_feed")),
        comment="What each source holds, feed by feed, when last looked at.",
    )
    op.create_table(
        "claim",
        sa.Column(
            "claim_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("record_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("incarnation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "seniority",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Log position of its arrival.",
        ),
        sa.Column("arrived_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("died_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("claim_no", name=op.f("pk_claim")),
        sa.UniqueConstraint("record_no", "incarnation", name=op.f("uq_claim_record_no_incarnation")),
        comment="A record in one of its lives; the most senior claim that resolves into a customer gives it its ID.",
    )
    op.create_table(
        "cursor",
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
        sa.Column(
            "position",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("stage", "source", name=op.f("pk_cursor")),
        comment="How far each stage has read each source; moved in the transaction of the work it stands for.",
    )
    op.create_table(
        "customer",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "customer_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "size",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Live records; 0 when gone or merged.",
        ),
        sa.Column(
            "changed_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Rises with every change.",
        ),
        sa.PrimaryKeyConstraint("generation", "customer_no", name=op.f("pk_customer")),
        comment="Customers, also those that no record is left of, so that readers of changes see them go.",
    )
    with op.batch_alter_table("customer", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_customer_generation_changed_no"), ["generation", "changed_no"], unique=False
        )

    op.create_table(
        "customer_id",
        sa.Column(
            "customer_id",
            sa.LargeBinary(),
            autoincrement=False,
            nullable=False,
            comment="The ID as the world knows it.",
        ),
        sa.Column(
            "customer_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The claim that it is the ID of.",
        ),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("pk_customer_id")),
        comment="Every ID a customer ever had, so that it is found again; a fact that no rebuild clears.",
    )
    op.create_table(
        "decision",
        sa.Column(
            "decision_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="together or apart.",
        ),
        sa.Column(
            "side_a",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Record numbers.",
        ),
        sa.Column(
            "side_b",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Record numbers.",
        ),
        sa.Column("decided_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "decided_by",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "reason",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "change_no", sa.BigInteger(), autoincrement=False, nullable=False, comment="Its log position."
        ),
        sa.Column("undone_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("undone_change_no", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.PrimaryKeyConstraint("decision_id", name=op.f("pk_decision")),
        sa.UniqueConstraint("change_no", name=op.f("uq_decision_change_no")),
        sa.UniqueConstraint("undone_change_no", name=op.f("uq_decision_undone_change_no")),
        comment="What stewards said about who is one person and who is not.",
    )
    op.create_table(
        "edge",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "left_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "right_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("weight", sa.BigInteger(), autoincrement=False, nullable=False, comment="In 1/1024 bit."),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="What gives the weight.",
        ),
        sa.Column(
            "accepted",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="1 when the clustering took it.",
        ),
        sa.Column(
            "refusal",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Why it did not.",
        ),
        sa.Column(
            "support",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Names of what the two share.",
        ),
        sa.PrimaryKeyConstraint("generation", "left_no", "right_no", name=op.f("pk_edge")),
        comment="Two records that are the same person as far as the model or an identifier can tell, refused ones too.",
    )
    with op.batch_alter_table("edge", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_edge_generation_right_no"), ["generation", "right_no"], unique=False
        )

    op.create_table(
        "estate",
        sa.Column(
            "claim_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "rank", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False
        ),
        sa.Column("heir_claim_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("claim_no", "rank", name=op.f("pk_estate")),
        comment="Who was of the same customer when a record was deleted, in order of seniority.",
    )
    with op.batch_alter_table("estate", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_estate_heir_claim_no"), ["heir_claim_no"], unique=False)

    op.create_table(
        "feed_position",
        sa.Column(
            "source",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "feed",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "position",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("source", "feed", name=op.f("pk_feed_position")),
        comment="Where the reading of each feed goes on; may hold the key of the last row read.",
    )
    op.create_table(
        "feed_seen",
        sa.Column(
            "source",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "feed",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "source_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("snapshot", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("source", "feed", "source_key", name=op.f("pk_feed_seen")),
        comment="The keys in each snapshot feed and the last snapshot they were in: who is missing was deleted.",
    )
    with op.batch_alter_table("feed_seen", schema=None) as batch_op:
        batch_op.create_index("feed_seen_snapshot", ["source", "feed", "snapshot"], unique=False)

    op.create_table(
        "generation",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("begun_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("promoted_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column(
            "comparison",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.PrimaryKeyConstraint("generation", name=op.f("pk_generation")),
        comment="Each building of everything derived; one is live.",
    )
    op.create_table(
        "identifier",
        sa.Column(
            "record_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "value",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("record_no", "kind", "value", name=op.f("pk_identifier")),
        comment="The identifiers of the living records: normalised emails, phones, user IDs, devices.",
    )
    with op.batch_alter_table("identifier", schema=None) as batch_op:
        batch_op.create_index("identifier_value", ["kind", "value"], unique=False)

    op.create_table(
        "identity_event",
        sa.Column(
            "event_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("generation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "kind",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="create, merge, split or delete.",
        ),
        sa.Column("customer_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "others",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Customers merged in or split off.",
        ),
        sa.Column(
            "cause_kind",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "cause",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("committed_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("event_no", name=op.f("pk_identity_event")),
        comment="What happened to customers and why; appended, never rewritten.",
    )
    with op.batch_alter_table("identity_event", schema=None) as batch_op:
        batch_op.create_index(batch_op.f("ix_identity_event_customer_no"), ["customer_no"], unique=False)

    op.create_table(
        "interaction",
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
        sa.PrimaryKeyConstraint("interaction_no", name=op.f("pk_interaction")),
        sa.UniqueConstraint("source", "event_id", name=op.f("uq_interaction_source_event_id")),
        comment="Something a person did; an event ID of a source counts once.",
    )
    with op.batch_alter_table("interaction", schema=None) as batch_op:
        batch_op.create_index("interaction_record", ["record_no"], unique=False)

    op.create_table(
        "ledger",
        sa.Column(
            "batch_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
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
        sa.Column("received", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("applied", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("unchanged", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("duplicate", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("quarantined", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("suppressed", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("declined", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("watermark", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("seconds", sa.Double(), autoincrement=False, nullable=False),
        sa.Column("committed_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "facts",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("batch_no", name=op.f("pk_ledger")),
        comment="One row a batch: what was received, and what became of all of it.",
    )
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.create_index("ledger_stage", ["stage", "source"], unique=False)

    op.create_table(
        "member",
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
        sa.Column("customer_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("generation", "record_no", name=op.f("pk_member")),
        comment="Which customer each live record belongs to.",
    )
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_member_generation_customer_no"), ["generation", "customer_no"], unique=False
        )

    op.create_table(
        "model",
        sa.Column(
            "version",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="candidate, promoted or retired.",
        ),
        sa.Column("bundle", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column(
            "metrics",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("created_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "splink_version",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("version", name=op.f("pk_model")),
        comment="Versioned bundles of the Splink model; at most one is promoted.",
    )
    op.create_table(
        "profile",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The generation the row belongs to.",
        ),
        sa.Column(
            "customer_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The customer, by the number of the claim that founds it.",
        ),
        sa.Column(
            "version",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Grows with every change of the customer's traits or segments.",
        ),
        sa.Column(
            "changed_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Place of the latest change in the order of all changes.",
        ),
        sa.Column(
            "event_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The latest identity event of the customer that its traits have taken in.",
        ),
        sa.Column(
            "gone_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="When the customer ceased to be, micros; null while it is.",
        ),
        sa.PrimaryKeyConstraint("generation", "customer_no", name=op.f("pk_profile")),
    )
    with op.batch_alter_table("profile", schema=None) as batch_op:
        batch_op.create_index("profile_by_change", ["generation", "changed_no"], unique=False)

    op.create_table(
        "profile_history",
        sa.Column(
            "history_no",
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
            comment="The customer whose trait changed.",
        ),
        sa.Column(
            "name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Name of the trait.",
        ),
        sa.Column(
            "old",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="The value before; null when there was none.",
        ),
        sa.Column(
            "new",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="The value after; null when there is none.",
        ),
        sa.Column(
            "record_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The record of the value after, else of that before.",
        ),
        sa.Column(
            "changed_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When the change was written, micros.",
        ),
        sa.Column(
            "cause_kind",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="record, identity or rebuild.",
        ),
        sa.Column(
            "cause",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Number of the record, of the identity event, or of the rebuilt generation.",
        ),
        sa.PrimaryKeyConstraint("history_no", name=op.f("pk_profile_history")),
    )
    with op.batch_alter_table("profile_history", schema=None) as batch_op:
        batch_op.create_index("profile_history_by_customer", ["customer_no", "history_no"], unique=False)

    op.create_table(
        "purchase",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The generation the row belongs to.",
        ),
        sa.Column(
            "record_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The record that did it.",
        ),
        sa.Column(
            "order_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The order's key in its source.",
        ),
        sa.Column(
            "purchased_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When it was placed, micros.",
        ),
        sa.Column(
            "stated_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When what the row says of it was said, micros.",
        ),
        sa.Column(
            "value", sa.BigInteger(), autoincrement=False, nullable=False, comment="Its worth in minor units."
        ),
        sa.Column(
            "currency",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Currency of the value.",
        ),
        sa.Column(
            "categories",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Categories of its lines.",
        ),
        sa.PrimaryKeyConstraint("generation", "record_no", "order_id", name=op.f("pk_purchase")),
    )
    op.create_table(
        "quarantine",
        sa.Column(
            "quarantine_no",
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
            "feed",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "contract",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "position",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "reasons",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("payload", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.Column("cut", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("received_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("retried_at", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("payload_hash", sa.LargeBinary(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("quarantine_no", name=op.f("pk_quarantine")),
        sa.UniqueConstraint(
            "source",
            "feed",
            "position",
            "payload_hash",
            name=op.f("uq_quarantine_source_feed_position_payload_hash"),
        ),
        comment="Rows that break their contract, sealed, with every reason; retried when settings or contracts change.",
    )
    op.create_table(
        "record",
        sa.Column(
            "record_no",
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
            "source_key",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("incarnation", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("source_version", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("content_hash", sa.LargeBinary(), autoincrement=False, nullable=True),
        sa.Column(
            "given_name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Given name.",
        ),
        sa.Column(
            "family_name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Family name.",
        ),
        sa.Column(
            "full_name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="The whole name as written, where its parts are unknown.",
        ),
        sa.Column(
            "emails",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Email addresses, normalised.",
        ),
        sa.Column(
            "phones",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Phone numbers, E.164.",
        ),
        sa.Column(
            "birth_date",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Date of birth.",
        ),
        sa.Column(
            "address_line",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="House and street.",
        ),
        sa.Column(
            "city",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="City or town.",
        ),
        sa.Column(
            "region",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="County, state or province.",
        ),
        sa.Column(
            "postcode",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Postal code, normalised.",
        ),
        sa.Column(
            "country",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Country, ISO 3166-1 alpha-2.",
        ),
        sa.Column(
            "external_ids",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="The record's identifiers in other systems, by kind: user_id, device_id, social_handle, …",
        ),
        sa.Column(
            "preferences",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="What the person prefers, by name.",
        ),
        sa.Column(
            "language",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Language, BCP 47.",
        ),
        sa.Column(
            "consent",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="What the person agreed to or refused, as the source knows it.",
        ),
        sa.Column(
            "created_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="When the source made the record.",
        ),
        sa.Column(
            "updated_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="When the source last changed the record.",
        ),
        sa.Column(
            "deleted_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="When the source deleted the record; empty while it lives.",
        ),
        sa.Column(
            "extra",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
            comment="Declared attributes beyond the contract; each serves the purposes of the trait made of it.",
        ),
        sa.Column(
            "seen_ids",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "parts",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "notes",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column(
            "raw",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=True,
        ),
        sa.Column("change_no", sa.BigInteger(), autoincrement=False, nullable=True),
        sa.Column("received_at", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("record_no", name=op.f("pk_record")),
        sa.UniqueConstraint("source", "source_key", name=op.f("uq_record_source_source_key")),
        comment="One source's view of one person, as it is now. change_no is the log position of its latest accepted change (none while its number is only reserved); external_ids holds seen_ids too, the identifiers it was seen with over time; parts holds what each feed says, where several feeds speak of the same record; raw is as received.",
    )
    with op.batch_alter_table("record", schema=None) as batch_op:
        batch_op.create_index("record_change", ["change_no"], unique=True)

    op.create_table(
        "record_activity",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The generation the row belongs to.",
        ),
        sa.Column(
            "record_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The record that did it.",
        ),
        sa.Column(
            "changed_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="Grows with every batch that touched the record.",
        ),
        sa.Column(
            "first_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When its first interaction happened, micros.",
        ),
        sa.Column(
            "last_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When its newest interaction happened, micros.",
        ),
        sa.PrimaryKeyConstraint("generation", "record_no", name=op.f("pk_record_activity")),
    )
    with op.batch_alter_table("record_activity", schema=None) as batch_op:
        batch_op.create_index("record_activity_by_change", ["generation", "changed_no"], unique=False)

    op.create_table(
        "review_pair",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "left_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "right_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("weight", sa.BigInteger(), autoincrement=False, nullable=False, comment="In 1/1024 bit."),
        sa.Column(
            "reason",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("generation", "left_no", "right_no", name=op.f("pk_review_pair")),
        comment="Pairs in the band below the edge threshold, for a steward to look at.",
    )
    with op.batch_alter_table("review_pair", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_review_pair_generation_right_no"), ["generation", "right_no"], unique=False
        )

    op.create_table(
        "segment_due",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The generation the row belongs to.",
        ),
        sa.Column(
            "segment",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Name of the segment.",
        ),
        sa.Column(
            "customer_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The customer, by the number of the claim that founds it.",
        ),
        sa.Column(
            "due_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When it can change with time alone, micros.",
        ),
        sa.PrimaryKeyConstraint("generation", "segment", "customer_no", name=op.f("pk_segment_due")),
    )
    with op.batch_alter_table("segment_due", schema=None) as batch_op:
        batch_op.create_index("segment_due_by_time", ["generation", "due_at"], unique=False)

    op.create_table(
        "segment_membership",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The generation the row belongs to.",
        ),
        sa.Column(
            "segment",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Name of the segment.",
        ),
        sa.Column(
            "customer_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The customer, by the number of the claim that founds it.",
        ),
        sa.Column(
            "since",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="When the customer entered, micros.",
        ),
        sa.Column(
            "until",
            sa.BigInteger(),
            autoincrement=False,
            nullable=True,
            comment="When it left, micros; null while inside.",
        ),
        sa.PrimaryKeyConstraint(
            "generation", "segment", "customer_no", "since", name=op.f("pk_segment_membership")
        ),
    )
    with op.batch_alter_table("segment_membership", schema=None) as batch_op:
        batch_op.create_index("segment_membership_by_customer", ["generation", "customer_no"], unique=False)

    op.create_table(
        "sequence",
        sa.Column(
            "name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("next_number", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sequence")),
        comment="The next free number of each sequence of this store; gapless and in order of commit.",
    )
    op.create_table(
        "source_file",
        sa.Column(
            "source",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "feed",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "path",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column(
            "mark",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("source", "feed", "path", name=op.f("pk_source_file")),
        comment="The files of each feed: how far each was read, its size and hashes.",
    )
    op.create_table(
        "superseded_record",
        sa.Column(
            "change_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("record_no", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column(
            "body",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("change_no", name=op.f("pk_superseded_record")),
        comment="Versions overwritten before identity saw them: body holds the columns of `record` as they were.",
    )
    with op.batch_alter_table("superseded_record", schema=None) as batch_op:
        batch_op.create_index("superseded_record_record", ["record_no"], unique=False)

    op.create_table(
        "support_matter",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The generation the row belongs to.",
        ),
        sa.Column(
            "record_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The record that did it.",
        ),
        sa.Column(
            "matter_id",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The matter's key in its source.",
        ),
        sa.Column(
            "channel",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Where it was last talked about.",
        ),
        sa.Column(
            "channel_at", sa.BigInteger(), autoincrement=False, nullable=False, comment="When, micros."
        ),
        sa.Column(
            "status",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Its newest state; empty when none is known.",
        ),
        sa.Column(
            "status_at", sa.BigInteger(), autoincrement=False, nullable=False, comment="Since when, micros."
        ),
        sa.Column(
            "topic",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="What it is about; empty when that is not known.",
        ),
        sa.Column(
            "topic_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When that was said, micros.",
        ),
        sa.Column(
            "sentiment",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The newest mood; empty when none is known.",
        ),
        sa.Column(
            "sentiment_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When that was noticed, micros.",
        ),
        sa.Column(
            "opened_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When it was first talked about, micros.",
        ),
        sa.Column(
            "last_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When it was last talked about, micros.",
        ),
        sa.PrimaryKeyConstraint("generation", "record_no", "matter_id", name=op.f("pk_support_matter")),
    )
    op.create_table(
        "trait",
        sa.Column(
            "generation",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The generation the row belongs to.",
        ),
        sa.Column(
            "customer_no",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
            comment="The customer, by the number of the claim that founds it.",
        ),
        sa.Column(
            "name",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="Name of the trait.",
        ),
        sa.Column(
            "value",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The value that survived, or the list of all values.",
        ),
        sa.Column(
            "source",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The source it comes from.",
        ),
        sa.Column(
            "record_no",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="The record it comes from.",
        ),
        sa.Column(
            "observed_at",
            sa.BigInteger(),
            autoincrement=False,
            nullable=False,
            comment="When that record was observed, micros.",
        ),
        sa.Column(
            "losing",
            sa.Text().with_variant(sa.Text(collation="C"), "postgresql"),
            autoincrement=False,
            nullable=False,
            comment="The values that lost; of a list, where each value comes from.",
        ),
        sa.PrimaryKeyConstraint("generation", "customer_no", "name", name=op.f("pk_trait")),
    )


def downgrade() -> None:
    op.drop_table("trait")
    op.drop_table("support_matter")
    with op.batch_alter_table("superseded_record", schema=None) as batch_op:
        batch_op.drop_index("superseded_record_record")

    op.drop_table("superseded_record")
    op.drop_table("source_file")
    op.drop_table("sequence")
    with op.batch_alter_table("segment_membership", schema=None) as batch_op:
        batch_op.drop_index("segment_membership_by_customer")

    op.drop_table("segment_membership")
    with op.batch_alter_table("segment_due", schema=None) as batch_op:
        batch_op.drop_index("segment_due_by_time")

    op.drop_table("segment_due")
    with op.batch_alter_table("review_pair", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_review_pair_generation_right_no"))

    op.drop_table("review_pair")
    with op.batch_alter_table("record_activity", schema=None) as batch_op:
        batch_op.drop_index("record_activity_by_change")

    op.drop_table("record_activity")
    with op.batch_alter_table("record", schema=None) as batch_op:
        batch_op.drop_index("record_change")

    op.drop_table("record")
    op.drop_table("quarantine")
    op.drop_table("purchase")
    with op.batch_alter_table("profile_history", schema=None) as batch_op:
        batch_op.drop_index("profile_history_by_customer")

    op.drop_table("profile_history")
    with op.batch_alter_table("profile", schema=None) as batch_op:
        batch_op.drop_index("profile_by_change")

    op.drop_table("profile")
    op.drop_table("model")
    with op.batch_alter_table("member", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_member_generation_customer_no"))

    op.drop_table("member")
    with op.batch_alter_table("ledger", schema=None) as batch_op:
        batch_op.drop_index("ledger_stage")

    op.drop_table("ledger")
    with op.batch_alter_table("interaction", schema=None) as batch_op:
        batch_op.drop_index("interaction_record")

    op.drop_table("interaction")
    with op.batch_alter_table("identity_event", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_identity_event_customer_no"))

    op.drop_table("identity_event")
    with op.batch_alter_table("identifier", schema=None) as batch_op:
        batch_op.drop_index("identifier_value")

    op.drop_table("identifier")
    op.drop_table("generation")
    with op.batch_alter_table("feed_seen", schema=None) as batch_op:
        batch_op.drop_index("feed_seen_snapshot")

    op.drop_table("feed_seen")
    op.drop_table("feed_position")
    with op.batch_alter_table("estate", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_estate_heir_claim_no"))

    op.drop_table("estate")
    with op.batch_alter_table("edge", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_edge_generation_right_no"))

    op.drop_table("edge")
    op.drop_table("decision")
    op.drop_table("customer_id")
    with op.batch_alter_table("customer", schema=None) as batch_op:
        batch_op.drop_index(batch_op.f("ix_customer_generation_changed_no"))

    op.drop_table("customer")
    op.drop_table("cursor")
    op.drop_table("claim")
    op.drop_table("catalog_feed")
    op.drop_table("catalog_column")
    op.drop_table("bucket")
