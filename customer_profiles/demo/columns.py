"""Columns of the demo in memory: numpy arrays with an entry a person, a record or an event."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Indexes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]
Texts = npt.NDArray[np.object_]


def texts(values: Sequence[str | None]) -> Texts:
    """Texts as an array, which can be picked from by number."""
    result = np.empty(len(values), dtype=object)
    result[:] = values
    return result


def only(values: Texts, known: Flags) -> list[str | None]:
    """The texts where they are known and not empty, nothing elsewhere."""
    return [
        value or None if is_known else None for value, is_known in zip(values, known.tolist(), strict=True)
    ]


def flags(rows: int, chosen: Indexes) -> Flags:
    """One flag a row, set for the chosen ones."""
    result = np.zeros(rows, dtype=np.bool_)
    result[chosen] = True
    return result


def every(rows: int) -> Flags:
    """One flag a row, all set."""
    return np.ones(rows, dtype=np.bool_)
