"""Unmerge exactly: as if the *apart* had stood from the start, for random histories on the real state.

One world merges, lives on, and is unmerged; in the other the same *apart* stands before anything arrives. What is told of
every record's customer must be the same in both; an ID may differ where the preview listed it as inherited, or where a
record that was deleted meanwhile left its ID to others than it would have, and with it those that it had inherited.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from customer_profiles.consent.ledger import append
from customer_profiles.consent.statements import Statement
from customer_profiles.identity.claims.claims import record_of
from customer_profiles.identity.claims.customer_ids import dead_records_of, ids_of
from customer_profiles.identity.decisions.decisions import DecisionError, DecisionKind, decide, undo
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.identity.stewardship.preview import Preview, preview_decision
from customer_profiles.identity.stewardship.references import members_of, records_named
from customer_profiles.identity.stewardship.unmerge import Sides, leaning_over, sides_of
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.segments import RefreshSegmentsStage
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.serving.profile import read_profile
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State, Store
from customer_profiles_tests.conftest import Engine
from customer_profiles_tests.identity.made import settings_with, take_in
from customer_profiles_tests.identity.stewardship.test_preview import (
    customers_in,
    events_after,
    last_event,
    settle,
)
from customer_profiles_tests.identity.test_batches import IDENTITY
from customer_profiles_tests.identity.test_resolve import ANNA, ANNA_THREE, ANNA_TOO, BORIS, numbers_of
from customer_profiles_tests.marts.made import drain, interactions
from customer_profiles_tests.marts.made import settings as mart_settings
from customer_profiles_tests.serving.test_profile import KEY, NOW, SEGMENTS, purchase

RECORDS = range(1, 9)
PEOPLE = st.fixed_dictionaries(
    {
        "given_name": st.sampled_from(["anna", "boris"]),
        "family_name": st.sampled_from(["lindqvist", "okafor"]),
    },
    optional={
        "birth_date": st.sampled_from(["1971-03-05", "1988-12-24"]),
        "postcode": st.just("LS1 4AP"),
        "emails": st.sampled_from([["one@example.com"], ["two@example.com"]]),
        "phones": st.sampled_from([["+441632960001"], ["+441632960002"]]),
        "country": st.sampled_from(["GB", "FR"]),
    },
)
CHANGES = st.lists(
    st.tuples(st.sampled_from(RECORDS), st.one_of(st.none(), PEOPLE, PEOPLE), st.booleans()), max_size=10
)


@dataclass(frozen=True)
class History:
    """Everything that happens in both worlds.

    Attributes:
        people: What each record says when it comes.
        married: Two records that a steward wrongly joins, before anything changes.
        changes: What a record says later, None for its deletion, and whether that ends a batch.
        refused: Records that refuse marketing.
        parted: Which members of the customer are parted from the others.
    """

    people: list[dict[str, Any]]
    married: tuple[int, int]
    changes: list[tuple[int, dict[str, Any] | None, bool]]
    refused: frozenset[int]
    parted: frozenset[int]


HISTORIES = st.builds(
    History,
    people=st.lists(PEOPLE, min_size=len(RECORDS), max_size=len(RECORDS)),
    married=st.lists(st.sampled_from(RECORDS), min_size=2, max_size=2, unique=True).map(tuple),
    changes=CHANGES,
    refused=st.frozensets(st.sampled_from(RECORDS), max_size=3),
    parted=st.frozensets(st.sampled_from(RECORDS), min_size=1, max_size=4),
)


@dataclass
class Told:
    """What is told of a live record's customer in one world."""

    members: frozenset[int]
    founder: int
    dead: frozenset[int]
    profiles: list[dict[str, Any]] = field(default_factory=list)


