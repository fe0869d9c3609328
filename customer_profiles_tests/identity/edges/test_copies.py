"""Which copies of contents meet as records."""

import numpy as np
import pytest

from customer_profiles.identity.edges.copies import COPIES_IN_FULL, Copies


def met(copies: Copies, *pairs: tuple[int, int]) -> set[tuple[int, int, int]]:
    left, right = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    found = [column.tolist() for column in copies.pairs(left, right)]
    assert len(set(zip(*found, strict=True))) == len(found[0])
    return set(zip(*found, strict=True))


def test_every_copy_of_one_content_meets_every_copy_of_another_smaller_record_first() -> None:
    copies = Copies.of(np.array([7, 5, 7]), np.array([1, 2, 9]))
    assert met(copies, (5, 7)) == {(0, 1, 2), (0, 2, 9)}


def test_copies_of_one_content_meet_each_other_once() -> None:
    copies = Copies.of(np.array([5, 5, 5, 7]), np.array([3, 1, 2, 4]))
    assert met(copies, (5, 5), (7, 7)) == {(0, 1, 2), (0, 1, 3), (0, 2, 3)}


@pytest.mark.parametrize("number", [COPIES_IN_FULL, COPIES_IN_FULL + 1, 3 * COPIES_IN_FULL])
def test_of_many_copies_the_first_few_meet_all_and_the_others_the_first(number: int) -> None:
    copies = Copies.of(np.array([*[5] * number, 7]), np.arange(number + 1))
    few = range(COPIES_IN_FULL)
    among = {(0, a, b) for a in few for b in few if a < b} | {
        (0, 0, b) for b in range(COPIES_IN_FULL, number)
    }
    assert met(copies, (5, 5)) == among
    assert met(copies, (5, 7)) == {(0, a, number) for a in few}


def test_no_pairs_of_contents_are_no_pairs_of_records() -> None:
    assert met(Copies.of(np.array([5]), np.array([1]))) == set()
