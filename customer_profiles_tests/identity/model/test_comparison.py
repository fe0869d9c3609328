"""Two ways of sharing out the same records are told apart exactly."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.identity.graph.graph_store import Members
from customer_profiles.identity.model.comparison import Change, Fate, compare_members


def members(customer_of: dict[int, int]) -> Members:
    records = sorted(customer_of)
    return Members(
        np.array(records, dtype=np.int64), np.array([customer_of[one] for one in records], dtype=np.int64)
    )


def test_merges_splits_exchanges_and_those_that_stay_are_told_apart() -> None:
    now = {1: 1, 2: 1, 3: 3, 4: 4, 5: 5, 6: 5, 7: 7, 8: 7, 9: 9, 10: 9}
    then = {1: 1, 2: 1, 3: 3, 4: 3, 5: 5, 6: 6, 7: 7, 8: 8, 9: 8, 10: 10}

    found = compare_members(members(now), members(then))

    assert (found.customers_before, found.customers_after, found.stay) == (6, 7, 1)
    assert (found.merged, found.merged_into) == (2, 1)
    assert (found.split, found.split_into) == (1, 2)
    assert (found.regrouped, found.regrouped_into) == (2, 3)
    assert found.changes == (
        Change(Fate.REGROUP, (7, 9), (7, 8, 10), 4),
        Change(Fate.MERGE, (3, 4), (3,), 2),
        Change(Fate.SPLIT, (5,), (5, 6), 2),
    )
    assert (found.records, found.moved, found.ids_kept) == (10, 5, 4)
    assert (found.largest_before, found.largest_after) == (2, 2)


def test_only_records_that_both_know_are_compared() -> None:
    found = compare_members(members({1: 1, 2: 1, 3: 3}), members({2: 2, 3: 3, 4: 3}))

    assert (found.records, found.stay, found.moved, found.ids_kept) == (2, 2, 1, 1)


def test_nothing_is_compared_with_nothing() -> None:
    found = compare_members(members({}), members({}))

    assert (found.records, found.customers_before, found.customers_after, found.changes) == (0, 0, 0, ())


_SHARED_OUT = st.integers(1, 12).flatmap(
    lambda n: st.tuples(*[st.lists(st.integers(1, 5), min_size=n, max_size=n)] * 2)
)


@given(_SHARED_OUT)
def test_every_customer_has_exactly_one_fate(shared_out: tuple[list[int], list[int]]) -> None:
    now, then = (members(dict(enumerate(labels, start=1))) for labels in shared_out)

    found, back = compare_members(now, then), compare_members(then, now)

    assert found.stay + found.merged + found.split + found.regrouped == found.customers_before
    assert found.stay + found.merged_into + found.split_into + found.regrouped_into == found.customers_after
    assert (back.split, back.split_into) == (found.merged_into, found.merged)
    assert back.stay == found.stay
    groups = [
        {frozenset(np.flatnonzero(one.customers == label).tolist()) for label in one.customers}
        for one in (now, then)
    ]
    assert found.stay == len(groups[0] & groups[1])
