"""Entries that are kept folded give what they were made of."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.identity.edges.folding.compact_entries import CompactEntries
from customer_profiles.identity.edges.index_parts import Entries, Numbers

KEYS = st.integers(-5, 5) | st.sampled_from([-(2**63), 2**63 - 1])
HELD_BY = st.integers(-12, 12) | st.integers(-(2**63), 2**63 - 1)


def rising(numbers: list[int]) -> Numbers:
    return np.unique(np.array(numbers, dtype=np.int64))


@given(st.lists(st.tuples(KEYS, HELD_BY), min_size=1), st.lists(HELD_BY), st.lists(KEYS))
def test_each_key_is_found_with_those_who_hold_it(
    pairs: list[tuple[int, int]], book: list[int], asked: list[int]
) -> None:
    keys, contents = (np.array(side, dtype=np.int64) for side in zip(*sorted(pairs), strict=True))
    plain = Entries(keys, contents)
    folded = CompactEntries(plain, rising(book))
    assert np.array_equal(folded.numbers, keys)
    assert np.array_equal(folded.entries().contents, contents)
    for key, low, high in zip(rising(asked), *folded.spans(rising(asked)), strict=True):
        assert folded.contents_at(np.arange(low, high)).tolist() == contents[keys == key].tolist()


def test_records_that_have_a_content_take_four_bytes_each() -> None:
    contents = np.arange(1, 11) * 2**40
    folded = CompactEntries(Entries(contents, np.arange(10)), contents)
    assert (folded._places.nbytes, folded._others.nbytes) == (0, 40)
