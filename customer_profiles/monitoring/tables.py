"""The ledger, up to when everything received is through each stage, alarms and who is still to be told of them."""

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

ledger_total = sa.Table(
    "ledger_total",
    STATE,
    column("stage", Text, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("source", Text, primary_key=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("batches", Number, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("received", Number, owner=Owner.SOURCE, data_class=DataClass.NONE),
    *(column(term, Number, owner=Owner.SOURCE, data_class=DataClass.NONE) for term in TERMS),
    column("seconds", Real, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    comment="Old batches that are no longer in the ledger, added up: each of them accounted for all that it received.",
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

alarm = sa.Table(
    "alarm",
    INBOX,
    column("alarm_id", Text, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("name", Text, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column(
        "subject",
        Text,
        owner=Owner.SYSTEM,
        data_class=DataClass.NONE,
        comment="The source, stage, job or disk it is about.",
    ),
    column("severity", Text, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("summary", Text, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("facts", Json, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("since", Micros, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("opened_at", Micros, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("resolved_at", Micros, nullable=True, index=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    comment="Every alarm that was raised: what, since when, and when it was over.",
)

alarm_notice = sa.Table(
    "alarm_notice",
    INBOX,
    column("notice_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("alarm_id", Text, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("receiver", Text, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("event", Text, owner=Owner.SYSTEM, data_class=DataClass.NONE, comment="open or resolve."),
    comment="The outbox of alarms: who is still to be told of what, in this order; a row goes once it was delivered.",
)

failed_run = sa.Table(
    "failed_run",
    INBOX,
    column("job", Text, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("failed_at", Micros, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    comment="Jobs of Dagster whose last run failed, since its first failure in a row.",
)
