"""Training keeps the blocking rules that are worth their candidates, and no others."""

import numpy as np

from customer_profiles.identity.model.rule_choice import CANDIDATES_A_MATCH, worthwhile

IDENTIFIER, NAME, CITY, POSTCODE = 1, 2, 4, 8


def kept(found: dict[int, tuple[float, float]], free: float = 0.0) -> set[int]:
    """Places of the rules kept; by bits (one kind of identifier, then three rules) pairs and expected matches."""
    support = np.array(list(found), dtype=np.int64)
    pairs, matches = (np.array([one[i] for one in found.values()]) for i in (0, 1))
    return worthwhile(support, pairs, matches, kinds=1, rules=3, free=free)


def test_a_rule_that_finds_matches_of_its_own_stays() -> None:
    assert kept({NAME: (100, 50), CITY: (CANDIDATES_A_MATCH, 1.5)}) == {0, 1}


def test_a_rule_that_brings_crowds_of_strangers_together_goes() -> None:
    assert kept({NAME: (100, 50), CITY: (1_000_000, 5)}) == {0}


def test_a_rule_whose_matches_a_better_rule_finds_too_goes() -> None:
    assert kept({NAME | CITY: (100, 90), NAME: (10, 1), CITY: (100_000, 0)}) == {0}


def test_a_rule_whose_matches_shared_identifiers_find_too_goes() -> None:
    assert kept({IDENTIFIER | CITY: (100, 100), CITY: (100_000, 1)}) == set()


def test_on_few_candidates_every_rule_stays_whatever_it_finds() -> None:
    assert kept({NAME: (100, 50), CITY: (1_000, 0.0), POSTCODE: (1_000, 0.0)}, free=3_000) == {0, 1, 2}


def test_the_better_rule_is_paid_for_first_when_candidates_run_out() -> None:
    assert kept({CITY: (1_000, 0.001), POSTCODE: (1_000, 0.002)}, free=1_500) == {2}
