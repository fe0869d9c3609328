"""Expectation maximisation over counts of comparison patterns: the mathematics of training, without any
database.

Fellegi and Sunter's model as Splink has it, with the shares among non-matches (u) mostly fixed and the
share of matches on the scale of all pairs of records: pairs that no key brought together count as
non-matches. Without that scale, a file with only names and birth dates collapses into nothing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Patterns = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Estimate:
    """What expectation maximisation found.

    Attributes:
        m: for each comparison, by level (0 is no agreement), how often matches are there.
        u: the same for non-matches: as given, except where it was to be learnt.
        match_share: the probability that two records taken at random are the same person.
        matches: for each comparison, by level, the expected number of matches.
        rounds: how many rounds it took.
    """

    m: tuple[Floats, ...]
    u: tuple[Floats, ...]
    match_share: float
    matches: tuple[Floats, ...]
    rounds: int


def match_probability(
    patterns: Patterns, m: Sequence[Floats], u: Sequence[Floats], match_share: float
) -> Floats:
    """The probability of a match for each pattern of levels (-1 where a value is missing)."""
    log_odds = np.full(len(patterns), np.log(match_share / (1 - match_share)))
    for column, (matching, other) in enumerate(zip(m, u, strict=True)):
        level = patterns[:, column]
        known = level >= 0
        log_odds[known] += np.log(matching[level[known]] / other[level[known]])
    return np.asarray(1 / (1 + np.exp(-log_odds)))


def maximise(
    patterns: Patterns,
    counts: Floats,
    pairs: float,
    u: Sequence[Floats],
    start: Sequence[Floats],
    match_share: float,
    prior_strength: float,
    garbled: float,
    homes: Sequence[Floats] | None = None,
    assumed: Sequence[Floats] | None = None,
    rounds: int = 200,
    tolerance: float = 1e-5,
) -> Estimate:
    """Find m and the share of matches.

    Args:
        patterns: distinct patterns of levels among candidates, one column a comparison, -1 where a value is
            missing.
        counts: how many candidates show each pattern.
        pairs: how many pairs of records there are in all.
        u: for each comparison, by level, how often non-matches are there. Fixed.
        start: m to start from, and what to fall back on where there is no data.
        match_share: the share of matches to start from.
        prior_strength: the weight of `start`, in matches.
        garbled: the share of values, among matches, that are no better than a stranger's: no estimate may
            claim that people never get a field wholly wrong, so no disagreement weighs less than log2 of
            this.
        homes: for each comparison, by level, how many non-matches to expect there before any is seen; above
            0 where u is to be learnt from the candidates (who lives together), 0 where it is fixed.
        assumed: for each comparison, by level, the share among matches that is given; not a number where it is to be
            learnt.
        rounds: give up after so many rounds.
        tolerance: stop when the share of matches changes by less than this share of itself.
    """
    m = [np.array(values, dtype=np.float64) for values in start]
    u = [np.array(values, dtype=np.float64) for values in u]
    matches: list[Floats] = [values * 0 for values in m]
    done = 0
    for done in range(1, rounds + 1):
        expected = counts * match_probability(patterns, m, u, match_share)
        share = min(max(float(expected.sum()) / pairs, 1e-12), 0.5)
        for column, prior in enumerate(start):
            level = patterns[:, column]
            known = level >= 0
            found = np.bincount(level[known], weights=expected[known], minlength=len(prior))
            matches[column] = found.astype(np.float64)
            smoothed = matches[column] + prior_strength * prior
            if homes is not None and homes[column].any():
                others = np.bincount(level[known], weights=(counts - expected)[known], minlength=len(prior))
                learnt = homes[column] > 0
                u[column][learnt] = (others + homes[column])[learnt] / pairs
            learnt_m = (1 - garbled) * smoothed / smoothed.sum() + garbled * u[column]
            m[column] = learnt_m if assumed is None else _with_assumed(learnt_m, assumed[column])
        settled = abs(share - match_share) <= tolerance * match_share
        match_share = share
        if settled:
            break
    return Estimate(tuple(m), tuple(u), match_share, tuple(matches), done)


def _with_assumed(learnt: Floats, assumed: Floats) -> Floats:
    """The assumed shares where there are any, and the learnt ones for the rest."""
    given = ~np.isnan(assumed)
    if not given.any() or given.all():
        return learnt
    rest = (1 - assumed[given].sum()) * learnt / learnt[~given].sum()
    return np.where(given, assumed, rest)


def in_order(m: Floats, u: Floats, matches: Floats, others: Floats, enough: float) -> tuple[Floats, Floats]:
    """Mend levels whose weight is out of order for lack of data: a greater agreement never weighs less than
    a smaller.

    Neighbouring levels out of order are pooled, as isotonic regression does, when one of them was seen in
    fewer than `enough` pairs. Levels that the data truly have in another order stay.

    Args:
        m: by level (0 is no agreement), the share among matches.
        u: the same among non-matches.
        matches: by level, the expected number of matches seen.
        others: by level, the number of non-matches seen.
        enough: so many pairs are no accident.

    Returns:
        m and u, with the same ratio throughout a pool.
    """
    pools: list[list[int]] = []
    for level in range(len(m)):
        pools.append([level])
        while len(pools) > 1 and _ratio(pools[-1], m, u) < _ratio(pools[-2], m, u):
            seen = min(min(matches[pool].sum(), others[pool].sum()) for pool in pools[-2:])
            if seen >= enough:
                break
            pools[-2:] = [pools[-2] + pools[-1]]
    pooled_m, pooled_u = m.copy(), u.copy()
    for pool in pools:
        if len(pool) > 1:
            both = m[pool] + u[pool]
            pooled_m[pool] = m[pool].sum() * both / both.sum()
            pooled_u[pool] = u[pool].sum() * both / both.sum()
    return pooled_m, pooled_u


def _ratio(pool: list[int], m: Floats, u: Floats) -> float:
    return float(m[pool].sum() / u[pool].sum())
