"""The stage that keeps who is in which segment since when: for customers touched, and for those due now."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sqlalchemy import Connection, bindparam, text

from customer_profiles.identity.tables import member
from customer_profiles.marts import tables
from customer_profiles.marts.catalogue import trait_specs
from customer_profiles.marts.evaluation import Evaluated, check_rules, evaluate
from customer_profiles.marts.facts import grammar_of
from customer_profiles.marts.looks import newest_change, still_true
from customer_profiles.marts.rules import Rule, read_rule
from customer_profiles.marts.segment_changes import Cause, CauseKind, SegmentChange, tell, tell_dropped
from customer_profiles.marts.segment_inputs import buckets_read, traits_read
from customer_profiles.marts.stamps import stamp
from customer_profiles.marts.traits import Clock, RefreshTraitsStage, clock
from customer_profiles.marts.windows import counting_of
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.state.bulk import delete_rows, rows_by_key, upsert_rows
from customer_profiles.state.cursors import Cursor, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.garbage import garbage_left_alone
from customer_profiles.state.generations import live_generation

_CUSTOMERS = text(
    """
    SELECT customer_no, changed_no
    FROM customer
    WHERE generation = :generation AND changed_no > :position AND changed_no <= :folded
    ORDER BY changed_no
    LIMIT :limit
    """
)

_ACTIVE = text(
    """
    SELECT customer.customer_no, record_activity.changed_no, record_activity.record_no
    FROM record_activity
    LEFT JOIN member
        ON member.generation = record_activity.generation AND member.record_no = record_activity.record_no
    LEFT JOIN customer
        ON customer.generation = member.generation
        AND customer.customer_no = member.customer_no
        AND customer.changed_no <= :folded
    WHERE record_activity.generation = :generation AND record_activity.changed_no > :position
    ORDER BY record_activity.changed_no
    LIMIT :limit
    """
)

_DUE = text(
    """
    SELECT segment_due.customer_no, segment_due.due_at
    FROM segment_due
    JOIN customer
        ON customer.generation = segment_due.generation
        AND customer.customer_no = segment_due.customer_no
        AND customer.changed_no <= :folded
    WHERE segment_due.generation = :generation AND segment_due.due_at <= :now
    ORDER BY segment_due.due_at, segment_due.customer_no
    LIMIT :limit
    """
)

_SWEEP = text(
    """
    SELECT customer_no
    FROM customer
    WHERE generation = :generation AND customer_no > :position AND changed_no <= :folded
    ORDER BY customer_no
    LIMIT :limit
    """
)

_NEWEST_ACTIVITY = text("SELECT max(changed_no) FROM record_activity WHERE generation = :generation")

_NEWEST_EVENT = text("SELECT max(event_no) FROM identity_event")

# In the order of the index: Postgres would look through everybody for somebody whom it believes to be there.
_UNFOLDED = text(
    "SELECT 1 FROM customer WHERE generation = :generation AND changed_no > :folded ORDER BY changed_no LIMIT 1"
)

_CLOSE_DROPPED = text(
    """
    UPDATE segment_membership
    SET until = :now
    WHERE generation = :generation AND until IS NULL AND segment NOT IN :segments
    """
).bindparams(bindparam("segments", expanding=True))

_FORGET_DROPPED = text(
    "DELETE FROM segment_due WHERE generation = :generation AND segment NOT IN :segments"
).bindparams(bindparam("segments", expanding=True))


@dataclass(frozen=True, slots=True)
class _Position:
    """Where the stage stands.

    Attributes:
        customer: Change number of the last customer looked at.
        activity: Change number of the last active record looked at.
        rules: Fingerprint of the rules that were evaluated.
        sweep: While all customers are looked at because the rules are new: the last one, else None.
        event: The newest identity event when the stage last had looked at every customer that changed.
    """

    customer: int = 0
    activity: int = 0
    rules: str = ""
    sweep: int | None = None
    event: int = 0


@dataclass(frozen=True, slots=True)
class EvaluatedCustomers:
    """Customers for whom the rules were evaluated; nothing of it is written yet.

    Attributes:
        generation: Of which. ``live``: which one was live.
        cursor: Where the stage stood. ``before``: the same, read. ``moved``: where it will stand.
        newest: The newest change of any customer at that moment.
        now: When, micros.
        touched: Whose, and why. ``living``: those who have records.
        evaluated: What came of it.
        seconds: How long it took.
        more: Whether there may be more.
    """

    generation: int
    live: int
    cursor: Cursor
    before: _Position
    moved: _Position
    newest: int
    now: int
    touched: Mapping[int, Cause]
    living: frozenset[int]
    evaluated: Evaluated
    seconds: float
    more: bool

    def without(self, customers: frozenset[int]) -> EvaluatedCustomers:
        """The same but for some customers."""
        touched = {one: cause for one, cause in self.touched.items() if one not in customers}
        return replace(self, touched=touched, evaluated=self.evaluated.without(customers))


def segment_rules(settings: Settings) -> tuple[Rule, ...]:
    """The rules of the settings, checked.

    Raises:
        SegmentError: a rule is none; the message names its settings key.
    """
    specs = trait_specs(settings)
    grammar = grammar_of(settings)
    rules = tuple(read_rule(name, one.when, specs, grammar) for name, one in settings.segments.items())
    check_rules(rules)
    return rules


class RefreshSegmentsStage:
    """Evaluates the segment rules for the customers that were touched and those that are due."""

    name = "refresh_segments"
    source = ""

    def __init__(
        self, state: State, settings: Settings, generation: int | None = None, now: Clock = clock
    ) -> None:
        """Bind the stage; see :class:`~customer_profiles.marts.traits.RefreshTraitsStage` for the arguments.

        Raises:
            SegmentError: a rule is none.
        """
        self._state = state
        self._rules = segment_rules(settings)
        said = "\x1f".join(f"{one.segment}\x1e{one.condition}" for one in self._rules)
        self._fingerprint = hashlib.blake2b(said.encode(), digest_size=8).hexdigest()
        self._counting = counting_of(settings)
        self._generation = generation
        self._now = now

    @garbage_left_alone()
    def advance(self, limit: int) -> StageResult:
        """Look at up to `limit` customers of each cause, in one transaction with the cursor."""
        with self._state.writing() as conn:
            return self._write(conn, self._look(conn, limit))

    @garbage_left_alone()
    def look(self, limit: int) -> EvaluatedCustomers:
        """The first half of `advance`, which reads and evaluates: another process may do it.

        Args:
            limit: Customers of each cause at most.
        """
        with self._state.reading() as conn:
            return self._look(conn, limit)

    @garbage_left_alone()
    def write(self, found: EvaluatedCustomers) -> StageResult:
        """The second half: write what a look found, in one transaction with the cursor.

        Customers that changed since the look stay as they are: they come again. So do those that were active since.

        Raises:
            CursorMoved: the stage went on, or another generation is live, since the look; nothing was written.
        """
        with self._state.writing() as conn:
            return self._write(conn, still_true(conn, self.name, found))

    def _look(self, conn: Connection, limit: int) -> EvaluatedCustomers:
        started = time.monotonic()
        now = self._now()
        live = live_generation(conn)
        generation = self._generation or live
        cursor = read_cursor(conn, self.name, str(generation))
        before = _Position(**cursor.position) if cursor.position else _Position()
        position = before
        if not cursor.position:
            # Every customer is new, and comes for that: what they did so far is looked at then, and once.
            active = conn.execute(_NEWEST_ACTIVITY, {"generation": generation}).scalar_one() or 0
            position = _Position(activity=active, rules=self._fingerprint)
        elif before.rules != self._fingerprint:
            position = replace(before, rules=self._fingerprint, sweep=0)
        touched, moved, more = self._touched(conn, generation, position, now, limit)
        newest = newest_change(conn, generation) if touched else 0
        living: list[int] = []
        evaluated = Evaluated({}, {})
        if touched:
            customer_of = _members(conn, generation, touched)
            living = sorted(set(customer_of.values()))
            if self._rules and living:
                traits = traits_read(conn, generation, self._rules, living)
                buckets = buckets_read(
                    conn, self._state.history, generation, self._rules, self._counting, customer_of, now
                )
                evaluated = evaluate(self._rules, living, traits, buckets, now)
        return EvaluatedCustomers(
            generation=generation,
            live=live,
            cursor=cursor,
            before=before,
            moved=moved,
            newest=newest,
            now=now,
            touched=touched,
            living=frozenset(living),
            evaluated=evaluated,
            seconds=time.monotonic() - started,
            more=more,
        )

    def _write(self, conn: Connection, found: EvaluatedCustomers) -> StageResult:
        started = time.monotonic()
        generation, now, touched = found.generation, found.now, found.touched
        if found.before.rules != found.moved.rules:
            self._drop_segments(conn, generation, now, generation == found.live)
        changes: set[tuple[str, int, bool]] = set()
        if touched:
            customer_nos = sorted(touched)
            changes = _write_memberships(conn, generation, customer_nos, found.evaluated, now)
            self._write_due(conn, generation, customer_nos, found.evaluated)
            stamp(conn, generation, {one: None for _, one, _ in changes if one in found.living})
            if generation == found.live:
                tell(conn, self._told(conn, generation, changes, touched, found.before.event), now)
        applied = len({customer_no for _, customer_no, _ in changes})
        result = StageResult(
            stage=self.name,
            source=self.source,
            received=len(touched),
            applied=applied,
            unchanged=len(touched) - applied,
            seconds=found.seconds + time.monotonic() - started,
            more=found.more,
        )
        if found.moved != found.before:
            move_cursor(conn, found.cursor, asdict(found.moved))
        if touched:
            record_batch(conn, result)
        return result

    def _touched(
        self, conn: Connection, generation: int, position: _Position, now: int, limit: int
    ) -> tuple[dict[int, Cause], _Position, bool]:
        """The customers to look at and why, where that leaves the stage, and whether there may be more.

        A customer whose traits are not folded yet is left alone, whatever else happened: it changed, and comes when
        they are.
        """
        folded = read_cursor(conn, RefreshTraitsStage.name, str(generation)).position or {"changed_no": 0}
        given: dict[str, Any] = {"generation": generation, "limit": limit, "folded": folded["changed_no"]}
        changed = conn.execute(_CUSTOMERS, {**given, "position": position.customer}).all()
        active = conn.execute(_ACTIVE, {**given, "position": position.activity}).all()
        due = conn.execute(_DUE, {**given, "now": now}).all()
        touched: dict[int, Cause] = {}
        newest_event = conn.execute(_NEWEST_EVENT).scalar_one() or 0
        if changed:
            position = replace(position, customer=changed[-1].changed_no)
        if active:
            position = replace(position, activity=active[-1].changed_no)
        more = limit in (len(changed), len(active), len(due))
        if position.sweep is not None:
            swept = conn.execute(_SWEEP, {**given, "position": position.sweep}).scalars().all()
            touched.update(dict.fromkeys(swept, Cause(CauseKind.RULES)))
            more = more or len(swept) == limit
            position = replace(position, sweep=swept[-1] if len(swept) == limit else None)
        # In this order: what is told is the cause that says most.
        touched.update((row.customer_no, Cause(CauseKind.TIME, row.due_at)) for row in reversed(due))
        touched.update(
            (row.customer_no, Cause(CauseKind.INTERACTION, row.record_no))
            for row in active
            if row.customer_no is not None
        )
        touched.update(dict.fromkeys((row.customer_no for row in changed), Cause(CauseKind.RECORD)))
        unfolded = conn.execute(_UNFOLDED, given).first()
        if len(changed) < limit and unfolded is None:
            position = replace(position, event=newest_event)
        return touched, position, more

    def _told(
        self,
        conn: Connection,
        generation: int,
        changes: Iterable[tuple[str, int, bool]],
        touched: Mapping[int, Cause],
        event_no: int,
    ) -> Iterator[SegmentChange]:
        """The changes with their causes; of a customer that changed, what of."""
        changes = list(changes)
        of_customers = {one for _, one, _ in changes if touched[one].kind == CauseKind.RECORD}
        found = dict(touched)
        columns, within = ("customer_no", "event_no"), {"generation": generation}
        for customer_no, newest in rows_by_key(
            conn, tables.profile, "customer_no", of_customers, columns, within
        ):
            if newest > event_no:
                found[customer_no] = Cause(CauseKind.IDENTITY, newest)
        by_record = [one for one in of_customers if found[one].kind == CauseKind.RECORD]
        history = rows_by_key(
            conn,
            tables.profile_history,
            "customer_no",
            by_record,
            ("customer_no", "history_no", "record_no"),
        )
        for customer_no, _, record_no in sorted(history):
            found[customer_no] = Cause(CauseKind.RECORD, record_no)
        for segment, customer_no, entered in changes:
            yield SegmentChange(customer_no, segment, entered, found[customer_no])

    def _drop_segments(self, conn: Connection, generation: int, now: int, live: bool) -> None:
        """Close what belongs to segments that the settings do not name any more."""
        names = [rule.segment for rule in self._rules] or [""]
        if live:
            tell_dropped(conn, generation, names, now)
        conn.execute(_CLOSE_DROPPED, {"now": now, "generation": generation, "segments": names})
        conn.execute(_FORGET_DROPPED, {"generation": generation, "segments": names})

    def _write_due(
        self, conn: Connection, generation: int, customer_nos: Iterable[int], evaluated: Evaluated
    ) -> None:
        key, customer_nos = ("generation", "segment", "customer_no"), list(customer_nos)
        before: dict[tuple[int, str, int], int] = {}
        for rule in self._rules:
            within = {"generation": generation, "segment": rule.segment}
            for one, due_at in rows_by_key(
                conn, tables.segment_due, "customer_no", customer_nos, ("customer_no", "due_at"), within
            ):
                before[generation, rule.segment, one] = due_at
        after = {
            (generation, segment, customer_no): due_at
            for segment, due in evaluated.due.items()
            for customer_no, due_at in due.items()
        }
        delete_rows(conn, tables.segment_due, key, before.keys() - after.keys())
        moved = [(*one, due_at) for one, due_at in after.items() if before.get(one) != due_at]
        upsert_rows(conn, tables.segment_due, (*key, "due_at"), moved, key=key, replace=("due_at",))


def _members(conn: Connection, generation: int, customer_nos: Iterable[int]) -> dict[int, int]:
    """The customer of each of their records."""
    within = {"generation": generation}
    return dict(rows_by_key(conn, member, "customer_no", customer_nos, ("record_no", "customer_no"), within))


def _write_memberships(
    conn: Connection, generation: int, customer_nos: Iterable[int], evaluated: Evaluated, now: int
) -> set[tuple[str, int, bool]]:
    """Open and close memberships; returns segment, customer and whether it was opened, of each."""
    columns, within = ("segment", "customer_no", "since", "until"), {"generation": generation}
    rows = rows_by_key(conn, tables.segment_membership, "customer_no", customer_nos, columns, within)
    inside = {(segment, customer_no): since for segment, customer_no, since, until in rows if until is None}
    should = {(segment, one) for segment, members in evaluated.members.items() for one in members}
    entered = [(generation, *one, now, None) for one in should - inside.keys()]
    left = {one: since for one, since in inside.items() if one not in should}
    closed = [(generation, *one, since, now) for one, since in left.items() if since < now]
    # Entered and left at one moment: it never was inside.
    undone = [(generation, *one, since) for one, since in left.items() if since >= now]
    key = ("generation", "segment", "customer_no", "since")
    delete_rows(conn, tables.segment_membership, key, undone)
    upsert_rows(
        conn, tables.segment_membership, (*key, "until"), [*entered, *closed], key=key, replace=("until",)
    )
    return {(*one, True) for one in should - inside.keys()} | {(*one, False) for one in left}