def play(state: State, settings: Settings, history: History) -> None:
    """Take a history in, batch by batch."""
    stage = ResolveStage(state, settings)
    for number, person in zip(RECORDS, history.people, strict=True):
        take_in(state, [(f"r{number}", person)], number * 1_000_000)
    one, other = history.married
    with state.writing() as connection:
        decide(
            connection,
            DecisionKind.TOGETHER,
            [one],
            [other],
            by="ann",
            reason="seen",
            decided_at=1,
            decision_id="t",
        )
    settle(stage)
    for at, (number, person, ends) in enumerate(history.changes, start=10):
        take_in(state, [(f"r{number}", person)], at * 1_000_000)
        if ends:
            settle(stage)
    settle(stage)
    interactions(state, [purchase(number, f"o{number // 2}", 500 * number) for number in RECORDS])
    with state.writing(Store.TRUST) as connection:
        append(
            connection,
            [
                Statement(
                    number,
                    "crm",
                    f"r{number}",
                    "marketing",
                    "refused" if number in history.refused else "granted",
                    1,
                    NOW,
                )
                for number in RECORDS
            ],
        )


def look(state: State, settings: Settings) -> dict[int, Told]:
    """What is told of each live record's customer, everything derived brought up to date."""
    settle(ResolveStage(state, settings))
    marts = mart_settings(SEGMENTS)
    drain(AccumulateStage(state, marts))
    drain(RefreshTraitsStage(state, marts, KEY, None, lambda: NOW))
    drain(RefreshSegmentsStage(state, marts, None, lambda: NOW))
    told: dict[int, Told] = {}
    for founder, members in customers_in(state).items():
        with state.reading() as connection:
            dead = dead_records_of(connection, 1, members)
            customer_id = str(ids_of(connection, KEY, [founder])[founder])
        profiles = [
            read_profile(state, marts, customer_id, purpose, NOW, KEY).to_json()
            for purpose in ("support", "marketing")
        ]
        for profile in profiles:
            del profile["customer_id"], profile["version"]
        told |= {one: Told(frozenset(members), founder, frozenset(dead), profiles) for one in members}
    return told


def merged_customer(state: State, parted: Iterable[int]) -> tuple[int, frozenset[int]] | None:
    """A customer of whom some living members are to be parted from others, and all that are."""
    for customer_no in customers_in(state):
        with state.reading() as connection:
            members = members_of(connection, 1, customer_no)
        side = members.records & frozenset(parted)
        if side & members.living and members.living - side:
            return customer_no, side
    return None


def unmerged(
    state: State, settings: Settings, customer_no: int, parted: frozenset[int]
) -> tuple[Sides, Preview]:
    """Unmerge a customer; the preview of it must be exact."""
    before, last = customers_in(state), last_event(state)
    with state.reading() as connection:
        sides = sides_of(connection, 1, customer_no, parted)
        preview = preview_decision(
            connection, 1, settings.identity, DecisionKind.APART, sides.apart, sides.rest
        )
    with state.writing() as connection:
        decide(
            connection, DecisionKind.APART, sides.apart, sides.rest, by="ann", reason="two", decision_id="a"
        )
    settle(ResolveStage(state, settings))
    after = customers_in(state)
    assert preview.after == {number: after[number] for number in preview.after}
    assert {number: records for number, records in before.items() if number not in preview.before} == {
        number: records for number, records in after.items() if number not in preview.after
    }
    assert len(preview.events) == len(events_after(state, last))
    return sides, preview


def estates(state: State) -> set[tuple[int, int, int]]:
    """Which claims were left to whom."""
    query = "SELECT claim.claim_no, rank, heir_claim_no FROM claim LEFT JOIN estate ON estate.claim_no = claim.claim_no"
    with state.reading() as connection:
        return {(number, rank or 0, heir or 0) for number, rank, heir in connection.execute(sa.text(query))}


