"""Writes clean records: puts, deletions, and the disappearance of rows from snapshots."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from customer_profiles.cleaning.appliers import Applied, Arrival
from customer_profiles.cleaning.consent_statements import Speaker, append_statements, statements_of_records
from customer_profiles.cleaning.mapping import reader
from customer_profiles.cleaning.normalise.text import key
from customer_profiles.cleaning.quarantine import Rejected
from customer_profiles.cleaning.record_book import Put, RecordBook
from customer_profiles.cleaning.tables import feed_seen
from customer_profiles.contracts import RECORD
from customer_profiles.contracts.rules import FUTURE_TOLERANCE_MICROS
from customer_profiles.settings import Settings
from customer_profiles.settings.identity import Joins
from customer_profiles.sources.values import as_received
from customer_profiles.state.bulk import delete_rows, upsert_rows
from customer_profiles.state.engine import State

_SEEN_KEY = ("source", "feed", "source_key")
_CHUNK = 5_000


class RecordApplier:
    """Writes the records of one source."""

    def __init__(self, state: State, settings: Settings, source: str) -> None:
        self._state = state
        self._source = source
        self._feeds = {
            name: feed for name, feed in settings.sources[source].feeds.items() if feed.contract == "record"
        }
        self._names = tuple(self._feeds)
        self._adding_up = adding_up(settings)
        self._keys = {name: reader(feed.fields["source_key"]) for name, feed in self._feeds.items()}

    def prepare(self, arrivals: Sequence[Arrival], received_at: int) -> None:
        """Append what the records say about consent; they are given their numbers first, for good.

        All of the batch are, the silent ones too: numbers follow arrival, wherever batches are cut.
        """
        speaking = [arrival for arrival in arrivals if arrival.row.values["consent"]]
        if speaking:
            speakers = [
                Speaker(arrival.row.values, _version(arrival.row.values, received_at)) for arrival in speaking
            ]
            numbers = reserved_numbers(
                self._state,
                self._source,
                self._names,
                (arrival.row.values["source_key"] for arrival in arrivals),
                received_at,
            )
            heard = {one.values["source_key"]: numbers[one.values["source_key"]] for one in speakers}
            append_statements(
                self._state, statements_of_records(self._state, self._source, speakers, heard, received_at)
            )

    def apply(self, connection: sa.Connection, arrivals: Sequence[Arrival], received_at: int) -> Applied:
        """See :class:`~customer_profiles.cleaning.appliers.Applier`."""
        applied = Applied()
        book = RecordBook(connection, self._source, self._names, received_at)
        book.load(arrival.row.values["source_key"] for arrival in arrivals)
        dropped: Counter[str] = Counter()
        for arrival in arrivals:
            applied.count(book.put(self._put(arrival, received_at)).term)
            dropped.update(arrival.row.notes)
        book.flush()
        self._mark_seen(
            connection,
            (
                (self._source, arrival.feed, arrival.row.values["source_key"], arrival.snapshot)
                for arrival in arrivals
                if arrival.snapshot is not None
            ),
        )
        applied.facts = {
            f"dropped_{note.replace(':', '_of_')}": count for note, count in sorted(dropped.items())
        }
        return applied

    def reject(
        self, connection: sa.Connection, rejected: Sequence[Rejected], snapshots: Mapping[str, int]
    ) -> None:
        """A row that cannot be used is there all the same: its record was not deleted."""
        marks = []
        for one in rejected:
            if one.feed in snapshots and one.envelope.payload is not None:
                found = key(self._keys[one.feed](one.envelope.payload))
                if isinstance(found, str):
                    marks.append((self._source, one.feed, found, snapshots[one.feed]))
        self._mark_seen(connection, marks)

    def finish(self, connection: sa.Connection, snapshots: Mapping[str, int], received_at: int) -> Applied:
        """Delete the records whose rows are gone since the last complete snapshot."""
        done = Applied()
        for feed, number in snapshots.items():
            where = (
                (feed_seen.c.source == self._source)
                & (feed_seen.c.feed == feed)
                & (feed_seen.c.snapshot < number)
            )
            missing = (
                sa.select(feed_seen.c.source_key).where(where).order_by(feed_seen.c.source_key).limit(_CHUNK)
            )
            while keys := list(connection.execute(missing).scalars()):
                book = RecordBook(connection, self._source, self._names, received_at)
                book.load(keys)
                for source_key in keys:
                    done.count(book.put(_vanished(self._source, feed, source_key)).term)
                book.flush()
                delete_rows(
                    connection,
                    feed_seen,
                    _SEEN_KEY,
                    [(self._source, feed, source_key) for source_key in keys],
                )
        if done.applied:
            done.facts = {"vanished": done.applied}
        return done

    def _put(self, arrival: Arrival, received_at: int) -> Put:
        values = arrival.row.values
        seen: dict[str, list[str]] = {}
        ids = values["external_ids"]
        if ids and not self._adding_up.isdisjoint(ids):
            seen = {kind: found for kind, found in ids.items() if kind in self._adding_up}
            values["external_ids"] = {kind: found for kind, found in ids.items() if kind not in seen} or None
        return Put(
            arrival.feed,
            values["source_key"],
            values,
            _version(values, received_at),
            values["deleted_at"] is not None,
            arrival.snapshot is not None,
            seen,
            as_received(arrival.envelope.payload or {}),
            tuple(arrival.row.notes),
        )

    @staticmethod
    def _mark_seen(connection: sa.Connection, rows: Iterable[tuple[str, str, str, int]]) -> None:
        upsert_rows(
            connection, feed_seen, (*_SEEN_KEY, "snapshot"), list(rows), key=_SEEN_KEY, replace=("snapshot",)
        )


def adding_up(settings: Settings) -> frozenset[str]:
    """Kinds of identifiers that a record collects over time, instead of having the ones its source says last."""
    return frozenset(
        kind
        for kind, rule in settings.identity.identifiers.items()
        if rule.single_login or rule.joins is Joins.EVIDENCE
    )


def reserved_numbers(
    state: State, source: str, feeds: tuple[str, ...], keys: Iterable[str], received_at: int
) -> dict[str, int]:
    """The numbers of these records, kept for good: another store may refer to them from now on."""
    wanted = list(dict.fromkeys(keys))
    with state.writing() as connection:
        book = RecordBook(connection, source, feeds, received_at)
        book.load(wanted)
        book.reserve_numbers()
        return {source_key: book.number_of(source_key) for source_key in wanted}


def _version(values: Mapping[str, Any], received_at: int) -> int:
    newest = max(values["updated_at"] or 0, values["deleted_at"] or 0)
    # A source whose clock was once wrong must not shut out every later version.
    return min(newest, received_at + FUTURE_TOLERANCE_MICROS)


def _vanished(source: str, feed: str, source_key: str) -> Put:
    values: dict[str, Any] = dict.fromkeys(RECORD.names)
    values |= {"source": source, "source_key": source_key}
    return Put(feed, source_key, values, None, True, True, {}, b"{}")
