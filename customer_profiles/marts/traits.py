"""The stage that keeps customers' traits in step with their records, and the history of what changed."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, text

from customer_profiles.cleaning.tables import record
from customer_profiles.identity.claims.customer_ids import name_customers
from customer_profiles.identity.tables import identity_event, member
from customer_profiles.marts import tables
from customer_profiles.marts.catalogue import trait_specs
from customer_profiles.marts.stamps import stamp
from customer_profiles.marts.stored import TraitRow, trait_of, trait_row, trait_rows_of
from customer_profiles.marts.survivorship import RecordView, Trait, fold_traits
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.state.bulk import delete_rows, insert_rows, rows_by_key, upsert_rows
from customer_profiles.state.cursors import move_cursor, read_cursor
from customer_profiles.state.engine import State
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


@dataclass(frozen=True, slots=True)
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

    def advance(self, limit: int) -> StageResult:
        """Refresh up to `limit` customers, in one transaction with the cursor."""
        started = time.monotonic()
        with self._state.writing() as conn:
            live = live_generation(conn)
            generation = self._generation or live
            cursor = read_cursor(conn, self.name, str(generation))
            position = cursor.position or {"changed_no": 0}
            changed = conn.execute(
                _CHANGED, {"generation": generation, "position": position["changed_no"], "limit": limit}
            ).all()
            applied = 0
            if changed:
                customer_nos = [row.customer_no for row in changed]
                applied = self._refresh(conn, generation, customer_nos, generation == live)
                move_cursor(conn, cursor, {"changed_no": changed[-1].changed_no})
            result = StageResult(
                stage=self.name,
                source=self.source,
                received=len(changed),
                applied=applied,
                unchanged=len(changed) - applied,
                seconds=time.monotonic() - started,
                more=len(changed) == limit,
            )
            if changed:
                record_batch(conn, result)
        return result

    def _refresh(self, conn: Connection, generation: int, customer_nos: Sequence[int], live: bool) -> int:
        """Fold the customers and write what differs; returns how many differ."""
        records = records_of(conn, generation, customer_nos)
        before = trait_rows_of(conn, generation, customer_nos)
        known = _known_profiles(conn, generation, customer_nos)
        events = _latest_events(conn, generation, customer_nos)
        now = self._now()
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
        _write(conn, generation, changes)
        if live:
            news = {
                customer_no: event_no
                for customer_no, event_no in events.items()
                if event_no > known.get(customer_no, _NEW).event_no
            }
            write_history(conn, changes, now, lambda one: _cause(one, news))
        stamp(conn, generation, stamps, events)
        name_customers(conn, self._key, (one for one in customer_nos if one not in known))
        return len(stamps)


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
_NEW = _KnownProfile(gone=False, event_no=0)


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


def _write(conn: Connection, generation: int, changes: Iterable[TraitChange]) -> None:
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
