"""Reads the collector's inbox: what clients sent for one source, in the order of its acceptance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa

from customer_profiles.settings import Feed
from customer_profiles.sources.envelope import Batch, Envelope, Position
from customer_profiles.sources.inbox import AFTER, head
from customer_profiles.sources.paths import condition, mapped_columns, projection
from customer_profiles.sources.tables import inbox_event
from customer_profiles.state.engine import State, Store

MOST_BYTES = 32 << 20
"""Of the events of one batch: however large events are, a batch has room in memory."""


class CollectorReader:
    """Reads the feeds of one source of the collector.

    Each feed goes through all events of its source and keeps those of its `where`. Events that no feed could understand are
    told of by the first feed. An event that every feed has read is cleared away by the collector, so a changed mapping
    counts from then on.
    """

    def __init__(self, source: str, feeds: Mapping[str, Feed], state: State) -> None:
        self._source = source
        self._state = state
        self._fingerprints = {name: feed.fingerprint for name, feed in feeds.items()}
        self._wanted = {name: condition(feed.where) for name, feed in feeds.items()}
        self._project = {name: projection(mapped_columns(feed)) for name, feed in feeds.items()}
        self._tells_unreadable = next(iter(feeds))

    def read(self, feed: str, position: Position, limit: int) -> Batch:
        """Go through at most `limit` events; see :class:`~customer_profiles.sources.envelope.Connector`."""
        notes: tuple[str, ...] = ()
        if position and position["mapping"] != self._fingerprints[feed]:
            notes = (
                f"{self._source}.{feed}: its settings changed; they count for events from now on, for those read before "
                "are not kept.",
            )
        after = position.get(AFTER, 0)
        with self._state.reading(Store.INBOX) as connection:
            newest = head(connection)
            query = (
                sa.select(
                    inbox_event.c.inbox_no,
                    inbox_event.c.body,
                    inbox_event.c.error,
                    inbox_event.c.received_at,
                )
                .where(inbox_event.c.inbox_no > after, inbox_event.c.source == self._source)
                .order_by(inbox_event.c.inbox_no)
                .limit(limit)
            )
            rows, whole = _up_to_bytes(
                connection.execute(query, execution_options={"yield_per": 500}), MOST_BYTES
            )
        complete = whole and len(rows) < limit
        envelopes = []
        for number, body, error, received_at in rows:
            envelope = self._envelope(feed, number, bytes(body), error, received_at)
            if envelope is not None:
                envelopes.append(envelope)
        # At the end of what is there, events of other sources count as passed.
        after = max(after, newest) if complete else rows[-1].inbox_no
        return Batch(
            envelopes, {"mapping": self._fingerprints[feed], AFTER: after}, complete, None, False, notes
        )

    def close(self) -> None:
        """Nothing stays open between reads."""

    def _envelope(
        self, feed: str, number: int, body: bytes, error: str | None, received_at: int
    ) -> Envelope | None:
        position = f"inbox:{number}"
        if error is not None:
            told = feed == self._tells_unreadable
            return Envelope(position, None, body, error, received_at) if told else None
        event = orjson.loads(body)
        wanted = self._wanted[feed]
        if wanted is not None and not wanted(event):
            return None
        return Envelope(position, self._project[feed](event), received_at=received_at)


def _up_to_bytes(found: sa.CursorResult[Any], most: int) -> tuple[list[Any], bool]:
    """The first rows that have room together, at least one; and whether these are all."""
    rows: list[Any] = []
    size = 0
    for row in found:
        size += len(row.body)
        if rows and size > most:
            return rows, False
        rows.append(row)
    return rows, True
