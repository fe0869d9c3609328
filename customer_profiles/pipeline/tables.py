"""Who drives the pipeline, and how long what was received took to be served."""

import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import INBOX, STATE, Json, Micros, Number, Owner, Text, column

lease = sa.Table(
    "lease",
    # Beside the inbox: a heartbeat must not wait for a long batch, which keeps the state store to itself.
    INBOX,
    column("name", Text, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column(
        "holder",
        Text,
        owner=Owner.SYSTEM,
        data_class=DataClass.NONE,
        comment="A token of the process that drives; empty when it was let go of.",
    ),
    column("version", Number, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("beat_at", Micros, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("status", Json, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    comment="Who drives the pipeline: its version goes up with every heartbeat; one that stands still is stale.",
)

served_batch = sa.Table(
    "served_batch",
    STATE,
    column("batch_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("served_at", Micros, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("events", Number, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("slowest", Number, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column(
        "histogram",
        Json,
        owner=Owner.SYSTEM,
        data_class=DataClass.NONE,
        comment="How many events by step of their time from received to served; a step is a tenth longer than the one below.",
    ),
    sa.Index("served_batch_time", "served_at"),
    comment="How long the interactions of each batch took from received to served; kept for a day.",
)
