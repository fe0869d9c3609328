"""Tables of what comes in: records, their identifiers, interactions, the quarantine."""

import sqlalchemy as sa

from customer_profiles.contracts import RECORD, Field, FieldType
from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import STATE, Bytes, Json, Micros, Number, Owner, Text, column

_WHOLE = {FieldType.MICROS, FieldType.MINOR_UNITS}


def _is_json(field: Field) -> bool:
    return field.many or field.type not in {FieldType.TEXT, FieldType.DATE, *_WHOLE}


CONTRACT_COLUMNS = tuple(field.name for field in RECORD.fields if field.name not in ("source", "source_key"))
"""The fields of the record contract as the table `record` keeps them, in order."""
JSON_COLUMNS = tuple(field.name for field in RECORD.fields if _is_json(field))
"""Of these, those kept as JSON text."""


def _contract_column(field: Field) -> sa.Column[object]:
    kind = Json if _is_json(field) else Micros if field.type in _WHOLE else Text
    return column(
        field.name,
        kind,
        nullable=True,
        owner=Owner.RECORD,
        data_class=field.data_class,
        comment=field.description,
    )


record = sa.Table(
    "record",
    STATE,
    column("record_no", Number, primary_key=True, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    column("source", Text, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("source_key", Text, owner=Owner.RECORD, data_class=DataClass.IDENTIFIER),
    column("incarnation", Number, owner=Owner.RECORD, data_class=DataClass.NONE),
    column("source_version", Micros, owner=Owner.RECORD, data_class=DataClass.NONE),
    column("content_hash", Bytes, nullable=True, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    *(_contract_column(RECORD.field(name)) for name in CONTRACT_COLUMNS),
    column("seen_ids", Json, nullable=True, owner=Owner.RECORD, data_class=DataClass.IDENTIFIER),
    column("parts", Json, nullable=True, owner=Owner.RECORD, data_class=DataClass.SENSITIVE),
    column("notes", Json, nullable=True, owner=Owner.RECORD, data_class=DataClass.NONE),
    column("raw", Json, nullable=True, owner=Owner.RECORD, data_class=DataClass.SENSITIVE),
    column("change_no", Number, nullable=True, owner=Owner.RECORD, data_class=DataClass.NONE),
    column("received_at", Micros, owner=Owner.RECORD, data_class=DataClass.NONE),
    sa.UniqueConstraint("source", "source_key"),
    sa.Index("record_change", "change_no", unique=True),
    comment=(
        "One source's view of one person, as it is now. change_no is the log position of its latest accepted change (none "
        "while its number is only reserved); external_ids holds seen_ids too, the identifiers it was seen with over time; "
        "parts holds what each feed says, where several feeds speak of the same record; raw is as received."
    ),
)

superseded_record = sa.Table(
    "superseded_record",
    STATE,
    column("change_no", Number, primary_key=True, owner=Owner.RECORD, data_class=DataClass.NONE),
    column("record_no", Number, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    column("body", Json, owner=Owner.RECORD, data_class=DataClass.SENSITIVE),
    sa.Index("superseded_record_record", "record_no"),
    comment="Versions overwritten before identity saw them: body holds the columns of `record` as they were.",
)

identifier = sa.Table(
    "identifier",
    STATE,
    column("record_no", Number, primary_key=True, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    column("kind", Text, primary_key=True, owner=Owner.RECORD, data_class=DataClass.NONE),
    column("value", Text, primary_key=True, owner=Owner.RECORD, data_class=DataClass.IDENTIFIER),
    sa.Index("identifier_value", "kind", "value"),
    comment="The identifiers of the living records: normalised emails, phones, user IDs, devices.",
)


def _interaction_columns() -> list[sa.Column[object]]:
    return [
        column("interaction_no", Number, primary_key=True, owner=Owner.RECORD, data_class=DataClass.NONE),
        column("source", Text, owner=Owner.SOURCE, data_class=DataClass.NONE),
        column("event_id", Text, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
        column("record_no", Number, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
        column("type", Text, owner=Owner.RECORD, data_class=DataClass.BEHAVIOURAL),
        column("channel", Text, nullable=True, owner=Owner.RECORD, data_class=DataClass.BEHAVIOURAL),
        column("occurred_at", Micros, owner=Owner.RECORD, data_class=DataClass.BEHAVIOURAL),
        column("received_at", Micros, owner=Owner.RECORD, data_class=DataClass.NONE),
        column("value", Number, nullable=True, owner=Owner.RECORD, data_class=DataClass.FINANCIAL),
        column("currency", Text, nullable=True, owner=Owner.RECORD, data_class=DataClass.FINANCIAL),
        column("properties", Json, nullable=True, owner=Owner.RECORD, data_class=DataClass.BEHAVIOURAL),
    ]


interaction = sa.Table(
    "interaction",
    STATE,
    *_interaction_columns(),
    sa.UniqueConstraint("source", "event_id"),
    sa.Index("interaction_record", "record_no"),
    sa.Index("interaction_occurred", "occurred_at"),
    comment="Something a person did; an event ID of a source counts once.",
)

corrected_interaction = sa.Table(
    "corrected_interaction",
    STATE,
    *_interaction_columns(),
    sa.Index("corrected_interaction_record", "record_no"),
    comment="What a changed mapping reads of sealed interactions; stands over them until it is written into the history.",
)

recount = sa.Table(
    "recount",
    STATE,
    column("recount_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("record_no", Number, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    comment="Records whose interactions were replaced after they came in, for whoever counts them to count anew; appended.",
)

sealed_event = sa.Table(
    "sealed_event",
    STATE,
    column("event_hash", Bytes, primary_key=True, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    column("interaction_no", Number, owner=Owner.RECORD, data_class=DataClass.NONE),
    column("record_no", Number, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    column("content_hash", Bytes, nullable=True, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    sqlite_with_rowid=False,
    comment="The events whose interactions are sealed in the history, so that they count once for ever.",
)

feed_seen = sa.Table(
    "feed_seen",
    STATE,
    column("source", Text, primary_key=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("feed", Text, primary_key=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("source_key", Text, primary_key=True, owner=Owner.RECORD, data_class=DataClass.IDENTIFIER),
    column("snapshot", Number, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    sa.Index("feed_seen_snapshot", "source", "feed", "snapshot"),
    comment="The keys in each snapshot feed and the last snapshot they were in: who is missing was deleted.",
)

quarantine = sa.Table(
    "quarantine",
    STATE,
    column("quarantine_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("source", Text, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("feed", Text, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("contract", Text, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("position", Text, owner=Owner.RECORD, data_class=DataClass.IDENTIFIER),
    column("reasons", Json, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("payload", Bytes, owner=Owner.RECORD, data_class=DataClass.SENSITIVE),
    column("cut", Number, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("received_at", Micros, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("retried_at", Micros, nullable=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("payload_hash", Bytes, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    sa.UniqueConstraint("source", "feed", "position", "payload_hash"),
    comment="Rows that break their contract, sealed, with every reason; retried when settings or contracts change.",
)
