"""Stretches that are kept by their sizes are found as if each said where it begins."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.identity.edges.folding.lists import Stretches

sizes = st.lists(st.integers(0, 3) | st.sampled_from([255, 256, 70_000]), max_size=50)


@given(sizes, st.data())
def test_some_of_them_are_found_whatever_their_sizes(sizes: list[int], data: st.DataObject) -> None:
    stretches = Stretches.of(np.array(sizes, dtype=np.int64))
    some = st.lists(st.integers(0, len(sizes) - 1)) if sizes else st.just([])
    places = np.array(data.draw(some), dtype=np.int64)
    values = np.arange(sum(sizes))
    each = np.split(values, np.cumsum(sizes)[:-1]) if sizes else []
    offsets, within = stretches.taken(places)
    assert offsets.tolist() == np.cumsum([0, *(sizes[place] for place in places)]).tolist()
    assert np.array_equal(values[within], np.concatenate([values[:0], *(each[place] for place in places)]))


def test_small_ones_take_little_more_than_a_byte() -> None:
    stretches = Stretches.of(np.full(16_000, 200))
    assert stretches.sizes.nbytes + stretches.starts.nbytes == 16_000 + 4_000
