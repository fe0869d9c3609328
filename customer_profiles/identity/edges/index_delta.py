"""What a batch does to the index, in columns of numbers: values held, entries added and taken back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from customer_profiles.identity.edges.index import KeyCounts

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
NONE = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Held:
    """Identifier values of contents, in columns: of which content, of which kind, its key, whether it is generic."""

    contents: Numbers
    kinds: NDArray[np.int32]
    keys: Numbers
    generic: Flags

    def of(self, contents: Numbers) -> Held:
        """Those of some contents (rising)."""
        which = np.isin(self.contents, contents)
        return Held(self.contents[which], self.kinds[which], self.keys[which], self.generic[which])


@dataclass(frozen=True)
class Delta:
    """Entries that a batch adds to the index and takes back from it; entry by entry key and content."""

    keys: Numbers = field(default_factory=lambda: NONE)
    contents: Numbers = field(default_factory=lambda: NONE)
    gone_keys: Numbers = field(default_factory=lambda: NONE)
    gone_contents: Numbers = field(default_factory=lambda: NONE)

    def by_key(self, keys: Numbers) -> Numbers:
        """For each key (rising) by how much its holders grow."""
        grown = np.zeros(len(keys), dtype=np.int64)
        everyone = np.ones(len(keys), dtype=np.bool_)
        for changed, contents, step in (
            (self.keys, self.contents, 1),
            (self.gone_keys, self.gone_contents, -1),
        ):
            places, _ = _placed(keys, everyone, changed, contents)
            np.add.at(grown, places, step)
        return grown

    def holders(self, counts: KeyCounts, wanted: Flags) -> tuple[Numbers, Numbers]:
        """As `KeyCounts.holders`, after the batch; sorted by place, then content."""
        place, content = counts.holders(wanted)
        added, back = (
            _placed(counts.keys, wanted, keys, contents)
            for keys, contents in ((self.keys, self.contents), (self.gone_keys, self.gone_contents))
        )
        place, content = np.concatenate([place, added[0]]), np.concatenate([content, added[1]])
        order = np.lexsort((content, place))
        place, content = place[order], content[order]
        if len(back[0]):
            gone = set(zip(back[0].tolist(), back[1].tolist(), strict=True))
            kept = np.array(
                [pair not in gone for pair in zip(place.tolist(), content.tolist(), strict=True)],
                dtype=np.bool_,
            )
            place, content = place[kept], content[kept]
        return place, content


NO_DELTA = Delta()


def joined(each: Sequence[Held]) -> Held:
    """The values of all of these."""
    return Held(
        np.concatenate([one.contents for one in each]),
        np.concatenate([one.kinds for one in each]),
        np.concatenate([one.keys for one in each]),
        np.concatenate([one.generic for one in each]),
    )


def columns(pairs: Iterable[tuple[int, int]]) -> tuple[Numbers, Numbers]:
    """Pairs as two columns, sorted."""
    found = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    return found[:, 0].copy(), found[:, 1].copy()


def _placed(keys: Numbers, wanted: Flags, of: Numbers, contents: Numbers) -> tuple[Numbers, Numbers]:
    """Entries at wanted keys: place of the key, content."""
    if not len(keys) or not len(of):
        return NONE, NONE
    places = np.minimum(np.searchsorted(keys, of), len(keys) - 1)
    there = (keys[places] == of) & wanted[places]
    return places[there], contents[there]
