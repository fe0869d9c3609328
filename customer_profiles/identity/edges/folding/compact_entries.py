"""Index entries as they stay in memory: a key stands once, however many contents hold it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from customer_profiles.identity.edges.index_parts import Entries, Numbers


class CompactEntries:
    """Keys and who holds them, sorted as in `Entries`.

    Attributes:
        contents: As of `Entries`.
        taken_back: As of `Entries`.
    """

    def __init__(self, entries: Entries) -> None:
        """Fold them."""
        last = np.append(np.flatnonzero(np.diff(entries.keys)), len(entries.keys) - 1)
        self._keys: Numbers = entries.keys[last]
        self._starts: NDArray[np.int32] = np.concatenate([[0], last + 1]).astype(np.int32)
        self.contents: Numbers = entries.contents.copy()
        self.taken_back = entries.taken_back

    def spans(self, keys: Numbers) -> tuple[Numbers, Numbers]:
        """For each key where its entries begin and where they end."""
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        low = self._starts[at].astype(np.int64)
        return low, np.where(self._keys[at] == keys, self._starts[at + 1], low)

    @property
    def numbers(self) -> Numbers:
        """What they are sorted by."""
        return np.repeat(self._keys, np.diff(self._starts))

    def entries(self) -> Entries:
        """All of them."""
        return Entries(self.numbers, self.contents)
