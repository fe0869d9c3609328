"""Index entries as they stay in memory: a key stands once, however many contents hold it, and a content as its place in a list."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from customer_profiles.identity.edges.folding.lists import Stretches
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
            book: Contents, rising, that stays in memory: what is in it is kept as its place there. Those of all contents save
                most, and none, most time.
        """
        last = np.append(np.flatnonzero(np.diff(entries.keys)), len(entries.keys) - 1)
        self._keys: Numbers = entries.keys[last]
        self._held = Stretches.of(np.diff(last, prepend=-1))
        self._book = book
        self._places, self._others = _placed(entries.contents, book)
        self.taken_back = entries.taken_back

    def spans(self, keys: Numbers) -> tuple[Numbers, Numbers]:
        """For each key where its entries begin and where they end."""
        at = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        there = np.flatnonzero(self._keys[at] == keys)
        low, high = np.zeros((2, len(keys)), dtype=np.int64)
        low[there], size = self._held.at(at[there])
        high[there] = low[there] + size
        return low, high

    def contents_at(self, places: Numbers) -> Numbers:
        """What the entries in these places name, as of `Entries`."""
        if not len(self._places):
            return self._others[places].astype(np.int64)
        at = self._places[places]
        known = at < len(self._book)
        found = self._book[np.where(known, at, 0)]
        found[~known] = self._others[at[~known] - len(self._book)]
        return found

    @property
    def numbers(self) -> Numbers:
        """What they are sorted by."""
        return np.repeat(self._keys, self._held.sizes.ravel()[: len(self._keys)])

    def entries(self) -> Entries:
        """All of them."""
        keys = self.numbers
        return Entries(keys, self.contents_at(np.arange(len(keys))))


def _placed(contents: Numbers, book: Numbers) -> tuple[NDArray[np.uint32], NDArray[np.signedinteger]]:
    """The place of each content in the book, behind its end for those that are not in it; and those, in the order of their places.

    No places where none is in it, as with the records that have a content.
    """
    if not len(book):
        return np.zeros(0, dtype=np.uint32), contents.copy()
    # In their order what is looked up one after the other is near each other, in the book and in memory.
    order = np.argsort(contents)
    rising = contents[order]
    at = np.minimum(np.searchsorted(book, rising), len(book) - 1)
    others = np.flatnonzero(book[at] != rising)
    if len(others) == len(contents):
        return np.zeros(0, dtype=np.uint32), contents.astype(_narrowest(rising))
    at[others] = len(book) + np.arange(len(others))
    places = np.empty(len(contents), dtype=np.uint32)
    places[order] = at
    return places, rising[others]


def _narrowest(rising: Numbers) -> type[np.signedinteger]:
    """The type that takes least, of those that hold these numbers and their negatives."""
    most = np.iinfo(np.int32).max
    return np.int32 if -most <= rising[0] and rising[-1] <= most else np.int64
