"""Lists of rows as offsets into the values of all of them, one after the other."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from customer_profiles.identity.edges.index_parts import Numbers


@dataclass(frozen=True)
class Lists:
    """Where the list of each row is.

    Attributes:
        offsets: For each row where its values begin, and behind the last one where they end.
        missing: Which rows have no list at all; None when each has one.
    """

    offsets: NDArray[np.int32]
    missing: NDArray[np.bool_] | None

    @classmethod
    def of(cls, column: pa.ListArray) -> Lists:
        """Those of a column, into its `flatten`."""
        missing = column.is_null().to_numpy(zero_copy_only=False) if column.null_count else None
        return cls(offsets_of(lengths(column)), missing)

    def taken(self, places: Numbers) -> Taken:
        """Those of the rows in these places."""
        start = self.offsets[places]
        offsets = offsets_of(self.offsets[places + 1] - start)
        within = np.arange(offsets[-1]) + np.repeat(start - offsets[:-1], np.diff(offsets))
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


def offsets_of(size: NDArray[np.int32]) -> NDArray[np.int32]:
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
