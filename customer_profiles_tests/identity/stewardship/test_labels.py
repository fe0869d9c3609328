"""Precision from review: honest about what stewards looked at, and about what their own decisions did."""

from __future__ import annotations

from pathlib import Path

import pytest

from customer_profiles.identity.decisions.decisions import DecisionKind, decide
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.identity.stewardship.labels import (
    ReviewedPrecision,
    reviewed_precision,
    wilson_interval,
)
from customer_profiles.identity.stewardship.review import ReviewKind, review_queue
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles_tests.identity.made import settings_with, take_in
from customer_profiles_tests.identity.stewardship.test_preview import settle
from customer_profiles_tests.identity.test_resolve import ANNA, BORIS, numbers_of

COUPLES = 12


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path)


@pytest.fixture
def couples(state: State, settings: Settings) -> State:
    """Twelve customers of two records with one match each."""
    for n in range(COUPLES):
        shared = {"external_ids": {"user_id": [f"u-{n}"]}}
        take_in(state, [(f"a{n}", shared), (f"b{n}", {**shared, "language": "en"})])
    settle(ResolveStage(state, settings))
    return state


def sample(state: State, settings: Settings) -> list[tuple[int, int]]:
    with state.reading() as connection:
        page = review_queue(connection, 1, settings.identity, ReviewKind.SAMPLE, limit=100)
    return [(one.left_no, one.right_no) for one in page.items]


def say(state: State, settings: Settings, kind: DecisionKind, pairs: list[tuple[int, int]]) -> None:
    with state.writing() as connection:
        for one, other in pairs:
            decide(connection, kind, [one], [other], by="ann", reason="seen")
    settle(ResolveStage(state, settings))


def precision(state: State, settings: Settings) -> ReviewedPrecision:
    with state.reading() as connection:
        return reviewed_precision(connection, settings.identity)


def test_matches_found_wrong_count_although_the_graph_has_taken_them_back(
    couples: State, settings: Settings
) -> None:
    first = sample(couples, settings)[:10]
    say(couples, settings, DecisionKind.APART, first[3:5])
    say(couples, settings, DecisionKind.TOGETHER, first[:3] + first[5:])
    found = precision(couples, settings)
    assert (found.right, found.decided, found.undecided, found.precision) == (8, 10, 0, 0.8)
    assert (found.low, found.high) == pytest.approx((0.4902, 0.9433), abs=1e-4)
    assert len(sample(couples, settings)) == COUPLES - 10


def test_a_match_that_was_picked_from_further_on_does_not_count(couples: State, settings: Settings) -> None:
    in_turn = sample(couples, settings)
    say(couples, settings, DecisionKind.APART, in_turn[6:9])
    assert precision(couples, settings).decided == 0
    say(couples, settings, DecisionKind.TOGETHER, in_turn[:3])
    assert (precision(couples, settings).right, precision(couples, settings).decided) == (3, 3)
    say(couples, settings, DecisionKind.TOGETHER, in_turn[3:6])
    assert (precision(couples, settings).right, precision(couples, settings).decided) == (6, 9)


def test_one_in_ten_may_be_left_open(couples: State, settings: Settings) -> None:
    in_turn = sample(couples, settings)
    say(couples, settings, DecisionKind.TOGETHER, in_turn[:4] + in_turn[5:10])
    found = precision(couples, settings)
    assert (found.right, found.decided, found.undecided) == (9, 9, 1)


def test_where_more_is_left_open_the_count_ends_before_it(couples: State, settings: Settings) -> None:
    """Decided, open, seven decided, open, decided: eight of nine are too few, so only the first counts."""
    in_turn = sample(couples, settings)
    say(couples, settings, DecisionKind.TOGETHER, [in_turn[0], *in_turn[2:9], in_turn[10]])
    found = precision(couples, settings)
    assert (found.right, found.decided, found.undecided) == (1, 1, 0)


def test_a_match_that_only_a_decision_made_says_nothing_of_the_graph(
    state: State, settings: Settings
) -> None:
    """The same user ID for two who differ in name and birth date: the graph refuses, a steward joins them."""
    shared = {"external_ids": {"user_id": ["u-1"]}}
    take_in(state, [("anna", {**ANNA, **shared}), ("boris", {**BORIS, **shared})])
    settle(ResolveStage(state, settings))
    anna, boris = numbers_of(state, "anna", "boris")
    assert sample(state, settings) == []
    say(state, settings, DecisionKind.TOGETHER, [(anna, boris)])
    assert precision(state, settings) == ReviewedPrecision(0, 0, 0, 0.0, 1.0)
    assert precision(state, settings).precision is None


def test_the_interval_is_that_of_wilson() -> None:
    assert wilson_interval(0, 0) == (0.0, 1.0)
    assert wilson_interval(95, 100) == pytest.approx((0.8882, 0.9785), abs=1e-4)
    low, high = wilson_interval(10, 10)
    assert low == pytest.approx(0.7225, abs=1e-4)
    assert high == pytest.approx(1.0)
