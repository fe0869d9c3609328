"""The stage that keeps customers' traits in step with their records, and the history of what changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection, text

from customer_profiles.cleaning.tables import record
from customer_profiles.identity.claims.customer_ids import name_customers
from customer_profiles.identity.tables import identity_event, member
from customer_profiles.marts import tables
from customer_profiles.marts.catalogue import trait_specs
from customer_profiles.marts.looks import newest_change, still_true
from customer_profiles.marts.stamps import stamp
from customer_profiles.marts.stored import TraitRow, trait_of, trait_row, trait_rows_of
from customer_profiles.marts.survivorship import RecordView, Trait, fold_traits
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.state.bulk import delete_rows, insert_rows, rows_by_key, upsert_rows
from customer_profiles.state.cursors import Cursor, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.garbage import garbage_left_alone
from customer_profiles.state.generations import live_generation
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve

_TEXTS = (
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "address_line",
    "city",
    "region",
    "postcode",
    "country",
    "language",
)
_JSONS = ("emails", "phones", "external_ids", "preferences", "extra")

_CHANGED = text(
    """
    SELECT customer_no, changed_no
    FROM customer
    WHERE generation = :generation AND changed_no > :position
    ORDER BY changed_no
    LIMIT :limit
    """
)

Clock = Callable[[], int]


def clock() -> int:
    """Now, micros."""
    return time.time_ns() // 1_000


@dataclass(frozen=True)  # without slots, as `Trait`: it comes from another process twice as fast
class TraitChange:
    """A trait of a customer that is other than it was; either side is None where there was or is none."""

    customer_no: int
    name: str
    old: Trait | None
    new: Trait | None

    @property
    def other_value(self) -> bool:
        """Whether the value is another one, not only where it comes from."""
        if self.old is None or self.new is None:
            return self.old is not self.new
        return to_json(self.old.value) != to_json(self.new.value)

    @property
    def record_no(self) -> int:
        """The record of the value after the change; where there is none, of that before."""
        return (self.new or self.old).record_no  # type: ignore[union-attr]


@dataclass(frozen=True, slots=True)
class FoldedCustomers:
    """Customers whose traits were folded; nothing of it is written yet.

    Attributes:
        generation: Of which. ``live``: which one was live.
        cursor: Where the stage stood. ``changed_no``: where it will; 0 when it stays.
        newest: The newest change of any customer at that moment.
        now: When, micros.
        customer_nos: Whose.
        changes: What differs from what is stored.
        stamps: By customer whose profile changes, when it ceased to be (micros), or None while it is.
        events: By customer, the latest identity event.
        known_events: The same by customer that has a profile, as the profile has it.
        seconds: How long it took.
        more: Whether there may be more.
    """

    generation: int
    live: int
    cursor: Cursor
    changed_no: int
    newest: int
    now: int
    customer_nos: Sequence[int]
    changes: Sequence[TraitChange]
    stamps: Mapping[int, int | None]
    events: Mapping[int, int]
    known_events: Mapping[int, int]
    seconds: float
    more: bool

    def without(self, customers: frozenset[int]) -> FoldedCustomers:
        """The same but for some customers."""

        def others(of: Mapping[int, Any]) -> dict[int, Any]:
            return {one: value for one, value in of.items() if one not in customers}

        return replace(
            self,
            customer_nos=[one for one in self.customer_nos if one not in customers],
            changes=[one for one in self.changes if one.customer_no not in customers],
            stamps=others(self.stamps),
            events=others(self.events),
        )


class RefreshTraitsStage:
    """Folds the traits of customers that identity touched since the stage last looked."""

    name = "refresh_traits"
    source = ""

    def __init__(
        self,
        state: State,
        settings: Settings,
        key: bytes,
        generation: int | None = None,
        now: Clock = clock,
    ) -> None:
        """Bind the stage.

        Args:
            state: The state.
            settings: Says which traits there are and how far each source is trusted.
            key: The key of customer IDs.
            generation: The generation to write; None for the one that is live. Only the live one writes
                history: what a rebuild changes becomes history when it is promoted.
            now: The clock, for tests.
        """
        self._state = state
        self._specs = tuple(trait_specs(settings).values())
        self._trust = {name: source.trust for name, source in settings.sources.items()}
        self._key = key
        self._generation = generation
        self._now = now

    @garbage_left_alone()
    def advance(self, limit: int) -> StageResult:
        """Refresh up to `limit` customers, in one transaction with the cursor."""
        with self._state.writing() as conn:
            return self._write(conn, self._look(conn, limit))

    @garbage_left_alone()
    def look(self, limit: int) -> FoldedCustomers:
        """The first half of `advance`, which reads and folds: another process may do it.

        Args:
            limit: Customers at most.
        """
        with self._state.reading() as conn:
            return self._look(conn, limit)

    @garbage_left_alone()
    def write(self, folded: FoldedCustomers) -> StageResult:
        """The second half: write what a look found, in one transaction with the cursor.

        Customers that changed since the look stay as they are: they come again.

        Raises:
            CursorMoved: the stage went on, or another generation is live, since the look; nothing was written.
        """
        with self._state.writing() as conn:
            return self._write(conn, still_true(conn, self.name, folded))

    def _look(self, conn: Connection, limit: int) -> FoldedCustomers:
        started = time.monotonic()
        live = live_generation(conn)
        generation = self._generation or live
        cursor = read_cursor(conn, self.name, str(generation))
        position = cursor.position or {"changed_no": 0}
        changed = conn.execute(
            _CHANGED, {"generation": generation, "position": position["changed_no"], "limit": limit}
        ).all()
        newest = newest_change(conn, generation) if changed else 0
        customer_nos = [row.customer_no for row in changed]
        now = self._now()
        records = records_of(conn, generation, customer_nos)
        before = trait_rows_of(conn, generation, customer_nos)
        known = _known_profiles(conn, generation, customer_nos)
        events = _latest_events(conn, generation, customer_nos)
        changes: list[TraitChange] = []
        stamps: dict[int, int | None] = {}
        for customer_no in customer_nos:
            own = records.get(customer_no, [])
            after = {one.name: one for one in fold_traits(own, self._specs, self._trust)}
            differing = list(_differences(customer_no, before.get(customer_no, {}), after))
            changes += differing
            profile = known.get(customer_no)
            if differing or profile is None or profile.gone == bool(own):
                stamps[customer_no] = None if own else now
        return FoldedCustomers(
            generation=generation,
            live=live,
            cursor=cursor,
            changed_no=changed[-1].changed_no if changed else 0,
            newest=newest,
            now=now,
            customer_nos=customer_nos,
            changes=changes,
            stamps=stamps,
            events=events,
            known_events={customer_no: one.event_no for customer_no, one in known.items()},
            seconds=time.monotonic() - started,
            more=len(changed) == limit,
        )

    def _write(self, conn: Connection, folded: FoldedCustomers) -> StageResult:
        started = time.monotonic()
        generation, events, known = folded.generation, folded.events, folded.known_events
        if folded.customer_nos:
            _write_traits(conn, generation, folded.changes)
            if generation == folded.live:
                news = {
                    customer_no: event_no
                    for customer_no, event_no in events.items()
                    if event_no > known.get(customer_no, 0)
                }
                write_history(conn, folded.changes, folded.now, lambda one: _cause(one, news))
            stamp(conn, generation, folded.stamps, events)
            name_customers(conn, self._key, (one for one in folded.customer_nos if one not in known))
        if folded.changed_no:
            move_cursor(conn, folded.cursor, {"changed_no": folded.changed_no})
        result = StageResult(
            stage=self.name,
            source=self.source,
            received=len(folded.customer_nos),
            applied=len(folded.stamps),
            unchanged=len(folded.customer_nos) - len(folded.stamps),
            seconds=folded.seconds + time.monotonic() - started,
            more=folded.more,
        )
        if folded.customer_nos:
            record_batch(conn, result)
        return result


@dataclass(frozen=True, slots=True)
class Cause:
    """What brought a change: a record, an identity event or a rebuild, by its number."""

    kind: str
    number: int


@dataclass(frozen=True, slots=True)
class _KnownProfile:
    gone: bool
    event_no: int


_NOTHING = ("[]", "{}", "null")


def records_of(conn: Connection, generation: int, customer_nos: Iterable[int]) -> dict[int, list[RecordView]]:
    """The live records of the customers."""
    within = {"generation": generation}
    customer_of: dict[int, int] = dict(
        rows_by_key(conn, member, "customer_no", customer_nos, ("record_no", "customer_no"), within)
    )
    columns = ("record_no", "source", "updated_at", "received_at", "deleted_at", *_TEXTS, *_JSONS)
    found: dict[int, list[RecordView]] = {}
    for row in rows_by_key(conn, record, "record_no", list(customer_of), columns):
        record_no, source, updated_at, received_at, deleted_at, *values = row
        if deleted_at is None:
            fields = dict(zip(_TEXTS, values, strict=False))
            jsons = values[len(_TEXTS) :]
            fields.update(
                (name, from_json(value))
                for name, value in zip(_JSONS, jsons, strict=True)
                if value and value not in _NOTHING
            )
            observed_at = received_at if updated_at is None else updated_at
            found.setdefault(customer_of[record_no], []).append(
                RecordView(record_no, source, observed_at, fields)
            )
    return found


def _known_profiles(
    conn: Connection, generation: int, customer_nos: Iterable[int]
) -> dict[int, _KnownProfile]:
    columns, within = ("customer_no", "gone_at", "event_no"), {"generation": generation}
    rows = rows_by_key(conn, tables.profile, "customer_no", customer_nos, columns, within)
    return {
        customer_no: _KnownProfile(gone_at is not None, event_no) for customer_no, gone_at, event_no in rows
    }


def _latest_events(conn: Connection, generation: int, customer_nos: Iterable[int]) -> dict[int, int]:
    columns = ("customer_no", "event_no", "generation")
    latest: dict[int, int] = {}
    for customer_no, event_no, of in rows_by_key(conn, identity_event, "customer_no", customer_nos, columns):
        if of == generation:
            latest[customer_no] = max(event_no, latest.get(customer_no, 0))
    return latest


def _cause(change: TraitChange, events: Mapping[int, int]) -> Cause:
    if change.customer_no in events:
        return Cause("identity", events[change.customer_no])
    return Cause("record", change.record_no)


def _differences(
    customer_no: int, before: Mapping[str, TraitRow], after: Mapping[str, Trait]
) -> Iterable[TraitChange]:
    """What changes; most traits stay, so what is stored is compared as it is stored, and read where it differs."""
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if old is None or new is None or old != trait_row(new):
            yield TraitChange(customer_no, name, None if old is None else trait_of(name, old), new)


def _write_traits(conn: Connection, generation: int, changes: Iterable[TraitChange]) -> None:
    columns = ("value", "source", "record_no", "observed_at", "losing")
    key = ("generation", "customer_no", "name")
    written = [(generation, one.customer_no, one.name, *trait_row(one.new)) for one in changes if one.new]
    dropped = [(generation, one.customer_no, one.name) for one in changes if not one.new]
    upsert_rows(conn, tables.trait, (*key, *columns), written, key=key, replace=columns)
    delete_rows(conn, tables.trait, key, dropped)


def write_history(
    conn: Connection,
    changes: Iterable[TraitChange],
    changed_at: int,
    cause_of: Callable[[TraitChange], Cause],
) -> None:
    """Append the changes of value to the profile history, which nothing ever clears.

    Args:
        conn: A writing connection.
        changes: The changes; those of provenance alone are left out.
        changed_at: When, micros.
        cause_of: Tells what brought a change.
    """
    told = [one for one in changes if one.other_value]
    if not told:
        return
    first = reserve(conn, "profile_history", len(told))
    rows = []
    for number, one in enumerate(told, first):
        old, new = one.old and to_json(one.old.value), one.new and to_json(one.new.value)
        cause = cause_of(one)
        rows.append(
            (number, one.customer_no, one.name, old, new, one.record_no, changed_at, cause.kind, cause.number)
        )
    columns = [column.name for column in tables.profile_history.columns]
    insert_rows(conn, tables.profile_history, columns, rows)
