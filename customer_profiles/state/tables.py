"""The tables of the ground floor: cursors of stages, number sequences, generations, segments of history."""

from typing import Any

import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import (
    INBOX,
    STATE,
    TRUST,
    Bytes,
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


def _of_segment(name: str, kind: type[sa.types.TypeEngine[Any]], comment: str, **kw: Any) -> sa.Column[Any]:
    return column(name, kind, owner=Owner.SYSTEM, data_class=DataClass.NONE, comment=comment, **kw)


history_segment = sa.Table(
    "history_segment",
    STATE,
    _of_segment("segment", Text, "The name of its file, without the ending.", primary_key=True),
    _of_segment(
        "partition_no",
        Number,
        "The part of all records that its interactions belong to, by the hash of the record number.",
    ),
    _of_segment("row_count", Number, "Interactions in it."),
    _of_segment("first_no", Number, "The smallest interaction number in it."),
    _of_segment("last_no", Number, "The greatest."),
    _of_segment("last_seal", Number, "The newest sealing that brought an interaction."),
    _of_segment("first_at", Micros, "When the oldest interaction occurred, micros."),
    _of_segment("last_at", Micros, "When the newest one did."),
    _of_segment("byte_count", Number, "The size of the file."),
    _of_segment(
        "sealed_key", Bytes, "The key of the file, sealed; once it is gone, no copy of the file opens."
    ),
    _of_segment("sealed_at", Micros, "When the file was written, micros."),
    sa.Index("history_segment_partition", "partition_no"),
    comment="The files that old interactions are sealed in; a file that is not named here was never there.",
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
