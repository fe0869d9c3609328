"""The collector's inbox: events in the order of their acceptance, each once, until their source was read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import sqlalchemy as sa

from customer_profiles.settings import CollectorConnector, Settings
from customer_profiles.sources.positions import load_position
from customer_profiles.sources.tables import inbox_event, inbox_message
from customer_profiles.state.bulk import delete_rows, insert_rows, rows_by_key
from customer_profiles.state.sequences import reserve

AFTER = "after"
"""In the position of a collector's feed: the number of the last event read."""
REMEMBERED_MICROS = 32 * 86_400_000_000
"""So long a message ID is known again: an event up to 31 days late can still change an hour's bucket."""
_EVENT_COLUMNS = ("inbox_no", "source", "body", "error", "received_at")
_MESSAGE_COLUMNS = ("digest", "inbox_no", "received_at")


@dataclass(frozen=True, slots=True)
class Arrived:
    """An event as the collector took it.

    Attributes:
        source: The source whose write key it came with.
        message_id: What makes it the same event when it comes again.
        body: JSON.
        error: The code of a `Reason`, when it can already be told that it cannot be used.
    """

    source: str
    message_id: str
    body: bytes
    error: str | None = None


@dataclass(frozen=True, slots=True)
class Accepted:
    """What became of the events of one request.

    Attributes:
        accepted: Events that are new.
        duplicate: Events that were accepted before.
        inbox_no: When everything up to this number is in the profiles, these events are.
    """

    accepted: int
    duplicate: int
    inbox_no: int


def append(
    connection: sa.Connection, requests: Sequence[Sequence[Arrived]], received_at: int
) -> list[Accepted]:
    """Put the events of several requests into the inbox, in their order.

    Args:
        connection: A writing connection to the inbox.
        requests: The events of each request, at least one each.
        received_at: Now, in micros.

    Returns:
        What became of each request.
    """
    digests = [[_digest(one) for one in request] for request in requests]
    known: dict[bytes, int] = {
        bytes(digest): number
        for digest, number in rows_by_key(
            connection,
            inbox_message,
            "digest",
            [digest for request in digests for digest in request],
            ("digest", "inbox_no"),
        )
    }
    next_no = first = reserve(connection, "event", 0)
    events: list[tuple[int, str, bytes, str | None, int]] = []
    messages: list[tuple[bytes, int, int]] = []
    results: list[Accepted] = []
    for request, request_digests in zip(requests, digests, strict=True):
        duplicate = last = 0
        for one, digest in zip(request, request_digests, strict=True):
            if digest in known:
                duplicate += 1
            else:
                known[digest] = next_no
                events.append((next_no, one.source, one.body, one.error, received_at))
                messages.append((digest, next_no, received_at))
                next_no += 1
            last = max(last, known[digest])
        results.append(Accepted(len(request) - duplicate, duplicate, last))
    reserve(connection, "event", next_no - first)
    insert_rows(connection, inbox_event, _EVENT_COLUMNS, events)
    insert_rows(connection, inbox_message, _MESSAGE_COLUMNS, messages)
    return results


def try_writing(connection: sa.Connection) -> None:
    """Write what changes nothing, to learn whether the inbox can be written again."""
    reserve(connection, "event", 0)


def head(connection: sa.Connection) -> int:
    """The number of the newest event that is not cleared away; 0 when there is none."""
    return int(connection.execute(sa.select(sa.func.max(inbox_event.c.inbox_no))).scalar_one() or 0)


def waiting(connection: sa.Connection, read_up_to: int) -> int:
    """About how many events wait to be read: those of one source that is ahead of another count too."""
    oldest = connection.execute(sa.select(sa.func.min(inbox_event.c.inbox_no))).scalar_one()
    return 0 if oldest is None else max(0, head(connection) - max(read_up_to, int(oldest) - 1))


def clear(connection: sa.Connection, read_up_to: int, received_at: int, limit: int) -> int:
    """Let go of up to `limit` events that were read, and of as many message IDs that are remembered long enough.

    Args:
        connection: A writing connection to the inbox.
        read_up_to: Every source has read its events up to this number.
        received_at: Now, in micros.
        limit: The most rows of each kind.

    Returns:
        How many rows went.
    """
    # In the order of an index: Postgres would look through everything for some that it believes to be there.
    number, sent = inbox_event.c.inbox_no, inbox_message.c.received_at
    read = sa.select(number).where(number <= read_up_to).order_by(number).limit(limit)
    gone = delete_rows(connection, inbox_event, "inbox_no", connection.execute(read).scalars().all())
    remembered = received_at - REMEMBERED_MICROS
    old = sa.select(inbox_message.c.digest).where(sent < remembered).order_by(sent).limit(limit)
    return gone + delete_rows(connection, inbox_message, "digest", connection.execute(old).scalars().all())


def read_up_to(connection: sa.Connection, settings: Settings, sources: Iterable[str]) -> int:
    """The number up to which every feed of these sources has read the inbox; 0 when one has not begun.

    Args:
        connection: A connection that sees the state store.
        settings: All settings.
        sources: Sources of the collector, at least one.
    """
    return min(
        int(load_position(connection, source, feed).get(AFTER, 0))
        for source in sources
        for feed in settings.sources[source].feeds
    )


def collector_sources(settings: Settings) -> dict[str, CollectorConnector]:
    """The sources that the collector takes events for, with their connectors."""
    return {
        name: source.connector
        for name, source in settings.sources.items()
        if isinstance(source.connector, CollectorConnector)
    }


def _digest(one: Arrived) -> bytes:
    return blake2b(f"{one.source}\0{one.message_id}".encode(), digest_size=16).digest()
