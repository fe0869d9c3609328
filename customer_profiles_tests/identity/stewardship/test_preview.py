"""A preview is exact: what it says is what resolving does, to every record, customer and event, and nothing else changes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.identity.decisions.decisions import DecisionError, DecisionKind, decide, undo
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.identity.stewardship.preview import (
    Preview,
    preview_decision,
    preview_undo,
    waiting_changes,
)
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.schema import from_json
from customer_profiles_tests.conftest import Engine
from customer_profiles_tests.identity.made import settings_with, take_in
from customer_profiles_tests.identity.test_batches import IDENTITY, someone
from customer_profiles_tests.identity.test_resolve import ANNA, ANNA_TOO, BORIS, numbers_of

Customers = dict[int, tuple[int, ...]]
Event = tuple[str, int, tuple[int, ...], str, Any]


def customers_in(state: State) -> Customers:
    """By customer its records."""
    query = "SELECT customer_no, record_no FROM member WHERE generation = 1 ORDER BY record_no"
    members: dict[int, list[int]] = {}
    with state.reading() as connection:
        for customer, record in connection.execute(sa.text(query)):
            members.setdefault(customer, []).append(record)
    return {customer: tuple(records) for customer, records in members.items()}


def events_after(state: State, event_no: int) -> list[Event]:
    query = "SELECT kind, customer_no, others, cause_kind, cause FROM identity_event WHERE event_no > :no ORDER BY event_no"
    with state.reading() as connection:
        return [
            (kind, customer, tuple(from_json(others)), cause_kind, from_json(cause))
            for kind, customer, others, cause_kind, cause in connection.execute(
                sa.text(query), {"no": event_no}
            )
        ]


def last_event(state: State) -> int:
    with state.reading() as connection:
        query = "SELECT coalesce(max(event_no), 0) FROM identity_event"
        return int(connection.execute(sa.text(query)).scalar_one())


def told(preview: Preview) -> list[tuple[str, int, tuple[int, ...], str]]:
    return sorted((one.kind.value, one.customer_no, one.others, one.cause_kind) for one in preview.events)


def assert_exact(before: Customers, preview: Preview, after: Customers, events: list[Event]) -> None:
    assert preview.waiting == 0
    assert preview.before == {number: before[number] for number in preview.before}
    assert preview.after == {number: after[number] for number in preview.after}
    others = {number: records for number, records in before.items() if number not in preview.before}
    assert {number: records for number, records in after.items() if number not in preview.after} == others
    assert told(preview) == sorted(event[:4] for event in events)


def a_history(seed: int) -> list[tuple[str, dict[str, Any] | None]]:
    """Envelopes with deletions and returns among them, so that IDs are inherited."""
    chance = random.Random(seed)
    keys = [f"r{n}" for n in range(16)]
    envelopes: list[tuple[str, dict[str, Any] | None]] = [(key, someone(chance)) for key in keys]
    for _ in range(20):
        envelopes.append((chance.choice(keys), someone(chance) if chance.random() < 0.5 else None))
    return envelopes


def steps(
    chance: random.Random, records: list[int], count: int
) -> list[tuple[DecisionKind, set[int], set[int]]]:
    found = []
    while len(found) < count:
        one, other = ({*chance.sample(records, chance.randint(1, 3))} for _ in range(2))
        if other - one:
            found.append((chance.choice(list(DecisionKind)), one, other - one))
    return found


@pytest.mark.parametrize(
    ("engine", "seed"), [*(("sqlcipher", seed) for seed in range(1, 5)), ("postgres", 5)]
)
def test_what_a_preview_says_is_what_resolving_does(
    engine: Engine, seed: int, state_factory: Callable[[Engine], State], tmp_path: Path
) -> None:
    settings, state, chance = settings_with(tmp_path, **IDENTITY), state_factory(engine), random.Random(seed)
    for at, envelope in enumerate(a_history(seed), start=1):
        take_in(state, [envelope], at * 1_000_000)
    stage = ResolveStage(state, settings)
    settle(stage)
    made: list[str] = []
    changed = 0
    for moment, (kind, one, other) in enumerate(steps(chance, list(range(1, 17)), 10)):
        before, last = customers_in(state), last_event(state)
        if made and chance.random() < 0.35:
            taken_back = made.pop(chance.randrange(len(made)))
            with state.reading() as connection:
                preview = preview_undo(connection, 1, settings.identity, taken_back)
            with state.writing() as connection:
                undo(connection, taken_back, by="ann", reason="a mistake")
        else:
            with state.reading() as connection:
                preview = preview_decision(connection, 1, settings.identity, kind, one, other)
            with state.writing() as connection:
                made.append(decide(connection, kind, one, other, by="ann", reason="seen", decided_at=moment))
        settle(stage)
        assert_exact(before, preview, customers_in(state), events_after(state, last))
        changed += not preview.changes_nothing
    assert changed, "the history should be one in which decisions change something"


def settle(stage: ResolveStage) -> None:
    while stage.advance(1000).more:
        pass


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path)


def test_an_apart_moves_an_inherited_id_to_a_customer_that_no_record_of_changes(
    state: State, settings: Settings
) -> None:
    """a1 founded the customer and died; its ID goes to a2, and after the apart to b, which is alone by then."""
    take_in(state, [("a1", ANNA), ("a2", ANNA_TOO), ("b", {"emails": ["else@example.com"]})])
    stage = ResolveStage(state, settings)
    settle(stage)
    a1, a2, b = numbers_of(state, "a1", "a2", "b")
    with state.writing() as connection:
        married = decide(connection, DecisionKind.TOGETHER, [a2], [b], by="ann", reason="seen")
    settle(stage)
    take_in(state, [("a1", None)], at=2_000_000)
    settle(stage)
    with state.writing() as connection:
        undo(connection, married)
    settle(stage)
    before, last = customers_in(state), last_event(state)
    assert before == {a1: (a2,), b: (b,)}

    with state.reading() as connection:
        preview = preview_decision(connection, 1, settings.identity, DecisionKind.APART, [a1], [a2])
    with state.writing() as connection:
        decide(connection, DecisionKind.APART, [a1], [a2], by="ann", reason="seen")
    settle(stage)

    assert preview.after == {a1: (b,), a2: (a2,)}
    assert [(one.claim_no, one.before, one.after) for one in preview.inherited] == [(a1, a1, a1)]
    assert_exact(before, preview, customers_in(state), events_after(state, last))


def test_a_decision_that_another_one_stands_in_the_way_of_says_so(state: State, settings: Settings) -> None:
    take_in(state, [("a1", ANNA), ("b", BORIS)])
    settle(ResolveStage(state, settings))
    a1, b = numbers_of(state, "a1", "b")
    with state.writing() as connection:
        apart = decide(connection, DecisionKind.APART, [a1], [b], by="ann", reason="seen")
    settle(ResolveStage(state, settings))
    with state.reading() as connection:
        preview = preview_decision(connection, 1, settings.identity, DecisionKind.TOGETHER, [b], [a1])
    assert preview.changes_nothing
    assert preview.in_its_way == (apart,)


def test_the_decision_that_is_previewed_is_the_newest_of_all(state: State, settings: Settings) -> None:
    """b is to be with a, and with c, which must not be with a: the newer *together* has its way."""
    take_in(state, [(key, {"emails": [f"{key}@example.com"]}) for key in "abc"])
    a, b, c = numbers_of(state, "a", "b", "c")
    with state.writing() as connection:
        decide(connection, DecisionKind.TOGETHER, [a], [b], by="ann", reason="seen")
        decide(connection, DecisionKind.APART, [a], [c], by="ann", reason="seen")
    settle(ResolveStage(state, settings))
    before, last = customers_in(state), last_event(state)
    with state.reading() as connection:
        preview = preview_decision(connection, 1, settings.identity, DecisionKind.TOGETHER, [b], [c])
    with state.writing() as connection:
        decide(connection, DecisionKind.TOGETHER, [b], [c], by="bob", reason="seen")
    settle(ResolveStage(state, settings))
    assert preview.after == {a: (a,), b: (b, c)}
    assert_exact(before, preview, customers_in(state), events_after(state, last))


def test_a_preview_writes_nothing_and_counts_what_it_does_not_know(
    state: State, settings: Settings, table_rows: Callable[[State, str], list[tuple[object, ...]]]
) -> None:
    take_in(state, [("a1", ANNA), ("b", BORIS)])
    settle(ResolveStage(state, settings))
    take_in(state, [("a2", ANNA_TOO)], at=2_000_000)
    tables = ("decision", "member", "edge", "customer", "claim", "identity_event", "cursor", "sequence")
    before = {table: table_rows(state, table) for table in tables}
    a1, b = numbers_of(state, "a1", "b")
    with state.reading() as connection:
        preview = preview_decision(connection, 1, settings.identity, DecisionKind.TOGETHER, [a1], [b])
        assert preview.waiting == waiting_changes(connection) == 1
    assert preview.after == {a1: (a1, b)}
    assert {table: table_rows(state, table) for table in tables} == before


def test_a_preview_of_what_cannot_be_decided_or_undone_is_refused(state: State, settings: Settings) -> None:
    with state.reading() as connection:
        with pytest.raises(DecisionError, match="both sides"):
            preview_decision(connection, 1, settings.identity, DecisionKind.APART, [1], [1])
        with pytest.raises(DecisionError, match="no decision nobody"):
            preview_undo(connection, 1, settings.identity, "nobody")


def test_a_preview_looks_at_the_region_and_not_at_all_records(state: State, settings: Settings) -> None:
    people = [(f"p{n}", {"given_name": f"name{n}", "emails": [f"one{n}@example.com"]}) for n in range(60)]
    take_in(state, [("a1", ANNA), ("a2", ANNA_TOO), ("b", BORIS), *people])
    settle(ResolveStage(state, settings))
    a2, b = numbers_of(state, "a2", "b")
    with state.reading() as connection:
        preview = preview_decision(connection, 1, settings.identity, DecisionKind.TOGETHER, [a2], [b])
    assert preview.loaded <= 5
