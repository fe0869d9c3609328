"""The tables of the ground floor: cursors of stages, number sequences, generations."""

import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import (
    INBOX,
    STATE,
    TRUST,
    Json,
    Micros,
    Number,
    Owner,
    Store,
    Text,
    column,
)

cursor = sa.Table(
    "cursor",
    STATE,
    column("stage", Text, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("source", Text, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("position", Json, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("version", Number, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    comment="How far each stage has read each source; moved in the transaction of the work it stands for.",
)


def _sequence(name: str, metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        name,
        metadata,
        column("name", Text, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
        column("next_number", Number, owner=Owner.SYSTEM, data_class=DataClass.NONE),
        comment="The next free number of each sequence of this store; gapless and in order of commit.",
    )


sequences = {
    Store.INBOX: _sequence("inbox_sequence", INBOX),
    Store.STATE: _sequence("sequence", STATE),
    Store.TRUST: _sequence("trust_sequence", TRUST),
}

generation = sa.Table(
    "generation",
    STATE,
    column("generation", Number, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("status", Text, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("begun_at", Micros, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("promoted_at", Micros, nullable=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("comparison", Json, nullable=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    comment="Each building of everything derived; one is live.",
)

key_check = sa.Table(
    "key_check",
    STATE,
    column("name", Text, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column(
        "fingerprint",
        Text,
        owner=Owner.SYSTEM,
        data_class=DataClass.NONE,
        comment="Derived one way: tells whether a key is the same, and nothing else of it.",
    ),
    comment="Which keys this state was made with, so that another one is refused before it writes a word.",
)
