"""Writes clean interactions, and the records that they are the first to speak of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
import sqlalchemy as sa

from customer_profiles.cleaning.appliers import Applied, Arrival
from customer_profiles.cleaning.quarantine import Rejected
from customer_profiles.cleaning.record_book import RecordBook
from customer_profiles.cleaning.sealed_events import (
    REPLACED,
    TOLD,
    SealedEvent,
    change_sealed,
    content_hash,
    event_hash,
    sealed_among,
)
from customer_profiles.cleaning.tables import corrected_interaction, interaction, recount
from customer_profiles.settings import Settings
from customer_profiles.state.bulk import insert_rows, rows_by_key, upsert_rows
from customer_profiles.state.sequences import reserve

_TOLD = ("type", "channel", "occurred_at", "received_at", "value", "currency", "properties")
_COLUMNS = ("interaction_no", "source", "event_id", "record_no", *_TOLD)
_COMPARED = ("event_id", "interaction_no", "record_no", *(name for name in _TOLD if name != "received_at"))


class InteractionApplier:
    """Writes the interactions of one source; an event ID counts once."""

    def __init__(self, settings: Settings, source: str) -> None:
        self._source = source
        feeds = settings.sources[source].feeds
        self._record_feeds = tuple(name for name, feed in feeds.items() if feed.contract == "record")

    def prepare(self, arrivals: Sequence[Arrival], received_at: int) -> None:
        """Nothing: interactions concern one store."""

    def apply(self, connection: sa.Connection, arrivals: Sequence[Arrival], received_at: int) -> Applied:
        """See :class:`~customer_profiles.cleaning.appliers.Applier`."""
        applied = Applied()
        new: dict[str, Arrival] = {}
        for arrival in arrivals:
            new.setdefault(arrival.row.values["event_id"], arrival)
        keys = [(self._source, event_id) for event_id in new]
        held = {
            row[0]: row
            for row in rows_by_key(connection, interaction, ("source", "event_id"), keys, _COMPARED)
        }
        again = {event_id: new[event_id] for event_id in held if new[event_id].again}
        for event_id in held:
            del new[event_id]
        sealed = sealed_among(connection, self._source, new)
        sealed_again = {event_id: new[event_id] for event_id in sealed if new[event_id].again}
        for event_id in sealed:
            del new[event_id]
        book = RecordBook(connection, self._source, self._record_feeds, received_at)
        wanted = (*new.values(), *again.values(), *sealed_again.values())
        book.load(arrival.row.values["record_key"] for arrival in wanted)
        book.see(sightings(wanted))
        book.flush()
        applied.applied = len(new)
        first = reserve(connection, "interaction", len(new)) if new else 0
        insert_rows(
            connection,
            interaction,
            _COLUMNS,
            [self._row(number, one, book) for number, one in enumerate(new.values(), first)],
        )
        replaced = self._replace(connection, again, held, book)
        replaced += self._correct(connection, sealed_again, sealed, book)
        applied.applied += replaced
        applied.duplicate = len(arrivals) - applied.applied
        if replaced:
            applied.facts = {"replaced": replaced}
        return applied

    def reject(
        self, connection: sa.Connection, rejected: Sequence[Rejected], snapshots: Mapping[str, int]
    ) -> None:
        """Nothing: nobody waits for an interaction."""

    def finish(self, connection: sa.Connection, snapshots: Mapping[str, int], received_at: int) -> Applied:
        """Nothing: what happened stays so, also when a source no longer tells of it."""
        return Applied()

    def _row(self, number: int, arrival: Arrival, book: RecordBook) -> tuple[Any, ...]:
        values = arrival.row.values
        properties = values["properties"]
        return (
            number,
            self._source,
            values["event_id"],
            book.number_of(values["record_key"]),
            values["type"],
            values["channel"],
            values["occurred_at"],
            values["received_at"],
            values["value"],
            values["currency"],
            None if properties is None else orjson.dumps(properties, option=orjson.OPT_SORT_KEYS).decode(),
        )

    def _replace(
        self,
        connection: sa.Connection,
        again: Mapping[str, Arrival],
        held: Mapping[str, tuple[Any, ...]],
        book: RecordBook,
    ) -> int:
        """Replace what a changed mapping reads differently, and have it counted anew where it was and where it is."""
        rows = []
        touched: set[int] = set()
        for event_id, arrival in again.items():
            row = self._row(held[event_id][1], arrival, book)
            told = dict(zip(_COLUMNS, row, strict=True))
            if tuple(told[name] for name in _COMPARED) != held[event_id]:
                rows.append(row)
                touched |= {told["record_no"], held[event_id][2]}
        if touched:
            _count_anew(connection, touched, len(rows))
        kept = ("record_no", *(name for name in _TOLD if name != "received_at"))
        return upsert_rows(connection, interaction, _COLUMNS, rows, key="interaction_no", replace=kept)

    def _correct(
        self,
        connection: sa.Connection,
        again: Mapping[str, Arrival],
        sealed: Mapping[str, SealedEvent],
        book: RecordBook,
    ) -> int:
        """Note what a changed mapping reads differently of sealed interactions, which themselves never change."""
        rows, noted = [], []
        for event_id, arrival in again.items():
            held = sealed[event_id]
            row = self._row(held.interaction_no, arrival, book)
            told = dict(zip(_COLUMNS, row, strict=True))
            said = content_hash([told[name] for name in TOLD])
            if said != held.content_hash:
                rows.append(row)
                noted.append((event_hash(self._source, event_id), held.interaction_no, held.record_no, said))
        if not rows:
            return 0
        numbers = [row[0] for row in rows]
        corrected = rows_by_key(connection, corrected_interaction, "interaction_no", numbers, ("record_no",))
        touched = {row[3] for row in rows} | {one[2] for one in noted} | {row[0] for row in corrected}
        change_sealed(connection, noted, "content_hash")
        _count_anew(connection, touched, len(rows))
        return upsert_rows(
            connection, corrected_interaction, _COLUMNS, rows, key="interaction_no", replace=_COLUMNS[1:]
        )


def _count_anew(connection: sa.Connection, record_nos: set[int], replaced: int) -> None:
    """Tell whoever counts these records, and whoever seals interactions, that some say something else now."""
    first = reserve(connection, "recount", len(record_nos))
    insert_rows(connection, recount, ("recount_no", "record_no"), enumerate(sorted(record_nos), first))
    reserve(connection, REPLACED, replaced)


def sightings(arrivals: Sequence[Arrival]) -> dict[str, dict[str, list[str]]]:
    """The identifiers that each record was seen with, by record key, in order of first arrival."""
    sightings: dict[str, dict[str, list[str]]] = {}
    for arrival in arrivals:
        values = arrival.row.values
        seen = sightings.setdefault(values["record_key"], {})
        for kind, found in (values["identifiers"] or {}).items():
            known = seen.setdefault(kind, [])
            known.extend(value for value in found if value not in known)
    return sightings
