"""Different values are counted exactly while they are few, and closely when they are many."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.catalog.distinct import KEPT, Distinct


def counted(*chunks: list[str]) -> int:
    distinct = Distinct()
    for chunk in chunks:
        distinct.add(np.array(chunk, dtype=object))
    return distinct.count


@given(st.lists(st.lists(st.text(max_size=4))))
def test_few_values_are_counted_exactly_however_they_come(chunks: list[list[str]]) -> None:
    assert counted(*chunks) == len({text for chunk in chunks for text in chunk})


def test_as_many_as_are_kept_are_still_exact() -> None:
    assert counted([str(number) for number in range(KEPT)] * 2) == KEPT


@pytest.mark.parametrize("many", [5_000, 200_000])
def test_many_values_are_counted_within_five_in_a_hundred(many: int) -> None:
    values = [f"value {number}" for number in range(many)]

    assert counted(values[: many // 2], values, values[-10:]) == pytest.approx(many, rel=0.05)
