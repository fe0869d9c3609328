"""Looks at what waits in the collector's inbox for a feed: the newest events, for what was read is gone."""

from __future__ import annotations

from datetime import UTC, datetime

import orjson
import sqlalchemy as sa

from customer_profiles.catalog.audit_database import Looked
from customer_profiles.catalog.audit_files import count_columns
from customer_profiles.settings import Feed
from customer_profiles.sources.paths import condition
from customer_profiles.sources.tables import inbox_event
from customer_profiles.state.engine import State, Store

_MOST = 10_000
"""Events looked at."""


def look_at_inbox(state: State, source: str, feed: Feed) -> Looked:
    """Look at the newest events of a source that are still in the inbox and that this feed wants."""
    query = (
        sa.select(inbox_event.c.body, inbox_event.c.error, inbox_event.c.received_at)
        .where(inbox_event.c.source == source)
        .order_by(inbox_event.c.inbox_no.desc())
        .limit(_MOST)
    )
    with state.reading(Store.INBOX) as connection:
        events = connection.execute(query).all()
    wanted = condition(feed.where)
    rows = [orjson.loads(bytes(body)) for body, error, _ in events if error is None]
    rows = [row for row in rows if wanted is None or wanted(row)]
    unreadable = sum(error is not None for _, error, _ in events)
    size = sum(len(body) for body, _, _ in events)
    newest = (
        datetime.fromtimestamp(events[0].received_at / 1e6, UTC).isoformat(timespec="seconds")
        if events
        else None
    )
    return Looked("inbox", len(rows), unreadable, size, newest, count_columns(rows))
