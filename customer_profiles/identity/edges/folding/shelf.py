"""Parts of the contents of an index that were read together and are kept folded together."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from customer_profiles.identity.edges.folding.compact_rows import CompactRows, unfolded
from customer_profiles.identity.edges.index_parts import Numbers, Rows

SHELF_ROWS = 131_072
"""The larger a shelf, the less often stands what many rows say, and the fewer shelves a batch looks into."""


@dataclass(frozen=True)
class Shelved:
    """A part on a shelf.

    Attributes:
        shelf: Its rows, with those of others.
        start: Where on it the rows of the part begin.
        size: How many they are.
    """

    shelf: CompactRows
    start: int
    size: int

    @property
    def numbers(self) -> Numbers:
        """What it is sorted by."""
        return self.shelf.numbers[self.start : self.start + self.size]

    @property
    def gone(self) -> NDArray[np.bool_]:
        """Which contents are no more."""
        return self.shelf.gone[self.start : self.start + self.size]

    @cached_property
    def takes_back(self) -> bool:
        """Whether any content is no more."""
        return bool(self.gone.any())

    def rows(self) -> Rows:
        """All of them."""
        return Rows(unfolded([(self.shelf, self.start + np.arange(self.size))]))


def shelved(parts: Sequence[Rows]) -> list[Shelved]:
    """These parts on one shelf."""
    shelf = CompactRows(pa.concat_tables([part.table for part in parts]))
    starts = np.cumsum([0, *(len(part.numbers) for part in parts)])
    return [Shelved(shelf, int(start), int(end - start)) for start, end in pairwise(starts)]


def taken(
    found: Iterable[tuple[Rows | Shelved, Numbers]], columns: Sequence[str] | None = None
) -> list[pa.Table]:
    """Rows of parts, as they were written.

    Args:
        found: Parts, and the places of those of their rows that are asked for.
        columns: What is asked for; None for everything.
    """
    plain: list[pa.Table] = []
    by_shelf: dict[int, tuple[CompactRows, list[Numbers]]] = {}
    for part, places in found:
        if isinstance(part, Rows):
            plain.append(part.take(places, columns))
        else:
            by_shelf.setdefault(id(part.shelf), (part.shelf, []))[1].append(part.start + places)
    pieces = [(shelf, np.concatenate(places)) for shelf, places in by_shelf.values()]
    return [*plain, unfolded(pieces, columns)] if pieces else plain


def half_empty(parts: Collection[Shelved]) -> set[int]:
    """The shelves, by `id`, of whose rows fewer than half are those of a part that is still there."""
    rows = {id(part.shelf): len(part.shelf.numbers) for part in parts}
    there = dict.fromkeys(rows, 0)
    for part in parts:
        there[id(part.shelf)] += part.size
    return {shelf for shelf, size in there.items() if 2 * size < rows[shelf]}
