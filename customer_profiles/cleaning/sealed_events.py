"""Which events are sealed in the history: known for as long as they are there, so that each counts once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

import orjson
import sqlalchemy as sa

from customer_profiles.cleaning.tables import sealed_event
from customer_profiles.state.bulk import delete_rows, insert_rows, rows_by_key, upsert_rows
from customer_profiles.state.schema import Store
from customer_profiles.state.tables import sequences

REPLACED = "replaced_interaction"
"""The sequence that counts interactions replaced in the database: a sealing that read one before it was begins again."""

TOLD = ("record_no", "type", "channel", "occurred_at", "value", "currency", "properties")
"""What a changed mapping may read differently of an interaction."""
_HASH_BYTES = 16
_COLUMNS = ("event_hash", "interaction_no", "record_no", "content_hash")


@dataclass(frozen=True, slots=True)
class SealedEvent:
    """An event whose interaction is sealed.

    Attributes:
        interaction_no: Its number.
        record_no: The record that its sealed row belongs to, which tells its partition.
        content_hash: Of what is said of it now.
    """

    interaction_no: int
    record_no: int
    content_hash: bytes | None


def event_hash(source: str, event_id: str) -> bytes:
    """16 bytes that stand for an event of a source."""
    return blake2b(f"{source}\0{event_id}".encode(), digest_size=_HASH_BYTES).digest()


def sealed_among(
    connection: sa.Connection, source: str, event_ids: Collection[str]
) -> dict[str, SealedEvent]:
    """Those of some events of a source that are sealed, by event ID."""
    by_hash = {event_hash(source, event_id): event_id for event_id in event_ids}
    return {
        by_hash[bytes(found)]: SealedEvent(interaction_no, record_no, said and bytes(said))
        for found, interaction_no, record_no, said in rows_by_key(
            connection, sealed_event, "event_hash", by_hash, _COLUMNS
        )
    }


def content_hash(told: Sequence[object]) -> bytes:
    """8 bytes that tell whether an interaction says something else: of the values of :data:`TOLD`, in order."""
    return blake2b(orjson.dumps(told), digest_size=8).digest()


def remember_sealed(connection: sa.Connection, rows: Iterable[tuple[bytes, int, int, bytes]]) -> None:
    """Note what is sealed now: event hash, interaction number, record number, content hash."""
    insert_rows(connection, sealed_event, _COLUMNS, rows)


def change_sealed(
    connection: sa.Connection, rows: Iterable[tuple[bytes, int, int, bytes | None]], *changed: str
) -> None:
    """Change what is noted of sealed events: rows as in :func:`remember_sealed`, and which of their columns."""
    upsert_rows(connection, sealed_event, _COLUMNS, rows, key="event_hash", replace=changed)


def forget_sealed(connection: sa.Connection, hashes: Iterable[bytes]) -> int:
    """Forget events whose interactions were erased from the history; says how many were known."""
    return delete_rows(connection, sealed_event, "event_hash", hashes)


def replaced_so_far(connection: sa.Connection) -> int:
    """How many interactions were replaced in the database since the beginning."""
    table = sequences[Store.STATE]
    query = sa.select(table.c.next_number).where(table.c.name == REPLACED)
    return int(connection.execute(query).scalar_one_or_none() or 0)
