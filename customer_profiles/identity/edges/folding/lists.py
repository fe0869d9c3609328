"""Lists of rows as offsets into the values of all of them, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from customer_profiles.identity.edges.index_parts import Numbers

_BLOCK = 16
"""So many rows share a place to count from: where each begins need not be kept."""


@dataclass(frozen=True)
class Stretches:
    """Stretches that follow one another: where each begins and ends.

    Attributes:
        sizes: How long each is, in rows of a block; those that fill up the last one are empty.
        starts: For each block where its first one begins.
    """

    sizes: NDArray[np.unsignedinteger]
    starts: NDArray[np.int32]

    @classmethod
    def of(cls, size: NDArray[np.integer]) -> Stretches:
        """Stretches of these sizes."""
        blocks = np.zeros((-(-len(size) // _BLOCK), _BLOCK), dtype=np.min_scalar_type(size.max(initial=0)))
        blocks.ravel()[: len(size)] = size
        return cls(blocks, offsets_of(blocks.sum(axis=1, dtype=np.int32))[:-1])

    def taken(self, places: Numbers) -> tuple[NDArray[np.int32], Numbers]:
        """These, one behind the other: where each begins and the last one ends, and where what they hold is among all."""
        start, size = self.at(places)
        offsets = offsets_of(size)
        return offsets, np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], size)

    def at(self, places: Numbers) -> tuple[NDArray[np.int32], NDArray[np.unsignedinteger]]:
        """Where these begin, and how long they are."""
        block, within = np.divmod(places, _BLOCK)
        ends = np.cumsum(self.sizes[block], axis=1, dtype=np.int32)
        size = self.sizes[block, within]
        return self.starts[block] + ends[np.arange(len(places)), within] - size, size

    @property
    def offsets(self) -> NDArray[np.int32]:
        """For each where it begins, and where the last one ends."""
        return offsets_of(self.sizes.ravel())


@dataclass(frozen=True)
class Lists:
    """Where the list of each row is.

    Attributes:
        stretches: Of the values, for each row.
        missing: Which rows have no list at all; None when each has one.
    """

    stretches: Stretches
    missing: NDArray[np.bool_] | None

    @classmethod
    def of(cls, column: pa.ListArray) -> Lists:
        """Those of a column, into its `flatten`."""
        missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
        return cls(Stretches.of(lengths(column)), missing)

    def taken(self, places: Numbers) -> Taken:
        """Those of the rows in these places."""
        return Taken(*self.stretches.taken(places), None if self.missing is None else self.missing[places])


@dataclass(frozen=True)
class Taken:
    """The lists of some rows.

    Attributes:
        offsets: As of `Lists`, into the values taken.
        within: Where the values taken are among those of all rows.
        missing: Which rows have no list; None when each has one.
    """

    offsets: NDArray[np.int32]
    within: Numbers
    missing: NDArray[np.bool_] | None

    def column(self, values: pa.Array, kind: pa.DataType) -> pa.ListArray:
        """A column of these lists.

        Args:
            values: What was taken, in its order.
            kind: The type of the column.
        """
        mask = None if self.missing is None else pa.array(self.missing)
        return pa.ListArray.from_arrays(self.offsets, values, type=kind, mask=mask)


def lengths(lists: pa.ListArray) -> NDArray[np.int32]:
    """How many values each list has; one that is missing has none."""
    found: NDArray[np.int32] = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return found


def offsets_of(size: NDArray[np.integer]) -> NDArray[np.int32]:
    """Where lists of these sizes begin and the last one ends."""
    return np.concatenate([np.zeros(1, dtype=np.int32), np.cumsum(size, dtype=np.int32)])


def first_places(codes: NDArray[np.integer]) -> Numbers:
    """Where each number stands first, of numbers given in the order of first appearance, as `dictionary_encode` does."""
    most = np.maximum.accumulate(codes)
    return np.flatnonzero(np.diff(most, prepend=-1))


def alike(one: pa.Array, other: pa.Array) -> NDArray[np.bool_]:
    """Row by row whether two columns, both of texts or both of lists of texts, say the same."""
    if not pa.types.is_list(one.type):
        equal = pc.equal(one, other).fill_null(False).to_numpy(zero_copy_only=False)
        return np.asarray(equal | (_missing(one) & _missing(other)))
    size = lengths(one)
    same: NDArray[np.bool_] = (size == lengths(other)) & (_missing(one) == _missing(other))
    compared = np.flatnonzero(same)
    left, right = (lists.take(pa.array(compared)).flatten() for lists in (one, other))
    differs = ~alike(left, right)
    same[np.repeat(compared, size[compared])[differs]] = False
    return same


def _missing(column: pa.Array) -> NDArray[np.bool_]:
    missing: NDArray[np.bool_] = column.is_null().to_numpy(zero_copy_only=False)
    return missing
