"""Counts different values in bounded memory: exactly while they are few, then by the k smallest hashes.

Bar-Yossef and others, Counting distinct elements in a data stream (2002): if the k-th smallest of uniform hashes stands at
the share s of their range, there are about (k - 1) / s different ones; the error is near 1 / sqrt(k).
"""

from typing import Any

import numpy as np
import numpy.typing as npt
from pandas.util import hash_array

KEPT = 4096
_RANGE = 2.0**64


class Distinct:
    """The different values of one column."""

    def __init__(self) -> None:
        self._smallest: npt.NDArray[np.uint64] = np.empty(0, dtype=np.uint64)
        self._full = False

    def add(self, texts: npt.NDArray[Any]) -> None:
        """Take in values, as an array of texts."""
        merged = np.union1d(self._smallest, hash_array(texts, categorize=False))
        self._full = self._full or len(merged) > KEPT
        self._smallest = merged[:KEPT]

    @property
    def count(self) -> int:
        """How many different values there are; exact up to 4,096."""
        if not self._full:
            return len(self._smallest)
        return round((KEPT - 1) / (float(self._smallest[-1]) / _RANGE))
