"""The quarantine: rows that break their contract, sealed, with every reason, until they are retried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import orjson
import sqlalchemy as sa

from customer_profiles.cleaning.reasons import Fault
from customer_profiles.cleaning.tables import quarantine
from customer_profiles.encryption.aead import Aead
from customer_profiles.errors import CustomerProfilesError
from customer_profiles.sources.envelope import Envelope
from customer_profiles.sources.values import as_received
from customer_profiles.state.bulk import delete_rows, insert_rows, rows_by_key
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve

QUARANTINE_KEY = "quarantine"
"""The name of the key that seals payloads."""
LONGEST_VALUE = 262_144
"""Characters kept of one value: a field of five megabytes need not be kept to say that it was too large."""
_COLUMNS = ("quarantine_no", "source", "feed", "contract", "position", "reasons", "payload", "cut", "received_at",
            "payload_hash")  # fmt: skip


class NotInQuarantine(CustomerProfilesError):
    """There is no row of that number in the quarantine."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """An envelope that cannot be used, and why."""

    feed: str
    envelope: Envelope
    faults: tuple[Fault, ...]


@dataclass(frozen=True, slots=True)
class QuarantinedRow:
    """A row of the quarantine.

    Attributes:
        quarantine_no: Its number.
        source: Where it came from.
        feed: The feed of that source.
        contract: The contract that it breaks.
        position: Where it stands in the feed.
        reasons: All that is wrong, as codes with field names.
        cut: Whether a value was too long to keep whole; such a row cannot be retried.
        received_at: Micros.
        retried_at: The last retry, micros.
    """

    quarantine_no: int
    source: str
    feed: str
    contract: str
    position: str
    reasons: tuple[str, ...]
    cut: bool
    received_at: int
    retried_at: int | None


_SHOWN = [
    quarantine.c[name]
    for name in (
        "quarantine_no",
        "source",
        "feed",
        "contract",
        "position",
        "reasons",
        "cut",
        "received_at",
        "retried_at",
    )
]


def add(
    connection: sa.Connection,
    aead: Aead,
    source: str,
    contract: str,
    rejected: Sequence[Rejected],
    received_at: int,
) -> None:
    """Put rows into the quarantine.

    One that is there already, the same in every byte, stays as it is; another from the same place takes its place.
    """
    if not rejected:
        return
    by_key: dict[tuple[str, str, str, bytes], tuple[Rejected, bytes, bool]] = {}
    for one in rejected:
        plain, cut = _plain(one.envelope)
        digest = blake2b(plain, digest_size=16).digest()
        by_key[(source, one.feed, one.envelope.position, digest)] = one, plain, cut
    key = ("source", "feed", "position", "payload_hash")
    places = {place[:3] for place in by_key}
    found = rows_by_key(connection, quarantine, key[:3], places, ("quarantine_no", *key))
    held = {number: (*place, bytes(digest)) for number, *place, digest in found}
    delete_rows(
        connection, quarantine, "quarantine_no", [no for no, place in held.items() if place not in by_key]
    )
    new = {key: value for key, value in by_key.items() if key not in held.values()}
    if not new:
        return
    first = reserve(connection, "quarantine", len(new))
    rows = []
    for number, ((_, feed, position, digest), (one, plain, cut)) in enumerate(new.items(), first):
        reasons = to_json([str(fault) for fault in one.faults])
        sealed = aead.seal(plain, _context(number))
        rows.append(
            (number, source, feed, contract, position, reasons, sealed, int(cut), received_at, digest)
        )
    insert_rows(connection, quarantine, _COLUMNS, rows)


def release(connection: sa.Connection, source: str, places: Iterable[tuple[str, str]]) -> int:
    """Let go of what stands at these places (feed, position) of a source: it was received in order since."""
    wanted = [(source, feed, position) for feed, position in places]
    if (
        not wanted
        or not connection.execute(sa.select(sa.exists().where(quarantine.c.source == source))).scalar()
    ):
        return 0
    found = rows_by_key(connection, quarantine, ("source", "feed", "position"), wanted, ("quarantine_no",))
    return delete_rows(connection, quarantine, "quarantine_no", found)


def list_rows(
    connection: sa.Connection, source: str | None = None, reason: str | None = None, limit: int | None = None
) -> list[QuarantinedRow]:
    """What is in the quarantine, oldest first.

    Args:
        connection: A connection that sees the state store.
        source: Only of this source.
        reason: Only with this code among the reasons.
        limit: At most so many.
    """
    query = sa.select(*_SHOWN).order_by(quarantine.c.quarantine_no)
    if source is not None:
        query = query.where(quarantine.c.source == source)
    if reason is not None:
        query = query.where(
            sa.or_(quarantine.c.reasons.contains(f'"{reason}"'), quarantine.c.reasons.contains(f'"{reason}:'))
        )
    return [_row(row) for row in connection.execute(query.limit(limit) if limit is not None else query)]


def count_up_to(connection: sa.Connection, most: int) -> int:
    """How many rows are in the quarantine; `most` when there are more."""
    some = sa.select(quarantine.c.quarantine_no).limit(most).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def counts_by_reason(connection: sa.Connection) -> dict[str, int]:
    """How many rows have each reason; a row with two counts twice."""
    counts: dict[str, int] = {}
    for reasons, rows in connection.execute(
        sa.select(quarantine.c.reasons, sa.func.count()).group_by(quarantine.c.reasons)
    ):
        for reason in from_json(reasons):
            counts[reason] = counts.get(reason, 0) + int(rows)
    return dict(sorted(counts.items()))


def show(connection: sa.Connection, aead: Aead, quarantine_no: int) -> tuple[QuarantinedRow, dict[str, Any]]:
    """A row and its content as received: `{"payload": …}` by column, or `{"text": …}` of what could not be read.

    Raises:
        NotInQuarantine: there is no such row.
    """
    columns = [*_SHOWN, quarantine.c.payload]
    row = connection.execute(
        sa.select(*columns).where(quarantine.c.quarantine_no == quarantine_no)
    ).one_or_none()
    if row is None:
        raise NotInQuarantine(
            f"There is no row {quarantine_no} in the quarantine: `quarantine list` shows those there are."
        )
    return _row(row[:-1]), content(aead, quarantine_no, bytes(row[-1]))


def content(aead: Aead, quarantine_no: int, sealed: bytes) -> dict[str, Any]:
    """What a sealed payload holds."""
    opened: dict[str, Any] = orjson.loads(aead.open(sealed, _context(quarantine_no)))
    return opened


def _row(row: Sequence[Any]) -> QuarantinedRow:
    number, source, feed, contract, position, reasons, cut, received_at, retried_at = row
    codes = tuple(from_json(reasons))
    return QuarantinedRow(number, source, feed, contract, position, codes, bool(cut), received_at, retried_at)


def _context(quarantine_no: int) -> str:
    return f"quarantine/{quarantine_no}"


def _plain(envelope: Envelope) -> tuple[bytes, bool]:
    if envelope.payload is None:
        raw = envelope.raw or b""
        text = raw[:LONGEST_VALUE].decode("utf-8", "surrogateescape").encode("utf-8", "replace").decode()
        return orjson.dumps({"text": text, "error": envelope.error}), len(
            raw
        ) > LONGEST_VALUE or envelope.error == "too_large"
    cut = False
    kept: dict[str, Any] = {}
    for name, value in envelope.payload.items():
        if isinstance(value, str | bytes) and len(value) > LONGEST_VALUE:
            value, cut = value[:LONGEST_VALUE], True
        kept[name] = value
    return b'{"payload":' + as_received(kept) + b"}", cut
