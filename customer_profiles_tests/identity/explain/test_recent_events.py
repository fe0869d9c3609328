"""What happened to customers lately, told with why, on records that the real stage resolved."""

from __future__ import annotations

from pathlib import Path

import pytest

from customer_profiles.identity.decisions.decisions import DecisionKind, decide
from customer_profiles.identity.explain.recent_events import NOT_NOW, ExplainedEvent, recent_events
from customer_profiles.identity.graph.events import events_by_cause, last_event
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles_tests.identity.explain.test_explain import ANNA, BORIS, EMAIL, PHONE
from customer_profiles_tests.identity.made import resolve, settings_with, take_in
from customer_profiles_tests.identity.test_resolve import numbers_of


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path)


def recent(state: State, settings: Settings, since: int = 0, most: int = 10) -> list[ExplainedEvent]:
    with state.reading() as connection:
        return recent_events(connection, 1, settings.identity, since, most)


def last(state: State) -> int:
    with state.reading() as connection:
        return last_event(connection)


def test_a_merge_is_told_with_the_edge_that_joined_a_split_with_what_keeps_apart(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a", {**EMAIL, "city": "york"}), ("b", {**PHONE, "city": "bath"})])
    resolve(state, settings)
    assert recent(state, settings) == []
    a, b = numbers_of(state, "a", "b")
    before = last(state)

    take_in(state, [("c", {**EMAIL, **PHONE})])
    resolve(state, settings)
    (merge,) = recent(state, settings, before)
    assert (merge.event.kind.value, merge.event.cause_kind) == ("merge", "record")
    assert merge.pair is not None
    assert merge.sentence == "They are one customer: a shared email of 12.00 bits joins them."

    with state.writing() as connection:
        decide(connection, DecisionKind.APART, [a], [b], by="kim", reason="two of one household")
    resolve(state, settings)
    told = recent(state, settings, before)
    assert [one.event.kind.value for one in told] == ["split", "merge"]
    assert told[0].sentence.startswith("They are two customers: ")
    assert "ruled that they stay apart" in told[0].sentence
    assert [one.event.kind.value for one in recent(state, settings, before, most=1)] == ["split"]


def test_a_merge_by_decision_is_told_by_the_records_that_founded_the_two(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a", ANNA), ("b", BORIS)])
    resolve(state, settings)
    with state.writing() as connection:
        decide(
            connection,
            DecisionKind.TOGETHER,
            numbers_of(state, "a"),
            numbers_of(state, "b"),
            by="kim",
            reason="one",
        )
    resolve(state, settings)

    (merge,) = recent(state, settings)
    assert merge.pair == tuple(numbers_of(state, "a", "b"))
    assert merge.sentence == "They are one customer: a steward put them together."
    with state.reading() as connection:
        assert events_by_cause(connection, 0) == [("create", "record", 2), ("merge", "decision", 1)]


def test_what_changed_since_is_not_explained_with_the_graph_of_today(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a", {**EMAIL, "city": "york"}), ("b", {"city": "bath"})])
    resolve(state, settings)
    take_in(state, [("b", {**EMAIL, "city": "bath"})])
    resolve(state, settings)
    (merge,) = recent(state, settings)
    take_in(state, [("b", {"city": "bath"})])
    resolve(state, settings)

    assert merge.sentence != NOT_NOW
    assert [one.sentence for one in recent(state, settings) if one.event == merge.event] == [NOT_NOW]
