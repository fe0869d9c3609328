"""The contract of records: one source's view of one person. Only what names it must be there."""

from collections.abc import Iterable

import pandera.pandas as pa

from customer_profiles.contracts.classes import DataClass, Retention
from customer_profiles.contracts.columns import column
from customer_profiles.contracts.contract import Contract, Field, FieldType
from customer_profiles.contracts.statement import CHOICE, PURPOSE, STATED_AT

EVERY_PURPOSE = ("support", "personalisation", "analytics", "marketing")
_TO_HELP_AND_REACH = ("support", "marketing")
_KEPT = Retention("P3Y")


def _text(
    name: str,
    description: str,
    data_class: DataClass,
    purposes: Iterable[str],
    max_length: int = 200,
    pattern: str | None = None,
    many: bool = False,
    required: bool = False,
) -> Field:
    return Field(
        name,
        FieldType.TEXT,
        description,
        data_class,
        tuple(purposes),
        _KEPT,
        pattern=pattern,
        max_length=max_length,
        many=many,
        required=required,
    )


def _time(name: str, description: str) -> Field:
    return Field(name, FieldType.MICROS, description, DataClass.BEHAVIOURAL, ("support", "analytics"), _KEPT)


_FIELDS = (
    _text("source", "The source that holds the record.", DataClass.NONE, EVERY_PURPOSE, 100, required=True),
    _text("source_key", "The record's key in its source.", DataClass.IDENTIFIER, ("support",), required=True),
    _text("given_name", "Given name.", DataClass.IDENTIFIER, ("support", "personalisation", "marketing")),
    _text("family_name", "Family name.", DataClass.IDENTIFIER, _TO_HELP_AND_REACH),
    _text(
        "full_name",
        "The whole name as written, where its parts are unknown.",
        DataClass.IDENTIFIER,
        _TO_HELP_AND_REACH,
        300,
    ),
    _text(
        "emails",
        "Email addresses, normalised.",
        DataClass.CONTACT,
        _TO_HELP_AND_REACH,
        254,
        r"[^@\s]+@[^@\s]+\.[^@\s.]+",
        many=True,
    ),
    _text(
        "phones",
        "Phone numbers, E.164.",
        DataClass.CONTACT,
        _TO_HELP_AND_REACH,
        16,
        r"\+[1-9][0-9]{4,14}",
        many=True,
    ),
    Field("birth_date", FieldType.DATE, "Date of birth.", DataClass.DEMOGRAPHIC, ("support",), _KEPT),
    _text("address_line", "House and street.", DataClass.CONTACT, _TO_HELP_AND_REACH, 500),
    _text("city", "City or town.", DataClass.DEMOGRAPHIC, EVERY_PURPOSE),
    _text("region", "County, state or province.", DataClass.DEMOGRAPHIC, EVERY_PURPOSE),
    _text("postcode", "Postal code, normalised.", DataClass.CONTACT, _TO_HELP_AND_REACH, 20),
    _text("country", "Country, ISO 3166-1 alpha-2.", DataClass.DEMOGRAPHIC, EVERY_PURPOSE, 2, "[A-Z]{2}"),
    Field(
        "external_ids",
        FieldType.IDENTIFIERS,
        "The record's identifiers in other systems, by kind: user_id, device_id, social_handle, …",
        DataClass.IDENTIFIER,
        ("support",),
        _KEPT,
    ),
    Field(
        "preferences",
        FieldType.ATTRIBUTES,
        "What the person prefers, by name.",
        DataClass.BEHAVIOURAL,
        ("support", "personalisation", "marketing"),
        _KEPT,
        max_length=20_000,
    ),
    _text(
        "language",
        "Language, BCP 47.",
        DataClass.DEMOGRAPHIC,
        EVERY_PURPOSE,
        35,
        "[a-z]{2,3}(-[A-Za-z0-9]{2,8})*",
    ),
    Field(
        "consent",
        FieldType.STATEMENT,
        "What the person agreed to or refused, as the source knows it.",
        DataClass.BEHAVIOURAL,
        EVERY_PURPOSE,
        Retention("P6Y"),
        many=True,
        properties=(PURPOSE, CHOICE, STATED_AT),
    ),
    _time("created_at", "When the source made the record."),
    _time("updated_at", "When the source last changed the record."),
    _time("deleted_at", "When the source deleted the record; empty while it lives."),
    Field(
        "extra",
        FieldType.ATTRIBUTES,
        "Declared attributes beyond the contract; each serves the purposes of the trait made of it.",
        DataClass.SENSITIVE,
        (),
        _KEPT,
        max_length=20_000,
    ),
)

RECORD = Contract(
    name="record",
    version="0.1.0",
    schema=pa.DataFrameSchema(
        {field.name: column(field) for field in _FIELDS},
        name="record",
        description="One source's view of one person.",
        strict=True,
    ),
)
