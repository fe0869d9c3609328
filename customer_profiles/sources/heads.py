"""Where a source has got to, told without reading it: a mark that is another one when there is something new.

A mark costs a look at an index or at a folder. Two marks that differ say that reading is worth while, no more.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from hashlib import blake2b
from typing import Protocol

import sqlalchemy as sa

from customer_profiles.settings import CollectorConnector, DatabaseConnector, Feed, FilesConnector, Source
from customer_profiles.settings.streaming import Streaming
from customer_profiles.sources.engines import connect, failed
from customer_profiles.sources.file_formats import SETTLED_SECONDS
from customer_profiles.sources.files import FilesReader
from customer_profiles.sources.inbox import head
from customer_profiles.state.engine import State, Store


class Head(Protocol):
    """Tells how far one source has got."""

    @property
    def every(self) -> float:
        """Seconds between two looks."""
        ...

    def mark(self) -> str:
        """The mark of now.

        Raises:
            SourceError: the source cannot be reached.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


def open_head(
    source: str,
    settings: Source,
    streaming: Streaming,
    state: State,
    clock: Callable[[], float] = time.time,
) -> Head:
    """The head of a source.

    Args:
        source: Its name.
        settings: Its settings.
        streaming: How often each kind of source is looked at.
        state: Where the inbox is.
        clock: Seconds since 1970.

    Raises:
        SourceError: its URL is none, or its driver is not installed.
    """
    if isinstance(settings.connector, CollectorConnector):
        return _InboxHead(state, streaming.inbox_seconds)
    if isinstance(settings.connector, FilesConnector):
        return _FilesHead(source, settings.connector, settings.feeds, streaming.files_seconds, clock)
    return _DatabaseHead(source, settings.connector, settings.feeds, streaming, clock)


class _InboxHead:
    """The number of the newest event in the inbox, whichever source it belongs to."""

    def __init__(self, state: State, every: float) -> None:
        self._state = state
        self._newest = 0
        self.every = every

    def mark(self) -> str:
        with self._state.reading(Store.INBOX) as connection:
            # What was read is cleared away, the newest event too.
            self._newest = max(self._newest, head(connection))
        return str(self._newest)

    def close(self) -> None:
        pass


class _FilesHead:
    """Names, sizes and times of change of the files, and whether they are settled.

    A last line without an end is taken for whole when nobody has written to its file for a while, so the mark is another
    one when that while is over.
    """

    def __init__(
        self,
        source: str,
        settings: FilesConnector,
        feeds: Mapping[str, Feed],
        every: float,
        clock: Callable[[], float],
    ) -> None:
        self._reader = FilesReader(source, settings, feeds)
        # Feeds over the same files are one look.
        self._feeds = list({feed.files: name for name, feed in feeds.items()}.values())
        self.every = every
        self._clock = clock

    def mark(self) -> str:
        seen = blake2b(digest_size=12)
        settled_before = self._clock() - SETTLED_SECONDS
        for feed in self._feeds:
            for relative, path in self._reader.paths(feed).items():
                try:
                    stat = path.stat()
                except OSError:
                    continue  # it went meanwhile: the next look sees what is left
                settled = stat.st_mtime <= settled_before
                seen.update(f"{relative}\0{stat.st_size}\0{stat.st_mtime_ns}\0{settled}\n".encode())
        return seen.hexdigest()

    def close(self) -> None:
        pass


class _DatabaseHead:
    """The newest value of each feed's cursor; feeds without one, and what cursors do not show, come by the clock."""

    def __init__(
        self,
        source: str,
        settings: DatabaseConnector,
        feeds: Mapping[str, Feed],
        streaming: Streaming,
        clock: Callable[[], float],
    ) -> None:
        self._source = source
        self._schema = settings.database_schema
        self._feeds = {name: feed for name, feed in feeds.items() if feed.cursor and feed.table}
        self._engine = connect(source, settings.url)
        self._whole_seconds = streaming.whole_seconds
        self.every = streaming.database_seconds
        self._clock = clock

    def mark(self) -> str:
        seen = blake2b(digest_size=12)
        for name, feed in self._feeds.items():
            column: sa.ColumnClause[object] = sa.column(str(feed.cursor))
            newest = sa.select(sa.func.max(column)).select_from(
                sa.table(str(feed.table), column, schema=self._schema)
            )
            try:
                with self._engine.connect() as connection:
                    seen.update(f"{connection.execute(newest).scalar_one()}\n".encode())
            except sa.exc.SQLAlchemyError as error:
                raise failed(f"{self._source}.{name}", feed.table, self._engine.url, error) from None
        # A digest: a cursor may be a value of a person, and marks are kept by others.
        return f"{int(self._clock() // self._whole_seconds)}:{seen.hexdigest()}"

    def close(self) -> None:
        self._engine.dispose()
