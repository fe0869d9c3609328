"""The consent ledger's table. It is in the trust store: restoring an older state never restores a consent."""

from sqlalchemy import Index, Table, UniqueConstraint

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import TRUST, Bytes, Micros, Number, Owner, Text, column

consent_statement = Table(
    "consent_statement",
    TRUST,
    column(
        "statement_no",
        Number,
        primary_key=True,
        owner=Owner.SYSTEM,
        data_class=DataClass.NONE,
        comment="Number of the statement in the ledger; it only grows.",
    ),
    column(
        "statement_key",
        Bytes,
        owner=Owner.RECORD,
        data_class=DataClass.PSEUDONYM,
        comment="Hash of what makes it the same statement when it is delivered again.",
    ),
    column(
        "record_no",
        Number,
        owner=Owner.RECORD,
        data_class=DataClass.PSEUDONYM,
        comment="The record that spoke (ISO/IEC TS 27560: pii_principal_id).",
    ),
    column(
        "source",
        Text,
        owner=Owner.SOURCE,
        data_class=DataClass.NONE,
        comment="The source that delivered it.",
    ),
    column(
        "source_key",
        Text,
        owner=Owner.RECORD,
        data_class=DataClass.IDENTIFIER,
        comment="Key of the record in its source.",
    ),
    column(
        "statement_id",
        Text,
        nullable=True,
        owner=Owner.RECORD,
        data_class=DataClass.PSEUDONYM,
        comment="The source's own number of the statement (ISO/IEC TS 27560: record_id).",
    ),
    column(
        "purpose",
        Text,
        owner=Owner.RECORD,
        data_class=DataClass.BEHAVIOURAL,
        comment="What the data would be used for (ISO/IEC TS 27560: purpose).",
    ),
    column(
        "choice",
        Text,
        owner=Owner.RECORD,
        data_class=DataClass.BEHAVIOURAL,
        comment="granted, refused or withdrawn (ISO/IEC TS 27560: event_state).",
    ),
    column(
        "stated_at",
        Micros,
        owner=Owner.RECORD,
        data_class=DataClass.BEHAVIOURAL,
        comment="When it was said, micros (ISO/IEC TS 27560: event_time).",
    ),
    column(
        "received_at",
        Micros,
        owner=Owner.RECORD,
        data_class=DataClass.NONE,
        comment="When it reached us, micros.",
    ),
    column(
        "method",
        Text,
        nullable=True,
        owner=Owner.RECORD,
        data_class=DataClass.BEHAVIOURAL,
        comment="How it was collected (ISO/IEC TS 27560: collection_method).",
    ),
    column(
        "notice",
        Text,
        nullable=True,
        owner=Owner.RECORD,
        data_class=DataClass.NONE,
        comment="The privacy notice that was shown, with its version (ISO/IEC TS 27560: privacy_notice).",
    ),
    UniqueConstraint("statement_key", name="consent_statement_key"),
    Index("consent_statement_by_record", "record_no", "purpose"),
)
