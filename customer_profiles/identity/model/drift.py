"""How far two models, or two distributions, are apart. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from customer_profiles.identity.model.bundle import ModelBundle

STABLE, SHIFTED = 0.1, 0.25
"""Population stability: below the first nothing moved to speak of, above the second it surely did (Siddiqi 2006)."""
_LEAST_SHARE = 1e-4


@dataclass(frozen=True)
class LevelShift:
    """One level of a comparison in two models.

    Attributes:
        comparison: Name of the comparison.
        level: Its level.
        weight: Match weight in the model looked at, in bits.
        weight_before: The same in the other model.
        m_shift: How much likelier the level became among matches, in bits.
        u_shift: How much likelier it became among strangers, in bits.
    """

    comparison: str
    level: str
    weight: float
    weight_before: float
    m_shift: float
    u_shift: float

    @property
    def shift(self) -> float:
        """By how many bits the match weight changed."""
        return self.weight - self.weight_before


@dataclass(frozen=True)
class Level:
    """One level of a comparison: its chance among matches (m) and among strangers (u), and what it weighs in bits."""

    comparison: str
    level: str
    m: float
    u: float

    @property
    def weight(self) -> float:
        """The match weight in bits."""
        return math.log2(self.m / self.u)


def levels_of(bundle: ModelBundle) -> list[Level]:
    """Every level of a model that says anything, comparison by comparison."""
    return [
        Level(
            comparison["output_column_name"],
            level["label_for_charts"],
            level["m_probability"],
            level["u_probability"],
        )
        for comparison in bundle.model["comparisons"]
        for level in comparison["comparison_levels"]
        if not level.get("is_null_level")
    ]


def level_shifts(bundle: ModelBundle, before: ModelBundle) -> list[LevelShift]:
    """The levels that both models know, the one whose weight changed most first."""
    known = {(one.comparison, one.level): one for one in levels_of(before)}
    shifts = []
    for one in levels_of(bundle):
        other = known.get((one.comparison, one.level))
        if other is not None:
            m_shift, u_shift = math.log2(one.m / other.m), math.log2(one.u / other.u)
            shifts.append(LevelShift(one.comparison, one.level, one.weight, other.weight, m_shift, u_shift))
    return sorted(shifts, key=lambda shift: (-abs(shift.shift), shift.comparison, shift.level))


def population_stability(expected: Sequence[float], found: Sequence[float]) -> float:
    """The population stability index of two distributions over the same bins; 0 when they are alike.

    Args:
        expected: Counts a bin.
        found: Counts a bin, as many bins.
    """
    index = 0.0
    for one, other in zip(_shares(expected), _shares(found), strict=True):
        index += (other - one) * math.log(other / one)
    return index


def stability_in_words(index: float) -> str:
    """What an index says."""
    if index < STABLE:
        return "stable"
    return "moved somewhat" if index < SHIFTED else "moved: look at the shifts before promoting"


def _shares(counts: Sequence[float]) -> list[float]:
    total = sum(counts)
    shares = [max(count / total, _LEAST_SHARE) if total else 1.0 / len(counts) for count in counts]
    return [share / sum(shares) for share in shares]
