"""The review queue: what is asked, in what order, and what is not asked again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.identity.clusters.cut_edges import cut_edges
from customer_profiles.identity.decisions.decisions import DecisionKind, decide, read_decisions, undo
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.identity.stewardship.review import (
    ReviewItem,
    ReviewKind,
    _Found,
    _interleaved,
    decided_pairs,
    review_queue,
    sample_order,
)
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles_tests.identity.made import settings_with, take_in
from customer_profiles_tests.identity.stewardship.test_preview import settle
from customer_profiles_tests.identity.test_resolve import numbers_of

PAIRS = st.sets(st.tuples(st.integers(0, 8), st.integers(0, 8)).filter(lambda pair: pair[0] < pair[1]))


def parts(pairs: set[tuple[int, int]], start: int) -> set[int]:
    reached, waiting = {start}, [start]
    while waiting:
        one = waiting.pop()
        beside = {a if b == one else b for a, b in pairs if one in (a, b)} - reached
        reached |= beside
        waiting += beside
    return reached


@given(PAIRS, PAIRS)
def test_a_cut_edge_is_one_whose_removal_parts_its_ends(
    edges: set[tuple[int, int]], links: set[tuple[int, int]]
) -> None:
    links -= edges
    ordered = sorted(edges)
    left, right = (np.array([pair[i] for pair in ordered], dtype=np.int64) for i in (0, 1))
    cut, one, other = cut_edges(left, right, sorted(links))
    expected = []
    for place, (a, b) in enumerate(ordered):
        without = (edges | links) - {(a, b)}
        if b not in parts(without, a):
            expected.append((place, len(parts(without, a)), len(parts(without, b))))
    assert list(zip(cut.tolist(), one.tolist(), other.tolist(), strict=True)) == expected


@given(st.permutations(list(range(30))))
def test_the_sample_does_not_depend_on_the_order_of_what_it_is_taken_from(places: list[int]) -> None:
    left = np.arange(30) // 5 + 1
    right = np.arange(30) % 5 + 100
    shuffled = np.array(places)
    one, other = sample_order(left, right), shuffled[sample_order(left[shuffled], right[shuffled])]
    assert one.tolist() == other.tolist()
    assert one.tolist() != list(range(30))


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    identifiers = {"crm_id": {"joins": "evidence", "exclusive": True}}
    return settings_with(tmp_path, identifiers=identifiers)


@pytest.fixture
def doubtful(state: State, settings: Settings) -> State:
    """Two couples that one phone joins (a bridge), two customers that exclusive IDs keep apart (a conflict), a pair in the band."""
    take_in(
        state,
        [
            ("a1", {"external_ids": {"user_id": ["u-a"]}}),
            ("a2", {"external_ids": {"user_id": ["u-a"]}, "phones": ["+441632960001"]}),
            ("b1", {"external_ids": {"user_id": ["u-b"]}, "phones": ["+441632960001"]}),
            ("b2", {"external_ids": {"user_id": ["u-b"]}}),
            ("c1", {"external_ids": {"user_id": ["u-c"], "crm_id": ["1"]}}),
            ("c2", {"external_ids": {"user_id": ["u-c"], "crm_id": ["2"]}}),
            ("d1", {"given_name": "dora"}),
            ("d2", {"given_name": "emil"}),
        ],
    )
    settle(ResolveStage(state, settings))
    d1, d2 = numbers_of(state, "d1", "d2")
    with state.writing() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO review_pair VALUES (1, :one, :other, -1024, 'score below the edge threshold')"
            ),
            {"one": d1, "other": d2},
        )
    return state


def asked(state: State, settings: Settings, kind: ReviewKind | None = None, **page: int) -> list[ReviewItem]:
    with state.reading() as connection:
        return list(review_queue(connection, 1, settings.identity, kind, **page).items)


def test_each_kind_of_doubt_is_asked_once_with_what_is_at_stake(doubtful: State, settings: Settings) -> None:
    a2, b1, c1, c2, d1, d2 = numbers_of(doubtful, "a2", "b1", "c1", "c2", "d1", "d2")
    (bridge,) = asked(doubtful, settings, ReviewKind.BRIDGE)
    assert (bridge.left_no, bridge.right_no, bridge.records, bridge.weight) == (a2, b1, (2, 2), 9.0)
    assert bridge.bits == 0.5 * 9 + 0.5 * (9 - 3 * 8) / 4
    assert bridge.worth == pytest.approx(4 / (1 + 2**2.625))
    assert len(bridge.customers) == 1
    (conflict,) = asked(doubtful, settings, ReviewKind.CONFLICT)
    assert (conflict.left_no, conflict.right_no, conflict.refusal) == (c1, c2, "exclusive")
    assert conflict.worth == pytest.approx(0.5)
    (band,) = asked(doubtful, settings, ReviewKind.BAND)
    assert (band.left_no, band.right_no, band.customers) == (d1, d2, (d1, d2))
    assert band.worth == pytest.approx(1 / 3)
    assert len(asked(doubtful, settings, ReviewKind.SAMPLE)) == 3


def test_the_whole_queue_is_in_order_of_worth_with_a_fifth_of_it_for_the_sample(
    doubtful: State, settings: Settings
) -> None:
    everything = asked(doubtful, settings)
    assert [one.kind.value for one in everything] == [
        "bridge",
        "conflict",
        "band",
        "sample",
        "sample",
        "sample",
    ]
    for limit in (1, 2, 4):
        pages = [asked(doubtful, settings, limit=limit, skip=skip) for skip in range(0, 8, limit)]
        assert [one for page in pages for one in page] == everything


@given(st.integers(0, 12), st.integers(0, 12))
def test_every_question_has_one_line_in_the_whole_queue(worthy: int, sampled: int) -> None:
    def found(kind: ReviewKind, count: int) -> _Found:
        numbers = np.arange(count, dtype=np.int64)
        return _Found(
            kind, numbers, numbers, numbers, numbers / 1, numbers / 1, numbers, numbers, (numbers, numbers)
        )

    band, sample = found(ReviewKind.BAND, worthy), found(ReviewKind.SAMPLE, sampled)
    told = list(_interleaved([(band, i) for i in range(worthy)], sample, 0, 100))
    for kind, count in ((ReviewKind.BAND, worthy), (ReviewKind.SAMPLE, sampled)):
        assert [one.left_no for one in told if one.kind is kind] == list(range(count))
    assert all(one.kind is ReviewKind.SAMPLE for one in told[4:worthy:5]) or sampled < worthy // 4


def test_two_records_alike_are_worth_more_than_one_such_pair_between_large_families(
    state: State, settings: Settings
) -> None:
    """Four and four with one pair of so many bits between them are hardly one person; one and one may well be."""
    families = [
        (f"{house}{n}", {"external_ids": {"user_id": [f"u-{house}"]}, "city": f"c{n}"})
        for house in "fg"
        for n in range(4)
    ]
    take_in(state, [*families, ("x", {"given_name": "dora"}), ("y", {"given_name": "emil"})])
    settle(ResolveStage(state, settings))
    pairs = [numbers_of(state, "f0", "g0"), numbers_of(state, "x", "y")]
    with state.writing() as connection:
        for one, other in pairs:
            values = {"one": one, "other": other}
            query = (
                "INSERT INTO review_pair VALUES (1, :one, :other, -1024, 'score below the edge threshold')"
            )
            connection.execute(sa.text(query), values)
    found = asked(state, settings, ReviewKind.BAND)
    assert [[one.left_no, one.right_no] for one in found] == [pairs[1], pairs[0]]
    assert [one.bits for one in found] == [-1, (-1 - 15 * 8) / 16]


def test_what_is_decided_is_not_asked_again_until_it_is_undone(doubtful: State, settings: Settings) -> None:
    before = asked(doubtful, settings)
    a2, b1, d1, d2 = numbers_of(doubtful, "a2", "b1", "d1", "d2")
    with doubtful.writing() as connection:
        decide(connection, DecisionKind.TOGETHER, [a2], [b1], by="ann", reason="seen", decision_id="t")
        decide(connection, DecisionKind.APART, [d2], [d1], by="ann", reason="seen", decision_id="a")
    left = {(one.kind, one.left_no) for one in asked(doubtful, settings)}
    assert not {(ReviewKind.BRIDGE, a2), (ReviewKind.SAMPLE, a2), (ReviewKind.BAND, d1)} & left
    with doubtful.writing() as connection:
        undo(connection, "t")
        undo(connection, "a")
    assert asked(doubtful, settings) == before


def test_an_edge_beside_a_together_is_no_bridge(doubtful: State, settings: Settings) -> None:
    a1, b2 = numbers_of(doubtful, "a1", "b2")
    with doubtful.writing() as connection:
        decide(connection, DecisionKind.TOGETHER, [a1], [b2], by="ann", reason="seen")
    assert asked(doubtful, settings, ReviewKind.BRIDGE) == []


def test_of_contradicting_decisions_on_a_pair_apart_is_the_one_that_counts(state: State) -> None:
    with state.writing() as connection:
        decide(connection, DecisionKind.APART, [1], [2, 3], by="ann", reason="seen")
        decide(connection, DecisionKind.TOGETHER, [3], [1], by="bob", reason="seen")
        decide(connection, DecisionKind.TOGETHER, [3], [4], by="bob", reason="seen")
        said = decided_pairs(read_decisions(connection))
    assert said == {(1, 2): DecisionKind.APART, (1, 3): DecisionKind.APART, (3, 4): DecisionKind.TOGETHER}
