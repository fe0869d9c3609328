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
class Lists:
    """Where the list of each row is.

    Attributes:
        sizes: For each row how many values it has, in rows of a block.
        starts: For each block where its values begin.
        missing: Which rows have no list at all; None when each has one.
    """

    sizes: NDArray[np.unsignedinteger]
    starts: NDArray[np.int32]
    missing: NDArray[np.bool_] | None

    @classmethod
    def of(cls, column: pa.ListArray) -> Lists:
        """Those of a column, into its `flatten`."""
        missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
        size = lengths(column)
        blocks = np.zeros((-(-len(size) // _BLOCK), _BLOCK), dtype=np.min_scalar_type(size.max(initial=0)))
        blocks.ravel()[: len(size)] = size
        return cls(blocks, offsets_of(blocks.sum(axis=1, dtype=np.int32))[:-1], missing)

    @property
    def offsets(self) -> NDArray[np.int32]:
        """For each row, and those that fill up the last block, where its values begin; and where the last one's end."""
        return offsets_of(self.sizes.ravel())

    def taken(self, places: Numbers) -> Taken:
        """Those of the rows in these places."""
        block, within_block = np.divmod(places, _BLOCK)
        ends = np.cumsum(self.sizes[block], axis=1, dtype=np.int32)
        turn = np.arange(len(places))
        size = self.sizes[block, within_block]
        start = self.starts[block] + ends[turn, within_block] - size
        offsets = offsets_of(size)
        within = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], size)
        return Taken(offsets, within, None if self.missing is None else self.missing[places])


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
