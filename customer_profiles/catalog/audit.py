"""The audit: looks at every source and keeps what it found in the catalog."""

from __future__ import annotations

import time
from collections.abc import Callable

from customer_profiles.catalog.audit_database import Looked, look_at_tables
from customer_profiles.catalog.audit_files import look_at_files
from customer_profiles.catalog.audit_inbox import look_at_inbox
from customer_profiles.catalog.classify import guess, mapped_fields, worst
from customer_profiles.catalog.facts import ColumnFacts, FeedFacts
from customer_profiles.catalog.tables import catalog_column, catalog_feed
from customer_profiles.settings import CollectorConnector, DatabaseConnector, Feed, Settings, Source
from customer_profiles.sources.files import FilesReader
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.engine import State

_FEED_COLUMNS = ("source", "feed", "place", "contract", "owned_by", "row_count", "unreadable", "size_bytes", "newest",
                 "audited_at")  # fmt: skip
_COLUMN_COLUMNS = (
    "source",
    "feed",
    "name",
    "place",
    "type",
    "nulls",
    "distinct_values",
    "class",
    "guessed",
    "mapped_to",
)


def audit_sources(
    settings: Settings, state: State, clock: Callable[[], int] = lambda: time.time_ns() // 1000
) -> list[FeedFacts]:
    """Look at every feed of every source, and replace what the catalog says by what is found.

    Args:
        settings: All settings.
        state: Where the catalog is kept.
        clock: Now, in micros.

    Raises:
        SourceError: a source cannot be read; the catalog stays as it was.
    """
    found = [
        facts for name, source in settings.sources.items() for facts in _audit(settings, state, name, source)
    ]
    now = clock()
    with state.writing() as connection:
        connection.execute(catalog_column.delete())
        connection.execute(catalog_feed.delete())
        insert_rows(connection, catalog_feed, _FEED_COLUMNS, [_feed_row(facts, now) for facts in found])
        insert_rows(
            connection,
            catalog_column,
            _COLUMN_COLUMNS,
            [
                _column_row(facts, place, column)
                for facts in found
                for place, column in enumerate(facts.columns, 1)
            ],
        )
    return found


def _audit(settings: Settings, state: State, name: str, source: Source) -> list[FeedFacts]:
    connector = source.connector
    if isinstance(connector, DatabaseConnector):
        looked = look_at_tables(name, connector, source.feeds)
    elif isinstance(connector, CollectorConnector):
        looked = {feed_name: look_at_inbox(state, name, feed) for feed_name, feed in source.feeds.items()}
    else:
        reader = FilesReader(name, connector, source.feeds)
        looked = {
            feed_name: look_at_files(reader, feed_name, feed, str(feed.files))
            for feed_name, feed in source.feeds.items()
        }
    owner = source.owner or settings.owner
    return [
        _facts(settings, name, owner, feed_name, feed, looked[feed_name])
        for feed_name, feed in source.feeds.items()
    ]


def _facts(
    settings: Settings, source: str, owner: str, feed_name: str, feed: Feed, looked: Looked
) -> FeedFacts:
    mapped = mapped_fields(settings, feed)
    columns = []
    for column in looked.columns:
        # A column that is opened (a mapping, JSON text) counts as mapped when something inside it is.
        fields = [
            field
            for path, found in mapped.items()
            if path == column.name or path.startswith(f"{column.name}.") or column.name.startswith(f"{path}.")
            for field in found
        ]
        data_class = (
            worst([data_class for _, data_class in fields])
            if fields
            else guess(column.name, column.looks_like_email)
        )
        columns.append(
            ColumnFacts(
                column.name,
                column.type,
                column.nulls,
                column.distinct,
                data_class,
                not fields,
                ", ".join(dict.fromkeys(name for name, _ in fields)) or None,
            )
        )
    return FeedFacts(
        source,
        feed_name,
        looked.place,
        feed.contract,
        owner,
        looked.rows,
        looked.unreadable,
        looked.size_bytes,
        looked.newest,
        tuple(columns),
    )


def _feed_row(facts: FeedFacts, now: int) -> tuple[object, ...]:
    return (
        facts.source,
        facts.feed,
        facts.place,
        facts.contract,
        facts.owner,
        facts.rows,
        facts.unreadable,
        facts.size_bytes,
        facts.newest,
        now,
    )


def _column_row(facts: FeedFacts, place: int, column: ColumnFacts) -> tuple[object, ...]:
    return (
        facts.source,
        facts.feed,
        column.name,
        place,
        column.type,
        column.nulls,
        column.distinct,
        str(column.data_class),
        int(column.guessed),
        column.mapped_to,
    )
