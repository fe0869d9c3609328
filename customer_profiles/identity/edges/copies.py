"""From pairs of contents to pairs of records.

Of many copies of one content only the first few meet other contents; the others meet the first copy. Otherwise a thousand
copies of one person would be half a million edges.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from customer_profiles.identity.edges.index_parts import Numbers

COPIES_IN_FULL = 8


@dataclass(frozen=True)
class Copies:
    """Which records have which content, sorted by content, then record.

    Attributes:
        contents: Contents, rising; each as often as it has copies.
        records: The record of each copy.
    """

    contents: Numbers
    records: Numbers

    @classmethod
    def of(cls, contents: Numbers, records: Numbers) -> Copies:
        """From contents and records in any order, pair by pair."""
        order = np.lexsort((records, contents))
        return cls(contents[order], records[order])

    def pairs(self, left: Numbers, right: Numbers) -> tuple[Numbers, Numbers, Numbers]:
        """The pairs of records of pairs of contents.

        Args:
            left: A content of each pair.
            right: The other one, or the same, for the copies of one content.

        Returns:
            Pair of records by pair of records the place of the pair of contents, the smaller record, the greater record.
        """
        first, copies = self._places(left)
        other_first, other_copies = self._places(right)
        few, other_few = (np.minimum(each, COPIES_IN_FULL) for each in (copies, other_copies))
        place, within = _repeated(few * other_few)
        one, other = within // other_few[place], within % other_few[place]
        wanted = (left != right)[place] | (one < other)
        place, one, other = place[wanted], one[wanted], other[wanted]
        later, beyond = _repeated(np.where(left == right, copies - few, 0))
        place = np.concatenate([place, later])
        one = self.records[np.concatenate([first[place[: len(one)]] + one, first[later]])]
        other = self.records[
            np.concatenate([other_first[place[: len(other)]] + other, first[later] + few[later] + beyond])
        ]
        return place, np.minimum(one, other), np.maximum(one, other)

    def _places(self, contents: Numbers) -> tuple[Numbers, Numbers]:
        """Of each content the place of its first copy, and how many there are."""
        first = np.searchsorted(self.contents, contents, side="left")
        return first, np.searchsorted(self.contents, contents, side="right") - first


def _repeated(sizes: Numbers) -> tuple[Numbers, Numbers]:
    """Each place as often as its size says, and the number of the repetition, from 0."""
    places = np.repeat(np.arange(len(sizes)), sizes)
    return places, np.arange(len(places)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
