"""Scores of clusters, against counting every pair."""

from __future__ import annotations

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.identity.evaluation.evaluation import evaluate, pair_scores

LABELLED = st.lists(st.tuples(st.integers(0, 4), st.one_of(st.none(), st.integers(0, 4))), max_size=30)


@given(LABELLED)
def test_pairs_and_b_cubed_are_what_counting_by_hand_gives(rows) -> None:
    scores = evaluate([label for label, _ in rows], [person for _, person in rows])
    known = [row for row in rows if row[1] is not None]
    pairs = list(combinations(known, 2))
    assert scores.records == len(known)
    assert scores.pairs.found == sum(a[0] == b[0] for a, b in pairs)
    assert scores.pairs.true == sum(a[1] == b[1] for a, b in pairs)
    assert scores.pairs.right == sum(a == b for a, b in pairs)
    if known:
        precision = sum(known.count(row) / sum(r[0] == row[0] for r in known) for row in known) / len(known)
        recall = sum(known.count(row) / sum(r[1] == row[1] for r in known) for row in known) / len(known)
        assert scores.b_cubed.precision == pytest.approx(precision)
        assert scores.b_cubed.recall == pytest.approx(recall)


def test_the_largest_cluster_counts_records_without_truth_too() -> None:
    assert evaluate(["a", "a", "a", "b"], [None, None, "x", "y"]).largest == 3


def test_records_without_truth_do_not_count() -> None:
    scores = pair_scores(["a", "a", "a"], [None, "x", "x"])
    assert (scores.found, scores.true, scores.right) == (1, 1, 1)
    assert scores.f1 == 1.0


def test_nothing_found_is_precise_and_recalls_nothing() -> None:
    scores = evaluate([1, 2], ["x", "x"]).pairs
    assert (scores.precision, scores.recall, scores.f1) == (1.0, 0.0, 0.0)


def test_labels_and_truth_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="2 labels and 1 records"):
        evaluate([1, 2], ["x"])
