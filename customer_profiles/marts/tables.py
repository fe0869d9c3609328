"""Tables of what is known: by record what interactions said, by customer what is folded from records.

A row's owner is whose data it is when somebody asks for erasure. `generation` tells a rebuild's rows from the
live ones.
"""

from typing import Any

from sqlalchemy import Column, Index, Table

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import STATE, Json, Micros, Number, Owner, Text, column


def _generation() -> Column[Any]:
    return column(
        "generation",
        Number,
        primary_key=True,
        owner=Owner.SYSTEM,
        data_class=DataClass.NONE,
        comment="The generation the row belongs to.",
    )


def _record_no() -> Column[Any]:
    return column(
        "record_no",
        Number,
        primary_key=True,
        owner=Owner.RECORD,
        data_class=DataClass.PSEUDONYM,
        comment="The record that did it.",
    )


def _customer_no() -> Column[Any]:
    return column(
        "customer_no",
        Number,
        primary_key=True,
        owner=Owner.CUSTOMER,
        data_class=DataClass.PSEUDONYM,
        comment="The customer, by the number of the claim that founds it.",
    )


def _of_record(name: str, type_: Any, data_class: DataClass, comment: str, **kw: Any) -> Column[Any]:
    return column(name, type_, owner=Owner.RECORD, data_class=data_class, comment=comment, **kw)


def _of_customer(name: str, type_: Any, data_class: DataClass, comment: str, **kw: Any) -> Column[Any]:
    return column(name, type_, owner=Owner.CUSTOMER, data_class=data_class, comment=comment, **kw)


def _of_system(name: str, type_: Any, comment: str, **kw: Any) -> Column[Any]:
    return column(name, type_, owner=Owner.SYSTEM, data_class=DataClass.NONE, comment=comment, **kw)


_KEY = {"primary_key": True}

bucket = Table(
    "bucket",
    STATE,
    _generation(),
    _record_no(),
    _of_record("grain", Text, DataClass.NONE, "minute, hour, day or lifetime.", **_KEY),
    _of_record(
        "start", Micros, DataClass.BEHAVIOURAL, "Start of the bucket, micros; 0 for a lifetime.", **_KEY
    ),
    _of_record("type", Text, DataClass.BEHAVIOURAL, "Interaction type.", **_KEY),
    _of_record("channel", Text, DataClass.BEHAVIOURAL, "Channel; empty where none is known.", **_KEY),
    _of_record("currency", Text, DataClass.NONE, "Currency of the values; empty without value.", **_KEY),
    _of_record(
        "property",
        Text,
        DataClass.BEHAVIOURAL,
        "Value of a property counted by itself, as name=value; empty for all.",
        **_KEY,
    ),
    _of_record("count", Number, DataClass.BEHAVIOURAL, "Number of interactions."),
    _of_record("value_sum", Number, DataClass.FINANCIAL, "Sum of their values, minor units."),
    _of_record("last_at", Micros, DataClass.BEHAVIOURAL, "When the newest of them happened, micros."),
    sqlite_with_rowid=False,
)

purchase = Table(
    "purchase",
    STATE,
    _generation(),
    _record_no(),
    _of_record("order_id", Text, DataClass.FINANCIAL, "The order's key in its source.", **_KEY),
    _of_record("purchased_at", Micros, DataClass.BEHAVIOURAL, "When it was placed, micros."),
    _of_record("stated_at", Micros, DataClass.BEHAVIOURAL, "When what the row says of it was said, micros."),
    _of_record("value", Number, DataClass.FINANCIAL, "Its worth in minor units."),
    _of_record("currency", Text, DataClass.FINANCIAL, "Currency of the value."),
    _of_record("categories", Json, DataClass.BEHAVIOURAL, "Categories of its lines."),
)

support_matter = Table(
    "support_matter",
    STATE,
    _generation(),
    _record_no(),
    _of_record("matter_id", Text, DataClass.PSEUDONYM, "The matter's key in its source.", **_KEY),
    _of_record("channel", Text, DataClass.BEHAVIOURAL, "Where it was last talked about."),
    _of_record("channel_at", Micros, DataClass.BEHAVIOURAL, "When, micros."),
    _of_record("status", Text, DataClass.BEHAVIOURAL, "Its newest state; empty when none is known."),
    _of_record("status_at", Micros, DataClass.BEHAVIOURAL, "Since when, micros."),
    _of_record("topic", Text, DataClass.BEHAVIOURAL, "What it is about; empty when that is not known."),
    _of_record("topic_at", Micros, DataClass.BEHAVIOURAL, "When that was said, micros."),
    _of_record("sentiment", Text, DataClass.SENSITIVE, "The newest mood; empty when none is known."),
    _of_record("sentiment_at", Micros, DataClass.BEHAVIOURAL, "When that was noticed, micros."),
    _of_record("opened_at", Micros, DataClass.BEHAVIOURAL, "When it was first talked about, micros."),
    _of_record("last_at", Micros, DataClass.BEHAVIOURAL, "When it was last talked about, micros."),
)

