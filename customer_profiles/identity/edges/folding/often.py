"""Columns with few different values: a row says the number of one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from customer_profiles.identity.edges.folding.exact import exact
from customer_profiles.identity.edges.index_parts import Numbers

_MANY = 2
"""So many times more rows than different values."""
_MOST = np.iinfo(np.uint16).max + 1


@dataclass(frozen=True)
class Often:
    """Columns of one type.

    Attributes:
        names: The columns.
        codes: For each of them (along the first axis) the number of each row's value.
        values: Those of all columns, one column after the other.
        starts: For each column where its values begin.
    """

    names: tuple[str, ...]
    codes: NDArray[np.uint16]
    values: pa.Array
    starts: NDArray[np.int32]

    @classmethod
    def of(cls, table: pa.Table, kind: pa.DataType) -> Often:
        """The columns of a type, those of them that have few different values."""
        names, codes, values = [], [], [pa.array([], kind)]
        for field in table.schema:
            if field.type != kind:
                continue
            coded = table[field.name].combine_chunks().dictionary_encode(null_encoding="encode")
            different = len(coded.dictionary)
            if different * _MANY <= table.num_rows and different <= _MOST:
                names.append(field.name)
                codes.append(coded.indices.to_numpy().astype(np.uint16))
                values.append(coded.dictionary)
        together = np.array(codes, dtype=np.uint16).reshape(len(names), table.num_rows)
        starts = np.cumsum([len(each) for each in values])[:-1].astype(np.int32)
        return cls(tuple(names), together, exact(pa.concat_arrays(values)), starts)

    def taken(self, places: Numbers, wanted: Collection[str]) -> dict[str, pa.Array]:
        """What the wanted columns say in these places."""
        which = np.array([at for at, name in enumerate(self.names) if name in wanted], dtype=np.int64)
        codes = self.codes[np.ix_(which, places)] + self.starts[which, np.newaxis]
        values, size = self.values.take(pa.array(codes.ravel())), len(places)
        return {self.names[at]: values.slice(turn * size, size) for turn, at in enumerate(which)}
