"""Whether two sides of a graph hang together: the linkage rule, in whole numbers so that order can never matter."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNIT = 1024
"""Weights are whole multiples of 1/1024 bit."""

_MOST_PAIRS = 1 << 30
"""Below this many pairs the products fit into 64 bits."""


def units(bits: float) -> int:
    """Bits as whole multiples of 1/1024 bit."""
    return round(bits * UNIT)


@dataclass(frozen=True)
class Linkage:
    """The rule `share * strongest + (1 - share) * mean >= threshold` over all pairs between two sides.

    The mean counts a pair without an edge as `missing`: one strong pair joins two single records, two
    established groups need more than one weak bridge.

    Attributes:
        threshold: The least that the mix must reach, in 1/1024 bit.
        missing: The weight of a pair with no edge, in 1/1024 bit; not above 0.
        share: The part of the strongest edge in the mix, in 1/1024.
    """

    threshold: int
    missing: int
    share: int

    @classmethod
    def from_bits(cls, threshold: float, missing: float, share: float) -> Linkage:
        """The rule from settings in bits, rounded to 1/1024."""
        return cls(units(threshold), units(missing), units(share))

    def holds(self, strongest: int, total: int, edges: int, pairs: int) -> bool:
        """Whether two sides hang together.

        Args:
            strongest: The greatest weight between the sides.
            total: The sum of the weights between the sides.
            edges: How many edges lie between the sides.
            pairs: How many pairs of records there are across.
        """
        mean = total + self.missing * (pairs - edges)
        return self.share * strongest * pairs + (UNIT - self.share) * mean >= UNIT * self.threshold * pairs

    def holds_for(
        self,
        strongest: NDArray[np.int64],
        total: NDArray[np.int64],
        edges: NDArray[np.int64],
        pairs: NDArray[np.int64],
    ) -> NDArray[np.bool_]:
        """The rule for many pairs of sides at once, just as exact."""
        if len(pairs) and int(pairs.max()) > _MOST_PAIRS:
            each = zip(strongest.tolist(), total.tolist(), edges.tolist(), pairs.tolist(), strict=True)
            return np.array([self.holds(*sides) for sides in each], dtype=np.bool_)
        mean = total + self.missing * (pairs - edges)
        result: NDArray[np.bool_] = (
            self.share * strongest * pairs + (UNIT - self.share) * mean >= UNIT * self.threshold * pairs
        )
        return result