def assert_as_if_from_the_start(merged: State, apart: State, settings: Settings, preview: Preview) -> None:
    one, other = look(merged, settings), look(apart, settings)
    left, left_in_both = estates(merged) | estates(apart), estates(merged) & estates(apart)
    left_otherwise = {record_of(claim_no) for claim_no, _, _ in left - left_in_both}
    # Who had left theirs to such a one goes where that one's went.
    while (
        followed := {record_of(one) for one, _, heir in left if record_of(heir) in left_otherwise}
        - left_otherwise
    ):
        left_otherwise |= followed
    excepted = {led.record_no for led in preview.inherited} | left_otherwise
    assert one.keys() == other.keys()
    for number, told in one.items():
        expected = other[number]
        assert told.members == expected.members
        if not {record_of(told.founder), record_of(expected.founder)} & excepted:
            assert told.founder == expected.founder
        assert told.dead ^ expected.dead <= excepted
        if told.dead == expected.dead:
            assert told.profiles == expected.profiles
        else:
            # What a deleted record refused goes where its ID goes; all that is folded over living ones is the same.
            assert told.profiles[0] == expected.profiles[0]


@pytest.mark.slow
@hypothesis_settings(
    max_examples=25,
)
@given(history=HISTORIES)
def test_an_unmerge_leaves_what_would_be_had_the_apart_stood_from_the_start(
    history: History, state_factory: Callable[[Engine], State], tmp_path: Path
) -> None:
    settings = settings_with(tmp_path, **IDENTITY)
    with state_factory("sqlcipher") as merged, state_factory("sqlcipher") as apart:
        play(merged, settings, history)
        found = merged_customer(merged, history.parted)
        if found is None:
            return
        sides, preview = unmerged(merged, settings, *found)
        with apart.writing() as connection:
            decide(
                connection,
                DecisionKind.APART,
                sides.apart,
                sides.rest,
                by="ann",
                reason="two",
                decision_id="a",
            )
        play(apart, settings, history)
        assert_as_if_from_the_start(merged, apart, settings, preview)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path)


@pytest.fixture
def married(state: State, settings: Settings) -> State:
    """a1 and a2 are Anna, and a steward wrongly joined b1 and b2 to them; then a1 and b1 are deleted."""
    take_in(state, [("a1", {**ANNA, "birth_date": None}), ("a2", ANNA_TOO), ("b1", EMIL), ("b2", EMIL)])
    settle(ResolveStage(state, settings))
    a1, a2, b1, b2 = numbers_of(state, "a1", "a2", "b1", "b2")
    with state.writing() as connection:
        decide(connection, DecisionKind.TOGETHER, [a1, a2], [b1, b2], by="ann", reason="seen")
    settle(ResolveStage(state, settings))
    take_in(state, [("b1", None), ("a1", None)], at=2_000_000)
    settle(ResolveStage(state, settings))
    assert customers_in(state) == {a1: (a2, b2)}
    return state


EMIL = {"emails": ["emil@example.com"]}


def test_an_unmerge_names_the_dead_on_their_side_so_that_each_id_goes_home(
    married: State, settings: Settings
) -> None:
    a1, a2, b1, b2 = numbers_of(married, "a1", "a2", "b1", "b2")
    sides, preview = unmerged(married, settings, a1, frozenset({b1, b2}))
    assert (sides.apart, sides.rest, sides.dead) == ({b1, b2}, {a1, a2}, {a1, b1})
    assert customers_in(married) == {a1: (a2,), b1: (b2,)}
    assert [(led.claim_no, led.before, led.after) for led in preview.inherited] == [
        (a1, a1, a1),
        (b1, a1, b1),
    ]


def test_a_deleted_record_that_nobody_names_stays_with_the_others_and_the_preview_lists_its_id(
    married: State, settings: Settings
) -> None:
    a1, a2, b1, b2 = numbers_of(married, "a1", "a2", "b1", "b2")
    _, preview = unmerged(married, settings, a1, frozenset({b2}))
    assert customers_in(married) == {a1: (a2,), b2: (b2,)}
    assert (b1, a1) in {(led.claim_no, led.after) for led in preview.inherited}


def test_a_customer_stands_for_its_deleted_records_where_an_apart_is_decided(married: State) -> None:
    a1, a2, b1, b2 = numbers_of(married, "a1", "a2", "b1", "b2")
    with married.reading() as connection:
        named = members_of(connection, 1, a1)
        dead = records_named(connection, 1, ["crm"], f"crm:b1, {a1}")
    assert named.side_of(DecisionKind.APART) == {a1, a2, b1, b2}
    assert named.side_of(DecisionKind.TOGETHER) == {a2, b2}
    assert dead.side_of(DecisionKind.TOGETHER) == {a1, b1}


