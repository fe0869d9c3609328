"""The contract of consent statements: one choice about one purpose, in the terms of ISO/IEC TS 27560."""

from dataclasses import replace

import pandera.pandas as pa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.contracts.columns import column
from customer_profiles.contracts.contract import Contract, Field, FieldType
from customer_profiles.contracts.rules import NAMES_A_RECORD, NAMES_A_RECORD_TERMS
from customer_profiles.contracts.statement import CHOICE, PROOF_KEPT, PURPOSE, STATED_AT


def _text(
    name: str, description: str, data_class: DataClass, max_length: int = 200, required: bool = False
) -> Field:
    return Field(
        name,
        FieldType.TEXT,
        description,
        data_class,
        (),
        PROOF_KEPT,
        max_length=max_length,
        required=required,
    )


_FIELDS = (
    _text(
        "statement_id",
        "The statement's key in its source; the same one counts once.",
        DataClass.PSEUDONYM,
        required=True,
    ),
    _text("source", "The source that took the statement.", DataClass.NONE, 100, required=True),
    _text("record_key", "The source key of the record that stated it.", DataClass.IDENTIFIER),
    Field(
        "identifiers",
        FieldType.IDENTIFIERS,
        "The identifiers the statement came with, by kind, where the source has no record key.",
        DataClass.IDENTIFIER,
        (),
        PROOF_KEPT,
    ),
    PURPOSE,
    CHOICE,
    replace(STATED_AT, description="When the person said so.", required=True),
    _text("method", "How it was said: banner, form, unsubscribe link, phone, …", DataClass.BEHAVIOURAL),
    _text("notice", "The privacy notice in force then, by its version.", DataClass.NONE),
    replace(
        STATED_AT,
        name="received_at",
        description="When we received it.",
        data_class=DataClass.NONE,
        required=True,
    ),
)

CONSENT = Contract(
    name="consent",
    version="0.1.0",
    schema=pa.DataFrameSchema(
        {field.name: column(field) for field in _FIELDS},
        checks=[NAMES_A_RECORD],
        name="consent",
        description="What one person chose about one purpose.",
        strict=True,
    ),
    conditions=(NAMES_A_RECORD_TERMS,),
)
