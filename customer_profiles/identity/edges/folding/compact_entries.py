"""Index entries as they stay in memory: a key stands once, however many contents hold it, and a content as its place in a list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from customer_profiles.identity.edges.index_parts import Entries, Numbers

NO_BOOK: Numbers = np.zeros(0, dtype=np.int64)


class CompactEntries:
    """Keys and who holds them, sorted as in `Entries`.

    Attributes:
        taken_back: As of `Entries`.
    """

    def __init__(self, entries: Entries, book: Numbers) -> None:
        """Fold them.

        Args:
            entries: What is folded.
            book: Contents, rising, that stays in memory: of one that is in it only the place there is kept. Those of all contents
                save most, and none, most time.
        """
        last = np.append(np.flatnonzero(np.diff(entries.keys)), len(entries.keys) - 1)
        self._keys: Numbers = entries.keys[last]
        self._starts: NDArray[np.int32] = np.concatenate([[0], last + 1]).astype(np.int32)
        self._book = book
        self._places, self._others = _placed(entries.contents, book)
        self.taken_back = entries.taken_back

    def spans(self, keys: Numbers) -> tuple[Numbers, Numbers]:
        """For each key where its entries begin and where they end."""
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        low = self._starts[at].astype(np.int64)
        return low, np.where(self._keys[at] == keys, self._starts[at + 1], low)

    def contents_at(self, places: Numbers) -> Numbers:
        """What the entries in these places name, as of `Entries`."""
        if not len(self._book):
            return self._others[places]
        at = self._places[places]
        known = at < len(self._book)
        found = self._book[np.where(known, at, 0)]
        found[~known] = self._others[at[~known] - len(self._book)]
        return found

    @property
    def numbers(self) -> Numbers:
        """What they are sorted by."""
        return np.repeat(self._keys, np.diff(self._starts))

    def entries(self) -> Entries:
        """All of them."""
        return Entries(self.numbers, self.contents_at(np.arange(self._starts[-1])))


def _placed(contents: Numbers, book: Numbers) -> tuple[NDArray[np.uint32], Numbers]:
    """The place of each content in the book, behind its end for those that are not in it; and those, in the order of their places."""
    if not len(book):
        return np.zeros(0, dtype=np.uint32), contents.copy()
    order = np.argsort(
        contents
    )  # looked up one after the other they are near each other, in the book and in memory
    rising = contents[order]
    at = np.minimum(np.searchsorted(book, rising), len(book) - 1)
    others = np.flatnonzero(book[at] != rising)
    at[others] = len(book) + np.arange(len(others))
    places = np.empty(len(contents), dtype=np.uint32)
    places[order] = at
    return places, rising[others]