def test_what_a_record_deleted_meanwhile_would_have_left_to_a_side_stays_lost(
    state: State, settings: Settings
) -> None:
    """c would have been b's customer, had a steward not joined b to a, whom c's name and birth date contradict."""
    c = {**ANNA, "emails": ["shared@example.com"]}
    take_in(state, [("c", c), ("a", BORIS), ("b", {"emails": ["shared@example.com"]})])
    a, b = numbers_of(state, "a", "b")
    with state.writing() as connection:
        decide(connection, DecisionKind.TOGETHER, [a], [b], by="ann", reason="seen")
    settle(ResolveStage(state, settings))
    take_in(state, [("c", None)], at=2_000_000)
    settle(ResolveStage(state, settings))
    _, preview = unmerged(state, settings, a, frozenset({b}))
    assert customers_in(state) == {a: (a,), b: (b,)}
    assert preview.inherited == ()


def test_undoing_an_unmerge_restores_every_customer_and_id(
    married: State, settings: Settings, table_rows: Callable[[State, str], list[tuple[object, ...]]]
) -> None:
    tables = ("member", "edge", "claim", "estate")
    before = {table: table_rows(married, table) for table in tables}
    a1, _, _, b2 = numbers_of(married, "a1", "a2", "b1", "b2")
    unmerged(married, settings, a1, frozenset({b2}))
    assert {table: table_rows(married, table) for table in tables} != before
    with married.writing() as connection:
        undo(connection, "a", by="bob", reason="a mistake")
    settle(ResolveStage(married, settings))
    assert {table: table_rows(married, table) for table in tables} == before


@pytest.mark.parametrize("first", list(DecisionKind))
def test_of_stewards_who_contradict_each_other_apart_wins_whoever_came_first(
    first: DecisionKind, state: State, settings: Settings
) -> None:
    take_in(state, [("a1", ANNA), ("b", BORIS)])
    settle(ResolveStage(state, settings))
    a1, b = numbers_of(state, "a1", "b")
    for kind in sorted(DecisionKind, key=lambda kind: kind is not first):
        with state.writing() as connection:
            decide(
                connection, kind, [a1], [b], by=f"steward of {kind}", reason="seen", decision_id=kind.value
            )
        settle(ResolveStage(state, settings))
    assert customers_in(state) == {a1: (a1,), b: (b,)}
    with state.writing() as connection:
        undo(connection, "apart")
    settle(ResolveStage(state, settings))
    assert customers_in(state) == {a1: (a1, b)}


def test_sides_that_are_no_sides_are_refused(married: State) -> None:
    a1, a2, b1, b2 = numbers_of(married, "a1", "a2", "b1", "b2")
    with married.reading() as connection:
        with pytest.raises(DecisionError, match=r"no members of the customer: 999"):
            sides_of(connection, 1, a1, {a2, 999})
        for parted in ({a2, b2}, {a1}, {a1, b1}):
            with pytest.raises(DecisionError, match="No living record would be left"):
                sides_of(connection, 1, a1, parted)


def test_records_that_only_the_parted_ones_hold_are_pointed_out(state: State, settings: Settings) -> None:
    """The visits of b's device hang on b alone; a record that hangs on both sides does not."""
    device = {"external_ids": {"anonymous_id": ["v-1"]}}
    take_in(state, [("a1", ANNA), ("a2", ANNA_THREE), ("b", {**ANNA_TOO, **device}), ("visit", device)])
    settle(ResolveStage(state, settings))
    a1, a2, b, visit = numbers_of(state, "a1", "a2", "b", "visit")
    assert customers_in(state) == {a1: (a1, a2, b, visit)}
    with state.reading() as connection:
        assert leaning_over(connection, 1, sides_of(connection, 1, a1, {b})) == {visit}
        assert leaning_over(connection, 1, sides_of(connection, 1, a1, {b, visit})) == frozenset()
