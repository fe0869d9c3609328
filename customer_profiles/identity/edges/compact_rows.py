"""Index rows as they stay in memory: 40 % of what a table takes, for what they say over and over stands once."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from customer_profiles.identity.edges.index_parts import Numbers, Rows

_WORDS, _PRICED = "name_words", "name_tokens"
_LIVE = {"live_emails": "emails", "live_phones": "phones"}
"""Lists of values that are no hubs, and the lists of all values, which mostly are the same."""
_OFTEN = 4
"""A value is a number where there are so many times more rows than different values."""
_MOST_CODES = np.iinfo(np.uint16).max + 1


class CompactRows:
    """What the contents of a part say.

    A value that many rows have is a number, and so is each word of a name: what the model says of it (bits, aliases) stands
    once a part, for it says the same of a word wherever that stands. A list of live values stands only where it is not the
    list of all values.
    """

    def __init__(self, rows: Rows) -> None:
        """Fold them."""
        table = rows.table
        self.numbers: Numbers = rows.numbers
        self.takes_back: bool = rows.takes_back
        self._schema: pa.Schema = table.schema
        there = {*self._schema.names}
        self._words = _Words.of(table[_PRICED], table[_WORDS]) if {_PRICED, _WORDS} <= there else None
        self._live = {
            live: _Live.of(table[live], table[own]) for live, own in _LIVE.items() if {live, own} <= there
        }
        folded = {*self._live, *(() if self._words is None else (_WORDS, _PRICED))}
        plain = table.drop_columns(sorted(folded))
        self._often = [_Often.of(plain, kind) for kind in (pa.string(), pa.float64())]
        self._plain: pa.Table = plain.drop_columns([name for often in self._often for name in often.names])

    @property
    def gone(self) -> NDArray[np.bool_]:
        """Which contents are no more."""
        gone: NDArray[np.bool_] = self._plain["gone"].to_numpy()
        return gone

    def take(self, places: Numbers, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows in these places as they were written.

        Args:
            places: Where, from 0.
            columns: What is asked for; None for everything.
        """
        names = self._schema.names if columns is None else columns
        own = {_LIVE[live] for live in self._live if live in names}
        wanted = [name for name in self._plain.schema.names if name in names or name in own]
        found = dict(zip(wanted, self._plain.select(wanted).take(pa.array(places)).columns, strict=True))
        for often in self._often:
            found |= often.taken(places, names)
        if self._words is not None:
            found |= self._words.taken(places, {_WORDS, _PRICED}.intersection(names))
        for live, lists in self._live.items():
            if live in names:
                found[live] = lists.taken(found[_LIVE[live]].combine_chunks(), places)
        return pa.table([found[name] for name in names], names=list(names))

    def rows(self) -> Rows:
        """All of them."""
        return Rows(self.take(np.arange(len(self.numbers))))


@dataclass(frozen=True)
class _Often:
    """Columns of one type with few different values.

    Attributes:
        names: The columns.
        codes: For each of them (along the first axis) the number of each row's value.
        values: By number.
    """

    names: tuple[str, ...]
    codes: NDArray[np.uint16]
    values: pa.Array

    @classmethod
    def of(cls, table: pa.Table, kind: pa.DataType) -> _Often:
        names, codes, values = [], [], [pa.array([], kind)]
        known = 0
        for field in table.schema:
            if field.type != kind:
                continue
            coded = table[field.name].combine_chunks().dictionary_encode(null_encoding="encode")
            different = len(coded.dictionary)
            if different * _OFTEN <= table.num_rows and known + different <= _MOST_CODES:
                names.append(field.name)
                codes.append(coded.indices.to_numpy() + known)
                values.append(coded.dictionary)
                known += different
        together = np.array(codes, dtype=np.uint16).reshape(len(names), table.num_rows)
        return cls(tuple(names), together, pa.concat_arrays(values))

    def taken(self, places: Numbers, wanted: Collection[str]) -> dict[str, pa.Array]:
        which = [at for at, name in enumerate(self.names) if name in wanted]
        values = self.values.take(
            pa.array(self.codes[np.ix_(np.array(which, dtype=np.int64), places)].ravel())
        )
        size = len(places)
        return {self.names[at]: values.slice(turn * size, size) for turn, at in enumerate(which)}


