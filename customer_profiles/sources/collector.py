"""Reads the collector's inbox: what clients sent for one source, in the order of its acceptance."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

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


@dataclass
class _Page:
    """Events that were read and decoded once for every feed of their source.

    Attributes:
        after: The number of the last event before them. ``limit``: how many were asked for. ``mappings``: of which feeds.
        reached: The number of the last event that counts as read. ``complete``: whether these were all there are.
        envelopes: Of each feed that has not taken its own yet.
    """

    after: int
    limit: int
    mappings: Mapping[str, str]
    reached: int
    complete: bool
    envelopes: dict[str, list[Envelope]]


class CollectorReader:
    """Reads the feeds of one source of the collector.

    Each feed goes through all events of its source and keeps those of its `where`. Events that no feed could understand are
    told of by the first feed. An event that every feed has read is cleared away by the collector, so a changed mapping
    counts from then on. The feeds of a source read one after the other, mostly the same events: so these are decoded once.
    """

    def __init__(self, source: str, feeds: Mapping[str, Feed], state: State) -> None:
        self._source = source
        self._state = state
        self._fingerprints = {name: feed.fingerprint for name, feed in feeds.items()}
        self._feeds = [
            (name, condition(feed.where), projection(mapped_columns(feed))) for name, feed in feeds.items()
        ]
        self._tells_unreadable = next(iter(feeds))

    def read(self, feed: str, position: Position, limit: int) -> Batch:
        """Go through at most `limit` events; see :class:`~customer_profiles.sources.envelope.Connector`."""
        notes: tuple[str, ...] = ()
        if position and position["mapping"] != self._fingerprints[feed]:
            notes = (
                f"{self._source}.{feed}: its settings changed; they count for events from now on, for those read before "
                "are not kept.",
            )
        page = self._page(feed, position.get(AFTER, 0), limit)
        moved = {"mapping": self._fingerprints[feed], AFTER: page.reached}
        return Batch(page.envelopes.pop(feed), moved, page.complete, None, False, notes)

    def close(self) -> None:
        """Nothing stays open between reads."""

    def _page(self, feed: str, after: int, limit: int) -> _Page:
        """The page that another feed has just read, unless this one has taken its part of it before; else a new one."""
        pages = _PAGES.setdefault(self._state, {})
        page = pages.get(self._source)
        asked = (after, limit, self._fingerprints)
        if page is None or (page.after, page.limit, page.mappings) != asked or feed not in page.envelopes:
            pages[self._source] = page = self._read(after, limit)
        if len(page.envelopes) == 1:
            del pages[self._source]
        return page

    def _read(self, after: int, limit: int) -> _Page:
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
        # At the end of what is there, events of other sources count as passed.
        reached = max(after, newest) if complete else rows[-1].inbox_no
        parts: dict[str, list[Envelope]] = {name: [] for name, _, _ in self._feeds}
        page = _Page(after, limit, self._fingerprints, reached, complete, parts)
        for number, body, error, received_at in rows:
            place = f"inbox:{number}"
            if error is not None:
                unreadable = Envelope(place, None, bytes(body), error, received_at)
                page.envelopes[self._tells_unreadable].append(unreadable)
                continue
            event = orjson.loads(bytes(body))
            for name, wanted, project in self._feeds:
                if wanted is None or wanted(event):
                    page.envelopes[name].append(Envelope(place, project(event), received_at=received_at))
        return page


_PAGES: WeakKeyDictionary[State, dict[str, _Page]] = WeakKeyDictionary()
"""Of each open state, by source, the page that not every feed has taken its part of."""


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
