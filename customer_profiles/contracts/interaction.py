"""The contract of interactions: something a person did. Purchases and conversations are kinds of it."""

from dataclasses import dataclass

import pandera.pandas as pa

from customer_profiles.contracts.classes import DataClass, Retention
from customer_profiles.contracts.columns import column
from customer_profiles.contracts.contract import Contract, Field, FieldType
from customer_profiles.contracts.record import EVERY_PURPOSE
from customer_profiles.contracts.rules import (
    NAMES_A_RECORD,
    NAMES_A_RECORD_TERMS,
    NOT_AHEAD,
    PURCHASE_IS_WHOLE,
    PURCHASE_IS_WHOLE_TERMS,
    VALUE_HAS_CURRENCY,
    VALUE_HAS_CURRENCY_TERMS,
)

_KEPT = Retention("P2Y")
_BOOKS_KEPT = Retention("P7Y")
"""Orders are kept as long as tax law asks for the books."""
_HELP_AND_MEASURE = ("support", "analytics")


def _text(
    name: str,
    description: str,
    data_class: DataClass = DataClass.BEHAVIOURAL,
    purposes: tuple[str, ...] = EVERY_PURPOSE,
    max_length: int = 200,
    required: bool = False,
    values: tuple[str, ...] = (),
    pattern: str | None = None,
    retention: Retention = _KEPT,
) -> Field:
    return Field(
        name,
        FieldType.TEXT,
        description,
        data_class,
        purposes,
        retention,
        required=required,
        max_length=max_length,
        values=values,
        pattern=pattern,
    )


ORDER_ID = _text(
    "order_id", "The order's key in its source.", DataClass.FINANCIAL, ("support",), retention=_BOOKS_KEPT
)
LINES = Field(
    "lines",
    FieldType.ATTRIBUTES,
    "The lines of the order.",
    DataClass.FINANCIAL,
    EVERY_PURPOSE,
    _BOOKS_KEPT,
    many=True,
    max_length=5_000,
    properties=(
        _text("product", "The product's key.", DataClass.FINANCIAL, retention=_BOOKS_KEPT),
        _text("name", "The product's name.", DataClass.FINANCIAL, max_length=500, retention=_BOOKS_KEPT),
        _text("category", "The product's category.", retention=_BOOKS_KEPT),
        Field("quantity", FieldType.NUMBER, "How many.", DataClass.FINANCIAL, EVERY_PURPOSE, _BOOKS_KEPT),
        Field(
            "price", FieldType.MINOR_UNITS, "Price of one.", DataClass.FINANCIAL, EVERY_PURPOSE, _BOOKS_KEPT
        ),
    ),
)
CATEGORY = _text("category", "What it was about: the category of a product, page or order.")
TOPIC = _text("topic", "What a conversation was about.", purposes=_HELP_AND_MEASURE)
SENTIMENT = _text(
    "sentiment",
    "The mood of a message, where it is known.",
    DataClass.SENSITIVE,
    _HELP_AND_MEASURE,
    values=("positive", "neutral", "negative"),
)
MATTER_ID = _text("matter_id", "The support matter a message belongs to.", DataClass.PSEUDONYM, ("support",))
STATUS = _text("status", "The state of the matter or order after it.", purposes=_HELP_AND_MEASURE)


@dataclass(frozen=True, slots=True)
class InteractionKind:
    """A kind of interaction with properties of its own."""

    type: str
    """The interaction type that makes it so; empty when the properties do."""
    description: str
    properties: tuple[Field, ...]
    needs: tuple[str, ...] = ()
    """Fields and properties that it may not be without."""


PURCHASE = InteractionKind(
    "purchase",
    "Something bought.",
    (ORDER_ID, LINES, CATEGORY, STATUS),
    needs=("order_id", "value", "currency"),
)
CONVERSATION = InteractionKind(
    "",
    "A message or call between the person and the company.",
    (MATTER_ID, TOPIC, SENTIMENT, STATUS),
    needs=("channel",),
)

_FIELDS = (
    _text(
        "event_id",
        "The event's key in its source; the same one counts once.",
        DataClass.PSEUDONYM,
        ("support",),
        required=True,
    ),
    _text("source", "The source that saw it.", DataClass.NONE, max_length=100, required=True),
    _text("record_key", "The source key of the record that did it.", DataClass.IDENTIFIER, ("support",)),
    Field(
        "identifiers",
        FieldType.IDENTIFIERS,
        "The identifiers it came with, by kind.",
        DataClass.IDENTIFIER,
        ("support",),
        _KEPT,
    ),
    _text(
        "type", "What was done: purchase, page_view, email_opened, message, …", max_length=100, required=True
    ),
    _text("channel", "Where: web, app, email, chat, phone, social, store.", max_length=100),
    Field(
        "occurred_at",
        FieldType.MICROS,
        "When it happened.",
        DataClass.BEHAVIOURAL,
        EVERY_PURPOSE,
        _KEPT,
        required=True,
    ),
    Field(
        "received_at",
        FieldType.MICROS,
        "When we received it.",
        DataClass.NONE,
        EVERY_PURPOSE,
        _KEPT,
        required=True,
    ),
    Field(
        "value", FieldType.MINOR_UNITS, "What it was worth.", DataClass.FINANCIAL, EVERY_PURPOSE, _BOOKS_KEPT
    ),
    _text(
        "currency",
        "The value's currency, ISO 4217.",
        DataClass.FINANCIAL,
        max_length=3,
        pattern="[A-Z]{3}",
        retention=_BOOKS_KEPT,
    ),
    Field(
        "properties",
        FieldType.ATTRIBUTES,
        "What else is known of it, by name.",
        DataClass.BEHAVIOURAL,
        EVERY_PURPOSE,
        _KEPT,
        max_length=100_000,
        properties=(ORDER_ID, LINES, CATEGORY, TOPIC, SENTIMENT, MATTER_ID, STATUS),
    ),
)

INTERACTION = Contract(
    name="interaction",
    version="0.1.0",
    schema=pa.DataFrameSchema(
        {field.name: column(field) for field in _FIELDS},
        checks=[NAMES_A_RECORD, NOT_AHEAD, VALUE_HAS_CURRENCY, PURCHASE_IS_WHOLE],
        name="interaction",
        description="Something a person did.",
        strict=True,
    ),
    conditions=(NAMES_A_RECORD_TERMS, VALUE_HAS_CURRENCY_TERMS, PURCHASE_IS_WHOLE_TERMS),
)
