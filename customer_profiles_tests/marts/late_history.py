"""Random histories of a small company, and what they must come to: a plain recount of everything that is known."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from customer_profiles.cleaning.appliers import Arrival
from customer_profiles.cleaning.apply_interactions import InteractionApplier
from customer_profiles.cleaning.rows import CleanRow
from customer_profiles.marts.accumulate import AccumulateStage, FoldedInteractions
from customer_profiles.marts.buckets import DAY, HOUR, MINUTE, Bucket, Grain, Interaction, bucketed
from customer_profiles.marts.expiry import expire_buckets
from customer_profiles.marts.facts import Fact, counted_properties, grammar_of, read_fact, value_of
from customer_profiles.marts.promotion import carry_over
from customer_profiles.marts.recount import ACCUMULATE, Progress, newest_recount, read_buckets
from customer_profiles.marts.segment_changes import changes_since
from customer_profiles.marts.segments import RefreshSegmentsStage
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.marts.windows import counting_of
from customer_profiles.pipeline.history import keep_history
from customer_profiles.settings import Settings
from customer_profiles.sources.envelope import Envelope
from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.errors import CursorMoved
from customer_profiles.state.generations import (
    abandon_generation,
    begin_generation,
    clear_generations,
    live_generation,
    promote_generation,
)
from customer_profiles.state.history.manifest import totals
from customer_profiles_tests.history.made import sealing
from customer_profiles_tests.marts.made import customers, drain
from customer_profiles_tests.marts.made import settings as company
from customer_profiles_tests.marts.test_windows import by_brute_force

KEY = bytes(32)
BEGIN = 1_700_000_123_456_789
RECORDS = ("a", "b", "c", "d")


@dataclass(frozen=True)
class Plan:
    """Settings, and the rule of each segment as a fact and the least it must be."""

    lengths: tuple[str, ...]
    properties: tuple[str, ...]
    segments: Mapping[str, tuple[str, int]]

    @property
    def settings(self) -> Settings:
        rules = {
            name: f"{_in_sql(fact)} >= {least}" if least else f"{_in_sql(fact)} = 0"
            for name, (fact, least) in self.segments.items()
        }
        return company(rules, self.lengths, self.properties)


def _in_sql(fact: str) -> str:
    head, bracket, of = fact.partition("[")
    name, _, value = of.rstrip("]").partition("=")
    return f"{head}[{name} = '{value}']" if bracket else head


PLANS = (
    Plan(
        ("45m", "36h", "90d", "lifetime"),
        ("category",),
        {
            "busy": ("page_count_45m", 2),
            "shopper": ("purchase_value_36h", 300),
            "shoes": ("interaction_days_90d[category=shoes]", 2),
            "unseen": ("interaction_count_lifetime", 0),
        },
    ),
    Plan(
        ("5m", "24h", "7d"),
        (),
        {
            "busy": ("page_count_5m", 1),
            "quiet": ("days_since_last_interaction", 3),
            "week": ("web_days_7d", 2),
        },
    ),
    Plan(
        ("2h", "14d", "400d"),
        ("category", "topic"),
        {
            "busy": ("interaction_count_14d", 3),
            "shoes": ("purchase_count_14d[category=shoes]", 1),
            "refunds": ("days_since_last_message[topic=refund]", 1),
            "quiet": ("days_since_last_interaction", 3),
        },
    ),
)

ages = st.one_of(
    st.integers(-5 * MINUTE, 0),
    st.integers(0, 3 * MINUTE),
    st.integers(0, 3 * HOUR),
    st.integers(0, 3 * DAY),
    st.integers(0, 31 * DAY),
    st.integers(0, 450 * DAY),
)
categories = st.sampled_from([None, "shoes", "shoes", "hats", ["shoes", "hats"], "Shoes"])


@st.composite
def events(draw: st.DrawFn) -> dict[str, Any]:
    """One event: its ID, of a few so that they come again, and how long ago it happened."""
    kind = draw(st.sampled_from(["page", "page", "purchase", "message"]))
    said: dict[str, Any] = {"category": draw(categories)}
    if kind == "purchase":
        said["order_id"] = draw(st.sampled_from(["o1", "o2", "o3"]))
    if kind == "message":
        said |= {
            "matter_id": draw(st.sampled_from(["m1", "m2"])),
            "topic": draw(st.sampled_from(["refund", "size"])),
            "status": draw(st.sampled_from(["open", "closed"])),
        }
    return {
        "event_id": f"e{draw(st.integers(0, 60))}",
        "record_key": draw(st.sampled_from(RECORDS)),
        "type": kind,
        "channel": draw(st.sampled_from(["web", "store", None])),
        "age": draw(ages),
        "value": draw(st.sampled_from([100, 200])) if kind == "purchase" else None,
        "currency": draw(st.sampled_from(["GBP", "EUR"])) if kind == "purchase" else None,
        "properties": {name: value for name, value in said.items() if value is not None},
    }


@dataclass
class Known:
    """The model: what a faithful witness of everything remembers."""

    now: int = BEGIN
    plan: Plan = PLANS[0]
    events: dict[str, dict[str, Any]] = field(default_factory=dict)
    numbers: dict[str, int] = field(default_factory=dict)
    members: dict[int, tuple[int, ...]] = field(default_factory=dict)
    expired: bool = False


class LateHistory(RuleBasedStateMachine):
    """Takes random events in random ways and holds what is kept to what is known."""

    make_state: Callable[[], State]

    def __init__(self) -> None:
        super().__init__()
        self.state = type(self).make_state()
        self.known = Known()
        self.record_nos: dict[str, int] = {}
        self.looked: tuple[AccumulateStage, FoldedInteractions] | None = None

    def teardown(self) -> None:
        self.everything_is_what_a_recount_gives()
        self.state.close()

    @initialize(given=st.lists(events(), min_size=4, max_size=12), plan=st.sampled_from(PLANS))
    def begin(self, given: list[dict[str, Any]], plan: Plan) -> None:
        """Every record is there, each a customer of its own, and something happened."""
        self.known.plan = plan
        first = [
            {**one, "event_id": f"first {key}", "record_key": key}
            for one, key in zip(given, RECORDS, strict=False)
        ]
        self.arrive([*first, *given])
        with self.state.reading() as conn:
            rows = conn.exec_driver_sql("SELECT source_key, record_no FROM record").all()
        self.record_nos = {key: number for key, number in rows}
        self.regroup([0, 1, 2, 3])
        self.count(1_000)

    @rule(given=st.lists(events(), min_size=1, max_size=8))
    def arrive(self, given: list[dict[str, Any]]) -> None:
        """Events come in, late ones and ones from before among them."""
        self._take(given, again=False)
        for one in given:
            event_id = one["event_id"]
            if event_id not in self.known.events:
                self.known.events[event_id] = self._happened(one)
                self.known.numbers[event_id] = len(self.known.numbers) + 1

    @rule(given=st.lists(events(), min_size=1, max_size=3, unique_by=lambda one: one["event_id"]))
    def read_again(self, given: list[dict[str, Any]]) -> None:
        """A changed mapping reads events that are there another way: other records, moments, values."""
        given = [one for one in given if one["event_id"] in self.known.events]
        self._take(given, again=True)
        for one in given:
            self.known.events[one["event_id"]] = self._happened(one)

    @rule(limit=st.sampled_from([1, 3, 1_000]))
    def count(self, limit: int) -> None:
        """One batch is counted."""
        self.accumulate().advance(limit)
        self.what_is_read_is_right()

    @rule(limit=st.sampled_from([1, 3, 1_000]))
    def look(self, limit: int) -> None:
        """Another process looks at a batch, and takes its time."""
        stage = self.accumulate()
        self.looked = stage, stage.look(limit)

    @precondition(lambda self: self.looked is not None)
    @rule()
    def write(self) -> None:
        """It writes what it found, whatever happened since, or is told that this is no longer so."""
        assert self.looked is not None
        (stage, found), self.looked = self.looked, None
        with suppress(CursorMoved):
            stage.write(found)
        self.what_is_read_is_right()

    @rule(of=st.lists(st.integers(-1, 3), min_size=4, max_size=4))
    def regroup(self, of: list[int]) -> None:
        """Records are put together, taken apart and deleted."""
        groups: dict[int, list[int]] = {}
        for group, number in zip(of, self.record_nos.values(), strict=True):
            if group >= 0:
                groups.setdefault(group, []).append(number)
        members = dict.fromkeys(self.record_nos.values(), ())
        members |= {min(group): tuple(sorted(group)) for group in groups.values()}
        with self.state.writing() as conn:
            conn.exec_driver_sql("DELETE FROM member")
            generation = live_generation(conn)
        customers(self.state, members, generation)
        self.known.members = members

    @rule(plan=st.sampled_from(PLANS))
    def change_settings(self, plan: Plan) -> None:
        """Other windows, properties and rules from now on."""
        self.known.plan = plan
        self.what_is_read_is_right()

    @rule(passed=st.sampled_from([MINUTE, HOUR, 20 * HOUR, 3 * DAY, 40 * DAY]))
    def wait(self, passed: int) -> None:
        """Time passes."""
        self.known.now += passed

    @rule()
    def expire(self) -> None:
        """Buckets that no window reads any more go."""
        expire_buckets(self.state, self.known.plan.settings, self.known.now)
        self.known.expired = True
        self.what_is_read_is_right()

    @rule()
    def rebuild(self) -> None:
        """A generation is built from what is stored, and switched to."""
        with self.state.writing() as conn:
            live, rebuilt = live_generation(conn), begin_generation(conn)
        customers(self.state, self.known.members, rebuilt)
        self._settle(rebuilt)
        with self.state.writing() as conn:
            carry_over(conn, live, rebuilt, self.known.now)
            promote_generation(conn, rebuilt, {})
        clear_generations(self.state, ["accumulate", "refresh_traits", "refresh_segments"])

    @rule(days=st.sampled_from([1, 3, 20]), limit=st.sampled_from([1, 5, 1_000]), whole=st.booleans())
    def seal(self, days: int, limit: int, whole: bool) -> None:
        """Old events leave the database for the history: some of them, or all, and the history is put in order."""
        history = self.state.history
        assert history is not None
        stage = sealing(self.state, history, days, self.known.now)
        if whole:
            keep_history(self.state, history, stage, limit=limit)
        else:
            stage.advance(limit)
        self.what_is_read_is_right()

    @rule()
    def everything_is_what_a_recount_gives(self) -> None:
        """When all is taken in: buckets, purchases, matters, facts, segments and their feed."""
        if not self.record_nos:
            return
        with self.state.reading() as conn:
            live = live_generation(conn)
        self._settle(live)
        with self.state.writing() as conn:
            fresh = begin_generation(conn)
        drain(AccumulateStage(self.state, self.known.plan.settings, fresh))
        assert self._kept(live) == self._kept(fresh)
        with self.state.writing() as conn:
            abandon_generation(conn, fresh)
        clear_generations(self.state, ["accumulate"])
        counting = counting_of(self.known.plan.settings)
        happened = self._interactions(len(self.known.numbers))
        newest: dict[int, int] = {}
        for one in happened:
            newest[one.record_no] = max(one.occurred_at, newest.get(one.record_no, one.occurred_at))
        with self.state.reading() as conn:
            rows = read_buckets(conn, self.state.history, live, counting, list(self.record_nos.values()))
        kept = [Bucket(row[0], Grain(row[1]), *row[2:]) for row in rows]
        recomputed = bucketed(happened, newest, counting)
        since = self._read_from()
        of_live, of_all = (
            sorted(repr(one) for one in buckets if one.start >= since.get(one.grain, one.start))
            for buckets in (kept, recomputed)
        )
        assert of_live == of_all
        self.what_is_read_is_right()
        self._check_segments(live, happened)

    def what_is_read_is_right(self) -> None:
        """Facts of what was taken in so far, also while records wait to be counted anew."""
        settings = self.known.plan.settings
        with self.state.reading() as conn:
            live = live_generation(conn)
            progress = Progress.of(read_cursor(conn, ACCUMULATE, str(live)).position) or Progress()
            if progress.moved < newest_recount(conn):
                return  # what was replaced is counted with the next batch
            happened = self._interactions(progress.interaction_no)
            for records in self.known.members.values():
                rows = read_buckets(conn, self.state.history, live, counting_of(settings), records)
                own = [Bucket(row[0], Grain(row[1]), *row[2:]) for row in rows]
                theirs = [one for one in happened if one.record_no in records]
                for fact in self._facts():
                    now = self.known.now
                    assert value_of(fact, own, now) == by_brute_force(fact, theirs, now), fact.name

    def _facts(self) -> list[Fact]:
        plan = self.known.plan
        tails = ["", *(f"[{name}={value}]" for name in plan.properties for value in ("shoes", "refund"))]
        names = [
            f"{subject}_{measure}_{length}{tail}"
            for length in plan.lengths
            for tail in tails
            for subject, measure in (("interaction", "count"), ("web", "days"), ("purchase", "value"))
        ]
        names += [f"days_since_last_page{tail}" for tail in tails]
        grammar = grammar_of(plan.settings)
        facts = [read_fact(name, grammar) for name in names]
        assert all(facts)
        return [one for one in facts if one is not None]

    def _check_segments(self, live: int, happened: Sequence[Interaction]) -> None:
        grammar = grammar_of(self.known.plan.settings)
        expected = set()
        for customer_no, records in self.known.members.items():
            own = [one for one in happened if one.record_no in records]
            for segment, (name, least) in self.known.plan.segments.items():
                fact = read_fact(name, grammar)
                assert fact is not None
                value = by_brute_force(fact, own, self.known.now)
                if records and value is not None and (value >= least if least else value == 0):
                    expected.add((segment, customer_no))
        with self.state.reading() as conn:
            rows = conn.exec_driver_sql(
                f"SELECT segment, customer_no FROM segment_membership WHERE generation = {live} AND until IS NULL"
            ).all()
            told = changes_since(conn, 0, 1_000_000)
        assert {(segment, customer_no) for segment, customer_no in rows} == expected
        inside: set[tuple[str, int]] = set()
        for number, change in enumerate(told, 1):
            assert change.change_no == number
            one = (change.segment, change.customer_no)
            assert (one in inside) == (change.kind == "left")
            inside ^= {one}
        assert inside == expected

    def accumulate(self, generation: int | None = None) -> AccumulateStage:
        return AccumulateStage(self.state, self.known.plan.settings, generation)

    def _settle(self, generation: int) -> None:
        settings, now = self.known.plan.settings, self.known.now
        drain(self.accumulate(generation), 7)
        drain(RefreshTraitsStage(self.state, settings, KEY, generation, lambda: now))
        drain(RefreshSegmentsStage(self.state, settings, generation, lambda: now), 3)

    def _take(self, given: Iterable[Mapping[str, Any]], again: bool) -> None:
        arrivals = [
            Arrival(
                "events",
                Envelope(one["event_id"], {}),
                CleanRow(
                    {
                        **{name: one[name] for name in one if name != "age"},
                        "source": "web",
                        "identifiers": None,
                        "occurred_at": self.known.now - one["age"],
                        "received_at": self.known.now,
                    }
                ),
                again=again,
            )
            for one in given
        ]
        with self.state.writing() as conn:
            InteractionApplier(self.known.plan.settings, "web").apply(conn, arrivals, self.known.now)

    def _happened(self, one: Mapping[str, Any]) -> dict[str, Any]:
        return {**one, "occurred_at": self.known.now - one["age"]}

    def _interactions(self, up_to: int) -> list[Interaction]:
        """What is known of the first so many events, as it is known now."""
        names = self.known.plan.properties
        return [
            Interaction(
                self.record_nos[one["record_key"]],
                one["type"],
                one["channel"] or "",
                one["occurred_at"],
                one["value"],
                one["currency"] or "",
                counted_properties(one["properties"], sorted(names)),
            )
            for event_id, one in self.known.events.items()
            if self.known.numbers[event_id] <= up_to
        ]

    def _read_from(self) -> dict[str, int]:
        """From where on windows may read buckets, now or later, by grain; where none was let go of, every bucket counts."""
        if not self.known.expired:
            return {}
        kept = counting_of(self.known.plan.settings).kept
        return {str(grain): grain.start(self.known.now - length) for grain, length in kept.items()}

    def _kept(self, generation: int) -> dict[str, list[tuple[Any, ...]]]:
        """What a generation keeps by record; rows of records of which nothing is left do not count."""
        kept, since = {}, self._read_from()
        with self.state.reading() as conn:
            for table in ("bucket", "purchase", "support_matter", "record_activity"):
                rows = conn.exec_driver_sql(
                    f"SELECT * FROM {table} WHERE generation = {generation}"
                ).mappings()
                left_out = {"generation", "changed_no"}
                kept[table] = sorted(
                    tuple(value for name, value in row.items() if name not in left_out)
                    for row in rows
                    if row.get("last_at", 0) is not None
                    and row.get("start", 0) >= since.get(row.get("grain"), -BEGIN)
                )
            sealed = totals(conn).rows
            stored = conn.exec_driver_sql("SELECT count(*) FROM interaction").scalar_one()
        assert stored + sealed == len(self.known.events)
        return kept
