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
_FEW, _MOST = (np.iinfo(kind).max + 1 for kind in (np.uint8, np.uint16))


@dataclass(frozen=True)
class Often:
    """Columns of one type.

    Attributes:
        names: The columns, those with few enough values for a byte first.
        byte_codes: For each of these (along the first axis) the number of each row's value.
        codes: The same for the others.
        values: Those of all columns, one column after the other.
        starts: For each column where its values begin.
    """

    names: tuple[str, ...]
    byte_codes: NDArray[np.uint8]
    codes: NDArray[np.uint16]
    values: pa.Array
    starts: NDArray[np.int32]

    @classmethod
    def of(cls, table: pa.Table, kind: pa.DataType) -> Often:
        """The columns of a type, those of them that have few different values."""
        found: list[tuple[str, pa.DictionaryArray]] = []
        for field in table.schema:
            if field.type == kind:
                coded = table[field.name].combine_chunks().dictionary_encode(null_encoding="encode")
                different = len(coded.dictionary)
                if different * _MANY <= table.num_rows and different <= _MOST:
                    found.append((field.name, coded))
        found.sort(key=lambda one: len(one[1].dictionary) > _FEW)
        few = sum(len(coded.dictionary) <= _FEW for _, coded in found)
        codes = [coded.indices.to_numpy() for _, coded in found]
        values = [pa.array([], kind), *(coded.dictionary for _, coded in found)]
        return cls(
            tuple(name for name, _ in found),
            np.array(codes[:few], dtype=np.uint8).reshape(few, table.num_rows),
            np.array(codes[few:], dtype=np.uint16).reshape(len(found) - few, table.num_rows),
            exact(pa.concat_arrays(values)),
            np.cumsum([len(each) for each in values])[:-1].astype(np.int32),
        )

    def taken(self, places: Numbers, wanted: Collection[str]) -> dict[str, pa.Array]:
        """What the wanted columns say in these places."""
        which = np.array([at for at, name in enumerate(self.names) if name in wanted], dtype=np.int64)
        few = len(self.byte_codes)
        small = self.byte_codes[np.ix_(which[which < few], places)]
        large = self.codes[np.ix_(which[which >= few] - few, places)]
        codes = np.concatenate([small, large]) + self.starts[which, np.newaxis]
        values, size = self.values.take(pa.array(codes.ravel())), len(places)
        return {self.names[at]: values.slice(turn * size, size) for turn, at in enumerate(which)}
