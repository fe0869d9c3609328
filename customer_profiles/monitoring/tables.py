"""The ledger, and up to when everything received is through each stage."""

import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import INBOX, STATE, Json, Micros, Number, Owner, Real, Text, column

TERMS = ("applied", "unchanged", "duplicate", "quarantined", "suppressed", "declined")
"""What can become of something received; together they are all of it."""

ledger = sa.Table(
    "ledger",
    STATE,
    column("batch_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("stage", Text, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("source", Text, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("received", Number, owner=Owner.SOURCE, data_class=DataClass.NONE),
    *(column(term, Number, owner=Owner.SOURCE, data_class=DataClass.NONE) for term in TERMS),
    column("watermark", Micros, nullable=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("seconds", Real, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("committed_at", Micros, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("facts", Json, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    sa.Index("ledger_stage", "stage", "source"),
    comment="One row a batch: what was received, and what became of all of it.",
)

watermark = sa.Table(
    "watermark",
    # Beside the inbox: it is written every second, and must not wait for a long batch.
    INBOX,
    column("stage", Text, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("source", Text, primary_key=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("watermark", Micros, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    comment=(
        "Everything up to this moment is through the stage: read from its source, an empty reading included, or taken in "
        "with all that comes before it. It stands still while a source cannot be read or a stage is behind."
    ),
)
