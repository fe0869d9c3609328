"""The tables of the identity graph. Claims, estates, decisions and identity events are facts: no rebuild clears them."""

import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import STATE, Bytes, Json, Micros, Number, Owner, Text, column

_PSEUDONYM, _NONE = DataClass.PSEUDONYM, DataClass.NONE

edge = sa.Table(
    "edge",
    STATE,
    column("generation", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("left_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("right_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("weight", Number, owner=Owner.RECORD, data_class=_PSEUDONYM, comment="In 1/1024 bit."),
    column("kind", Text, owner=Owner.RECORD, data_class=_NONE, comment="What gives the weight."),
    column(
        "accepted", Number, owner=Owner.RECORD, data_class=_NONE, comment="1 when the clustering took it."
    ),
    column("refusal", Text, nullable=True, owner=Owner.RECORD, data_class=_NONE, comment="Why it did not."),
    column("support", Json, owner=Owner.RECORD, data_class=_NONE, comment="Names of what the two share."),
    sa.Index(None, "generation", "right_no"),
    comment="Two records that are the same person as far as the model or an identifier can tell, refused ones too.",
)

review_pair = sa.Table(
    "review_pair",
    STATE,
    column("generation", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("left_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("right_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("weight", Number, owner=Owner.RECORD, data_class=_PSEUDONYM, comment="In 1/1024 bit."),
    column("reason", Text, owner=Owner.RECORD, data_class=_NONE),
    sa.Index(None, "generation", "right_no"),
    comment="Pairs in the band below the edge threshold, for a steward to look at.",
)

member = sa.Table(
    "member",
    STATE,
    column("generation", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("record_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("customer_no", Number, owner=Owner.CUSTOMER, data_class=_PSEUDONYM),
    sa.Index(None, "generation", "customer_no"),
    comment="Which customer each live record belongs to.",
)

resolved_record = sa.Table(
    "resolved_record",
    STATE,
    column("generation", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("record_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column(
        "content_no",
        Number,
        owner=Owner.RECORD,
        data_class=_PSEUDONYM,
        comment="Digest of what it says, normalised.",
    ),
    column("first_name", Text, nullable=True, owner=Owner.RECORD, data_class=DataClass.IDENTIFIER),
    column("birth_date", Text, nullable=True, owner=Owner.RECORD, data_class=DataClass.DEMOGRAPHIC),
    comment="Each live record as the graph has taken it in: its content, and what vetoes look at.",
)

index_run = sa.Table(
    "index_run",
    STATE,
    column("generation", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column(
        "kind", Text, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE, comment="key, content or copy."
    ),
    column("run_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("part_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("least", Number, owner=Owner.RECORD, data_class=_PSEUDONYM, comment="Its first key or content."),
    column("most", Number, owner=Owner.RECORD, data_class=_PSEUDONYM, comment="Its last key or content."),
    column("rows", Number, owner=Owner.SYSTEM, data_class=_NONE),
    column("body", Bytes, owner=Owner.RECORD, data_class=DataClass.CONTACT),
    comment="The index of the graph in sorted runs: who holds which blocking key, and what a content says.",
)

customer = sa.Table(
    "customer",
    STATE,
    column("generation", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("customer_no", Number, primary_key=True, owner=Owner.CUSTOMER, data_class=_PSEUDONYM),
    column(
        "size", Number, owner=Owner.CUSTOMER, data_class=_NONE, comment="Live records; 0 when gone or merged."
    ),
    column("changed_no", Number, owner=Owner.SYSTEM, data_class=_NONE, comment="Rises with every change."),
    sa.Index(None, "generation", "changed_no"),
    comment="Customers, also those that no record is left of, so that readers of changes see them go.",
)

claim = sa.Table(
    "claim",
    STATE,
    column("claim_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("record_no", Number, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("incarnation", Number, owner=Owner.RECORD, data_class=_NONE),
    column("seniority", Number, owner=Owner.RECORD, data_class=_NONE, comment="Log position of its arrival."),
    column("arrived_at", Micros, owner=Owner.RECORD, data_class=_NONE),
    column("died_at", Micros, nullable=True, owner=Owner.RECORD, data_class=_NONE),
    sa.UniqueConstraint("record_no", "incarnation"),
    comment="A record in one of its lives; the most senior claim that resolves into a customer gives it its ID.",
)

estate = sa.Table(
    "estate",
    STATE,
    column("claim_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("rank", Number, primary_key=True, owner=Owner.RECORD, data_class=_NONE),
    column("heir_claim_no", Number, index=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    comment="Who was of the same customer when a record was deleted, in order of seniority.",
)

decision = sa.Table(
    "decision",
    STATE,
    column("decision_id", Text, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("kind", Text, owner=Owner.RECORD, data_class=_NONE, comment="together or apart."),
    column("side_a", Json, owner=Owner.RECORD, data_class=_PSEUDONYM, comment="Record numbers."),
    column("side_b", Json, owner=Owner.RECORD, data_class=_PSEUDONYM, comment="Record numbers."),
    column("decided_at", Micros, owner=Owner.SYSTEM, data_class=_NONE),
    column("decided_by", Text, owner=Owner.SYSTEM, data_class=_PSEUDONYM),
    column("reason", Text, owner=Owner.RECORD, data_class=DataClass.SENSITIVE),
    column(
        "change_no", Number, unique=True, owner=Owner.SYSTEM, data_class=_NONE, comment="Its log position."
    ),
    column("undone_at", Micros, nullable=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("undone_change_no", Number, nullable=True, unique=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("undone_by", Text, nullable=True, owner=Owner.SYSTEM, data_class=_PSEUDONYM),
    column("undone_reason", Text, nullable=True, owner=Owner.RECORD, data_class=DataClass.SENSITIVE),
    comment="What stewards said about who is one person and who is not.",
)

unmasking = sa.Table(
    "unmasking",
    STATE,
    column("unmasking_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("asked_at", Micros, index=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("asked_by", Text, owner=Owner.SYSTEM, data_class=_PSEUDONYM),
    column("command", Text, owner=Owner.SYSTEM, data_class=_NONE, comment="What showed the values."),
    column("record_nos", Json, owner=Owner.RECORD, data_class=_PSEUDONYM, comment="Whose values were shown."),
    column("reason", Text, owner=Owner.RECORD, data_class=DataClass.SENSITIVE),
    comment="Who was shown values of persons in clear, and why; written before they are shown, never rewritten.",
)

identity_event = sa.Table(
    "identity_event",
    STATE,
    column("event_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("generation", Number, owner=Owner.SYSTEM, data_class=_NONE),
    column("kind", Text, owner=Owner.CUSTOMER, data_class=_NONE, comment="create, merge, split or delete."),
    column("customer_no", Number, owner=Owner.CUSTOMER, data_class=_PSEUDONYM),
    column(
        "others",
        Json,
        owner=Owner.CUSTOMER,
        data_class=_PSEUDONYM,
        comment="Customers merged in or split off.",
    ),
    column("cause_kind", Text, owner=Owner.CUSTOMER, data_class=_NONE),
    column("cause", Json, owner=Owner.CUSTOMER, data_class=_PSEUDONYM),
    column("committed_at", Micros, owner=Owner.SYSTEM, data_class=_NONE),
    sa.Index(None, "customer_no"),
    comment="What happened to customers and why; appended, never rewritten.",
)

model = sa.Table(
    "model",
    STATE,
    column("version", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("status", Text, owner=Owner.SYSTEM, data_class=_NONE, comment="candidate, promoted or retired."),
    column("bundle", Bytes, owner=Owner.SYSTEM, data_class=_NONE),
    column("metrics", Json, owner=Owner.SYSTEM, data_class=_NONE),
    column("created_at", Micros, owner=Owner.SYSTEM, data_class=_NONE),
    column("splink_version", Text, owner=Owner.SYSTEM, data_class=_NONE),
    comment="Versioned bundles of the Splink model; at most one is promoted.",
)

model_promotion = sa.Table(
    "model_promotion",
    STATE,
    column("promotion_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column(
        "version",
        Number,
        owner=Owner.SYSTEM,
        data_class=_NONE,
        comment="The model in use from then on; 0 for the priors.",
    ),
    column(
        "generation",
        Number,
        nullable=True,
        owner=Owner.SYSTEM,
        data_class=_NONE,
        comment="The generation that was built with it; none when the next batch took it up.",
    ),
    column("promoted_at", Micros, owner=Owner.SYSTEM, data_class=_NONE),
    comment="Which model came into use when; appended, never rewritten.",
)

customer_id = sa.Table(
    "customer_id",
    STATE,
    column(
        "customer_id",
        Bytes,
        primary_key=True,
        owner=Owner.CUSTOMER,
        data_class=_PSEUDONYM,
        comment="The ID as the world knows it.",
    ),
    column(
        "customer_no",
        Number,
        owner=Owner.CUSTOMER,
        data_class=_PSEUDONYM,
        comment="The claim that it is the ID of.",
    ),
    comment="Every ID a customer ever had, so that it is found again; a fact that no rebuild clears.",
)

identity_commit = sa.Table(
    "identity_commit",
    STATE,
    column("commit_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("committed_at", Micros, index=True, owner=Owner.SYSTEM, data_class=_NONE),
    column("generation", Number, owner=Owner.SYSTEM, data_class=_NONE, comment="What was live from then on."),
    column("moved", Number, owner=Owner.SYSTEM, data_class=_NONE, comment="Records whose customer changed."),
    comment="The moments at which who belongs to whom is defined; appended, never rewritten.",
)

membership_history = sa.Table(
    "membership_history",
    STATE,
    column("record_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("commit_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_NONE),
    column(
        "customer_no",
        Number,
        nullable=True,
        owner=Owner.CUSTOMER,
        data_class=_PSEUDONYM,
        comment="From this commit until the record's next row; none when the record was gone.",
    ),
    column(
        "came_from_no",
        Number,
        nullable=True,
        owner=Owner.CUSTOMER,
        data_class=_PSEUDONYM,
        comment="The customer that it belonged to until this commit; none when it was new or came back.",
    ),
    # Few records ever leave a customer. Who belongs to one now, `member` knows.
    sa.Index(
        None,
        "came_from_no",
        sqlite_where=sa.text("came_from_no IS NOT NULL"),
        postgresql_where=sa.text("came_from_no IS NOT NULL"),
    ),
    comment="Which customer each record belonged to, commit by commit; appended, never rewritten.",
)

claim_history = sa.Table(
    "claim_history",
    STATE,
    column("claim_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_PSEUDONYM),
    column("commit_no", Number, primary_key=True, owner=Owner.RECORD, data_class=_NONE),
    column(
        "record_no",
        Number,
        nullable=True,
        owner=Owner.RECORD,
        data_class=_PSEUDONYM,
        comment="The living record that held it from this commit until its next row; none when it led to nobody.",
    ),
    comment="What a claim led to where that was not simply its own record; appended, never rewritten.",
)