@dataclass(frozen=True)
class _Words:
    """The words of names as numbers.

    Attributes:
        start: For each name where its numbers begin.
        size: How many it has.
        missing: Whether there is no name at all.
        codes: The numbers of all names, one after the other.
        columns: By column its type, and by number what it says of a word.
    """

    start: NDArray[np.int32]
    size: NDArray[np.int32]
    missing: NDArray[np.bool_]
    codes: NDArray[np.int32]
    columns: dict[str, tuple[pa.DataType, pa.Array]]

    @classmethod
    def of(cls, priced: pa.ChunkedArray, words: pa.ChunkedArray) -> _Words:
        names = priced.combine_chunks()
        size, tokens = _lengths(names), names.flatten()
        coded = tokens.field("token").dictionary_encode()
        codes = coded.indices.to_numpy()
        _, first = np.unique(codes, return_index=True)
        return cls(
            (np.cumsum(size) - size).astype(np.int32),
            size,
            names.is_null().to_numpy(zero_copy_only=False),
            codes,
            {
                _PRICED: (priced.type, tokens.take(pa.array(first))),
                _WORDS: (words.type, coded.dictionary),
            },
        )

    def taken(self, places: Numbers, wanted: Collection[str]) -> dict[str, pa.ListArray]:
        if not wanted:
            return {}
        size = self.size[places]
        offsets = _offsets(size)
        within = np.arange(offsets[-1]) + np.repeat(self.start[places] - offsets[:-1], size)
        codes, missing = pa.array(self.codes[within]), pa.array(self.missing[places])
        lists = {}
        for name in wanted:
            kind, values = self.columns[name]
            lists[name] = pa.ListArray.from_arrays(offsets, values.take(codes), type=kind, mask=missing)
        return lists


@dataclass(frozen=True)
class _Live:
    """Lists that mostly are those of another column, but never null.

    Attributes:
        kind: The type of the column.
        places: Where they differ, rising.
        lists: What they are there.
    """

    kind: pa.DataType
    places: Numbers
    lists: pa.ListArray

    @classmethod
    def of(cls, live: pa.ChunkedArray, own: pa.ChunkedArray) -> _Live:
        live_lists, own_lists = live.combine_chunks(), own.combine_chunks()
        size = _lengths(own_lists)
        same = size == _lengths(live_lists)
        compared = np.flatnonzero(same)
        one, other = (lists.take(pa.array(compared)).flatten() for lists in (own_lists, live_lists))
        differs = pc.not_equal(one, other).to_numpy(zero_copy_only=False)
        same[np.repeat(compared, size[compared])[differs]] = False
        places = np.flatnonzero(~same)
        return cls(live.type, places, live_lists.take(pa.array(places)))

    def taken(self, own: pa.ListArray, places: Numbers) -> pa.ListArray:
        at = np.searchsorted(self.places, places)
        differs = np.flatnonzero(np.append(self.places, -1)[at] == places)
        if len(differs):
            order = np.arange(len(own))
            order[differs] = len(own) + np.arange(len(differs))
            others = self.lists.take(pa.array(at[differs])).cast(own.type)
            own = pa.concat_arrays([own, others]).take(pa.array(order))
        # Just taken, so that it begins at 0 and where no list is there nothing stands.
        return pa.ListArray.from_arrays(own.offsets, own.values, type=self.kind)


def _lengths(lists: pa.ListArray) -> NDArray[np.int32]:
    lengths: NDArray[np.int32] = lists.value_lengths().fill_null(0).to_numpy(zero_copy_only=False)
    return lengths


def _offsets(size: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.concatenate([np.zeros(1, dtype=np.int32), np.cumsum(size, dtype=np.int32)])
