"""Where each feed was left, written in the transaction of the rows that were read; and the inbox of the collector."""

import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import INBOX, STATE, Bytes, Json, Micros, Number, Owner, Text, column

feed_position = sa.Table(
    "feed_position",
    STATE,
    column("source", Text, primary_key=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("feed", Text, primary_key=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("position", Json, owner=Owner.SOURCE, data_class=DataClass.IDENTIFIER),
    comment="Where the reading of each feed goes on; may hold the key of the last row read.",
)

source_file = sa.Table(
    "source_file",
    STATE,
    column("source", Text, primary_key=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("feed", Text, primary_key=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("path", Text, primary_key=True, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("mark", Json, owner=Owner.SOURCE, data_class=DataClass.NONE),
    comment="The files of each feed: how far each was read, its size and hashes.",
)

inbox_event = sa.Table(
    "inbox_event",
    INBOX,
    column("inbox_no", Number, primary_key=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("source", Text, owner=Owner.SOURCE, data_class=DataClass.NONE),
    column("body", Bytes, owner=Owner.RECORD, data_class=DataClass.SENSITIVE),
    column("error", Text, nullable=True, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("received_at", Micros, owner=Owner.RECORD, data_class=DataClass.NONE),
    comment="What the collector accepted and not every feed of its source has read; body is the event as JSON.",
)

inbox_message = sa.Table(
    "inbox_message",
    INBOX,
    column("digest", Bytes, primary_key=True, owner=Owner.RECORD, data_class=DataClass.PSEUDONYM),
    column("inbox_no", Number, owner=Owner.SYSTEM, data_class=DataClass.NONE),
    column("received_at", Micros, owner=Owner.RECORD, data_class=DataClass.NONE),
    sa.Index("inbox_message_received", "received_at"),
    comment="Digests of source and message ID of what was accepted: it counts once, also when its event is read and gone.",
)
