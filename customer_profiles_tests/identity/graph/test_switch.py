"""What a rebuild does to customers is told once, at the switch; what happens while it is built is not told twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from customer_profiles.identity.explain.history import history_of
from customer_profiles.identity.graph.as_of import customers_at, latest_commit
from customer_profiles.identity.graph.events import Causes, events_between
from customer_profiles.identity.graph.graph_store import Members
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.pipeline.rebuild import rebuild
from customer_profiles.pipeline.stage import Stage
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.schema import from_json
from customer_profiles_tests.identity.graph.test_as_of import History
from customer_profiles_tests.identity.made import settings_with, take_in

ANNA = {"emails": ["anna@example.com"]}
ANNA_IN_LEEDS = {"emails": ["anna@example.com"], "city": "Leeds"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path, identifiers={"email": {"cap": 3}, "phone": {"cap": 3}})


def strict(settings: Settings) -> Settings:
    """An email address that two contents hold joins nobody."""
    return settings_with(settings.folder, identifiers={"email": {"cap": 1}})


def told(state: State) -> list[tuple[int, str, int, tuple[int, ...], str, dict[str, Any]]]:
    """Every identity event: generation, kind, customer, others, cause."""
    query = "SELECT generation, kind, customer_no, others, cause_kind, cause FROM identity_event ORDER BY event_no"
    with state.reading() as connection:
        return [
            (generation, kind, customer_no, tuple(from_json(others)), cause_kind, from_json(cause))
            for generation, kind, customer_no, others, cause_kind, cause in connection.execute(sa.text(query))
        ]


def rebuilt(state: State, settings: Settings) -> None:
    rebuild(state, lambda number: [ResolveStage(state, settings, number)], lambda stage: stage.advance(100))


def test_a_record_that_comes_while_a_rebuild_catches_up_is_told_of_once(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a", ANNA)])
    ResolveStage(state, settings).advance(100)
    came: list[str] = []

    def drain(stage: Stage) -> None:
        stage.advance(100)
        if not came:
            came.append("b")
            take_in(state, [("b", {"emails": ["boris@example.com"]})], at=2_000_000)
            ResolveStage(state, settings).advance(100)

    rebuild(state, lambda number: [ResolveStage(state, settings, number)], drain)

    assert [(generation, kind, cause) for generation, kind, _, _, cause, _ in told(state)] == [
        (1, "create", "record"),
        (1, "create", "record"),
    ]


def test_nothing_is_told_of_a_generation_before_it_is_switched_to(state: State, settings: Settings) -> None:
    take_in(state, [("a", ANNA), ("b", ANNA_IN_LEEDS)])
    ResolveStage(state, settings).advance(100)
    before = told(state)
    seen = []

    def drain(stage: Stage) -> None:
        stage.advance(100)
        seen.append(told(state))

    rebuild(state, lambda number: [ResolveStage(state, strict(settings), number)], drain)

    assert seen == [before]
    assert [(generation, kind) for generation, kind, *_ in told(state)[len(before) :]] == [(2, "split")]


def test_what_a_switch_does_has_its_cause_and_stands_in_the_history_of_the_customer(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a", ANNA), ("b", ANNA_IN_LEEDS)])
    ResolveStage(state, strict(settings)).advance(100)
    a, b = sorted(customer_no for _, _, customer_no, *_ in told(state))

    rebuilt(state, settings)

    *_, event = told(state)
    assert event[:5] == (2, "merge", a, (b,), "rebuild")
    assert event[5]["edge"] == [a, b]
    with state.reading() as connection:
        steps = history_of(connection, a, latest_commit(connection)).steps
    assert [[one.kind.value for one in step.events] for step in steps] == [["create", "create"], ["merge"]]


@pytest.mark.parametrize("seed", range(3))
def test_the_events_are_what_happened_from_commit_to_commit_rebuilds_among_them(
    state: State, settings: Settings, seed: int
) -> None:
    history = History(state, settings, seed)
    for _ in range(14):
        history.step()

    expected = []
    with state.reading() as connection:
        everybody = list(connection.execute(sa.text("SELECT record_no FROM record")).scalars())
        before = _members({})
        for commit_no in range(1, latest_commit(connection).commit_no + 1):
            after = _members(customers_at(connection, commit_no, everybody))
            expected += events_between(before, after, Causes(None, np.zeros(0, dtype=np.int64), ()))
            before = after
    found = [(kind, customer_no, others) for _, kind, customer_no, others, *_ in told(state)]
    assert found == [(one.kind.value, one.customer_no, one.others) for one in expected]


def test_a_change_after_a_rebuild_is_not_blamed_on_it(state: State, settings: Settings) -> None:
    take_in(state, [("a", ANNA), ("b", ANNA_IN_LEEDS)])
    ResolveStage(state, settings).advance(100)
    RefreshTraitsStage(state, settings, bytes(32)).advance(100)

    def stages(number: int) -> list[Stage]:
        resolving = ResolveStage(state, strict(settings), number)
        return [resolving, RefreshTraitsStage(state, settings, bytes(32), number)]

    rebuild(state, stages, lambda stage: stage.advance(100))
    take_in(state, [("a", {**ANNA, "city": "York"}), ("b", {**ANNA, "city": "Bath"})], at=2_000_000)
    ResolveStage(state, strict(settings)).advance(100)
    RefreshTraitsStage(state, settings, bytes(32)).advance(100)

    with state.reading() as connection:
        query = "SELECT new, cause_kind FROM profile_history WHERE name = 'city' ORDER BY history_no"
        causes = dict(tuple(row) for row in connection.execute(sa.text(query)))
    assert (causes['"York"'], causes['"Bath"']) == ("record", "record")


def _members(of: dict[int, int]) -> Members:
    records = np.array(sorted(of), dtype=np.int64)
    return Members(records, np.array([of[one] for one in records.tolist()], dtype=np.int64))