record_activity = Table(
    "record_activity",
    STATE,
    _generation(),
    _record_no(),
    _of_system("changed_no", Number, "Grows with every batch that touched the record."),
    _of_record(
        "first_at",
        Micros,
        DataClass.BEHAVIOURAL,
        "When its first interaction happened, micros; null when none is left.",
        nullable=True,
    ),
    _of_record(
        "last_at",
        Micros,
        DataClass.BEHAVIOURAL,
        "When its newest interaction happened, micros; null when none is left.",
        nullable=True,
    ),
    Index("record_activity_by_change", "generation", "changed_no"),
)

trait = Table(
    "trait",
    STATE,
    _generation(),
    _customer_no(),
    _of_customer("name", Text, DataClass.NONE, "Name of the trait.", **_KEY),
    _of_customer("value", Json, DataClass.SENSITIVE, "The value that survived, or the list of all values."),
    _of_customer("source", Text, DataClass.NONE, "The source it comes from."),
    _of_customer("record_no", Number, DataClass.PSEUDONYM, "The record it comes from."),
    _of_customer("observed_at", Micros, DataClass.BEHAVIOURAL, "When that record was observed, micros."),
    _of_customer(
        "losing", Json, DataClass.SENSITIVE, "The values that lost; of a list, where each value comes from."
    ),
)

profile_history = Table(
    "profile_history",
    STATE,
    _of_system("history_no", Number, "Number of the change; it only grows.", **_KEY),
    _of_customer("customer_no", Number, DataClass.PSEUDONYM, "The customer whose trait changed."),
    _of_customer("name", Text, DataClass.NONE, "Name of the trait."),
    _of_customer(
        "old", Json, DataClass.SENSITIVE, "The value before; null when there was none.", nullable=True
    ),
    _of_customer(
        "new", Json, DataClass.SENSITIVE, "The value after; null when there is none.", nullable=True
    ),
    _of_customer(
        "record_no", Number, DataClass.PSEUDONYM, "The record of the value after, else of that before."
    ),
    _of_customer("changed_at", Micros, DataClass.BEHAVIOURAL, "When the change was written, micros."),
    _of_system("cause_kind", Text, "record, identity or rebuild."),
    _of_system("cause", Number, "Number of the record, of the identity event, or of the rebuilt generation."),
    Index("profile_history_by_customer", "customer_no", "history_no"),
)

profile = Table(
    "profile",
    STATE,
    _generation(),
    _customer_no(),
    _of_system("version", Number, "Grows with every change of the customer's traits or segments."),
    _of_system("changed_no", Number, "Place of the latest change in the order of all changes."),
    _of_system(
        "event_no", Number, "The latest identity event of the customer that its traits have taken in."
    ),
    _of_system("gone_at", Micros, "When the customer ceased to be, micros; null while it is.", nullable=True),
    Index("profile_by_change", "generation", "changed_no"),
)

segment_membership = Table(
    "segment_membership",
    STATE,
    _generation(),
    _of_customer("segment", Text, DataClass.BEHAVIOURAL, "Name of the segment.", **_KEY),
    _customer_no(),
    _of_customer("since", Micros, DataClass.BEHAVIOURAL, "When the customer entered, micros.", **_KEY),
    _of_customer(
        "until", Micros, DataClass.BEHAVIOURAL, "When it left, micros; null while inside.", nullable=True
    ),
    Index("segment_membership_by_customer", "generation", "customer_no"),
)

segment_due = Table(
    "segment_due",
    STATE,
    _generation(),
    _of_customer("segment", Text, DataClass.BEHAVIOURAL, "Name of the segment.", **_KEY),
    _customer_no(),
    _of_customer("due_at", Micros, DataClass.BEHAVIOURAL, "When it can change with time alone, micros."),
    Index("segment_due_by_time", "generation", "due_at"),
)

segment_change = Table(
    "segment_change",
    STATE,
    _of_system("change_no", Number, "Number of the change; it only grows.", **_KEY),
    _of_customer("customer_no", Number, DataClass.PSEUDONYM, "The customer who entered or left."),
    _of_customer("segment", Text, DataClass.BEHAVIOURAL, "Name of the segment."),
    _of_customer("kind", Text, DataClass.BEHAVIOURAL, "entered or left."),
    _of_customer("changed_at", Micros, DataClass.BEHAVIOURAL, "When, micros."),
    _of_system("cause_kind", Text, "interaction, record, identity, time, rules or rebuild."),
    _of_system(
        "cause",
        Number,
        "Number of the record, of the identity event or of the rebuilt generation; the moment it was due, micros; 0 for rules.",
    ),
    Index("segment_change_by_customer", "customer_no", "change_no"),
)
