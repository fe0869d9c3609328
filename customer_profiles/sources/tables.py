"""Where each feed was left. Written in the transaction of the rows that were read."""

import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.schema import STATE, Json, Owner, Text, column

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
