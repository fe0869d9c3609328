"""The index of a graph: which contents hold which key, what a content says, and which records have it; never scanned.

It is kept in *runs*, each sorted, and cut into parts of bounded size that never change once written (a log-structured
merge tree, O'Neil et al. 1996). A batch writes one small run, wherever in the index its keys fall; newer runs are
merged into older ones, a part at a time, so that a look-up asks a handful. A part is read when a look-up first falls
into it and stays in memory; as parts never change, what was read stays true for whoever reads them.

A key here is a blocking key or the fingerprint of an identifier's value (64 bits); a content goes by its digest. Digests
lie anywhere: an index of a database would have a page written for each record of a batch, here they are a run together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.edges.folding.compact_entries import CompactEntries
from customer_profiles.identity.edges.folding.shelf import Shelved, taken
from customer_profiles.identity.edges.index_parts import (
    KINDS,
    Entries,
    Kind,
    Numbers,
    Part,
    PartBody,
    Rows,
    content_of,
)
from customer_profiles.identity.edges.parts_read import PartsRead
from customer_profiles.identity.tables import index_run
from customer_profiles.state.bulk import delete_rows, insert_rows
from customer_profiles.state.sequences import reserve

_MUCH_LARGER = 4
"""A run that is so many times as large as all newer ones together is left alone by merging."""
_SEVERAL = 4
"""So many runs are merged at once: to look into some more costs less than to write what they hold again with every batch."""
_COLUMNS = ("generation", "kind", "run_no", "part_no", "least", "most", "rows", "body")


@dataclass(frozen=True)
class _Place:
    """A stretch of numbers in which a run has a part of its own, or several that share a key.

    Attributes:
        low: Where it begins; None where nothing lies before.
        high: Where the next one begins; None where nothing lies behind.
        parts: Of the run, in their order.
    """

    low: int | None
    high: int | None
    parts: Sequence[Part]

    def touches(self, part: Part) -> bool:
        """Whether a part of another run reaches into it."""
        return (self.high is None or part.least < self.high) and (self.low is None or part.most >= self.low)

    def within(self, numbers: Numbers) -> tuple[int, int]:
        """From where to where sorted numbers lie in it."""
        start = 0 if self.low is None else int(np.searchsorted(numbers, self.low, side="left"))
        end = len(numbers) if self.high is None else int(np.searchsorted(numbers, self.high, side="left"))
        return start, end


class Index:
    """The index of one generation, as of the transaction it is used in. Keep it: what it has read stays true."""

    def __init__(self, generation: int) -> None:
        """Bind it to a generation; nothing is read yet."""
        self.generation = generation
        self.rows_read = 0
        """How many entries and contents look-ups have given: the work of a batch, counted."""
        self._parts = _no_parts()
        self._read = PartsRead(generation)

    def refresh(self, connection: sa.Connection) -> None:
        """See which runs there are now."""
        rows = connection.execute(
            sa.select(*(index_run.c[name] for name in _COLUMNS[1:-1]))
            .where(index_run.c.generation == self.generation)
            .order_by(index_run.c.run_no, index_run.c.least)
        )
        self._parts = _no_parts()
        for kind, *rest in rows:
            self._parts[kind].append(Part(*rest))
        self._read.keep(self._parts)

    def counts(self, connection: sa.Connection, keys: Numbers) -> KeyCounts:
        """How many contents hold each key.

        Args:
            connection: Reading the state store.
            keys: Distinct, rising.
        """
        touched = (part for part in self._parts["key"] if np.subtract(*_between(keys, part)))
        self._read.read_keys(connection, touched, self._parts["content"])
        return self._counts(connection, "key", keys)

    def copies(self, connection: sa.Connection, contents: Numbers) -> tuple[Numbers, Numbers]:
        """Which records have these contents: contents and records, pair by pair, in no promised order.

        Args:
            connection: Reading the state store.
            contents: Distinct, rising.
        """
        counts = self._counts(connection, "copy", contents)
        place, records = counts.holders(np.ones(len(contents), dtype=np.bool_))
        return contents[place], records

    def _counts(self, connection: sa.Connection, kind: Kind, keys: Numbers) -> KeyCounts:
        counts = np.zeros(len(keys), dtype=np.int64)
        found: list[tuple[Entries | CompactEntries, Numbers, Numbers, Numbers]] = []
        for part in self._parts[kind]:
            start, end = _between(keys, part)
            if start == end:
                continue
            entries = self._read.entries(connection, part, kind)
            low, high = entries.spans(keys[start:end])
            there = np.flatnonzero(high > low)
            if not len(there):
                continue
            low, high, places = low[there], high[there], there + start
            held = high - low
            if (gone := entries.taken_back) is not None:
                held = held - 2 * (gone[high] - gone[low])
            counts[places] += held
            found.append((entries, places, low, high))
        return KeyCounts(keys, counts, found, self)

    def contents(
        self, connection: sa.Connection, contents: Numbers, columns: Sequence[str] | None = None
    ) -> pa.Table | None:
        """What these contents say, those that are there, in no promised order.

        Args:
            connection: Reading the state store.
            contents: Distinct, rising.
            columns: What is asked for; None for everything.

        Returns:
            The rows as they were written; None when the index holds no content at all.
        """
        wanted = contents
        hits: list[tuple[Rows | Shelved, Numbers]] = []
        newest_first = sorted(self._parts["content"], key=lambda part: -part.run_no)
        touched = (part for part in newest_first if np.subtract(*_between(contents, part)))
        self._read.read_contents(connection, touched)
        for part in newest_first:
            start, end = _between(wanted, part)
            if start == end:
                continue
            whole = self._read.rows(connection, part)
            places = np.searchsorted(whole.numbers, wanted[start:end])
            hit = whole.numbers[np.minimum(places, part.rows - 1)] == wanted[start:end]
            if hit.any():
                found = places[hit]
                if whole.takes_back:
                    found = found[~whole.gone[found]]
                hits.append((whole, found))
                wanted = np.delete(wanted, np.flatnonzero(hit) + start)
        if not newest_first:
            return None
        if not hits:
            hits = [(self._read.rows(connection, newest_first[0]), np.zeros(0, dtype=np.int64))]
        table = pa.concat_tables(taken(hits, columns)).combine_chunks()
        self.rows_read += table.num_rows
        return table

    def write(self, connection: sa.Connection, kind: Kind, bodies: Iterable[PartBody]) -> None:
        """Write a run.

        Args:
            connection: Writing to the state store.
            kind: Of what.
            bodies: From `key_parts` or `content_parts`; those of copies are from `key_parts` as well.
        """
        self._write_parts(connection, kind, reserve(connection, "index_run"), bodies)

    def merge(self, connection: sa.Connection) -> None:
        """Merge new small runs, so that there are never more than a few; call it where `write` was.

        Runs are merged a part of the oldest of them at a time, and only while the newer ones are too large beside it: so what a
        batch merges follows the batch and the size of a part, not that of the index.
        """
        self.refresh(connection)
        for kind in self._parts:
            while runs := _to_merge(self._parts[kind]):
                self._merge_a_part(connection, kind, runs)
                self.refresh(connection)

    def everything(self, connection: sa.Connection) -> Everything:
        """All there is. It takes memory and time: for comparing, not for work."""
        numbers = [self._read.rows(connection, part).numbers for part in self._parts["content"]]
        return Everything(
            keys=self._all_entries(connection, "key"),
            contents=self.contents(connection, np.unique(np.concatenate(numbers))) if numbers else None,
            copies=self._all_entries(connection, "copy"),
        )

    def clear(self, connection: sa.Connection) -> None:
        """Delete every run."""
        connection.execute(index_run.delete().where(index_run.c.generation == self.generation))
        self._parts = _no_parts()
        self._read.keep(self._parts)

    def _all_entries(self, connection: sa.Connection, kind: Kind) -> Entries:
        of_run: dict[int, list[Entries]] = {}
        for part in self._parts[kind]:
            of_run.setdefault(part.run_no, []).append(self._read.entries(connection, part, kind).entries())
        return Entries.merged([Entries.joined(pieces) for _, pieces in sorted(of_run.items())], oldest=True)

    def _merge_a_part(self, connection: sa.Connection, kind: Kind, runs: Sequence[int]) -> None:
        """Move what newer runs have in one place of the oldest of these into that one: where they have most."""
        old, *newer = ([part for part in self._parts[kind] if part.run_no == run] for run in runs)
        place = self._fullest(connection, kind, _places(old), [part for run in newer for part in run])
        pieces = [[self._whole(connection, kind, part) for part in place.parts]]
        left: list[tuple[int, Entries | Rows]] = []
        moved = list(place.parts)
        for run in newer:
            touched = [part for part in run if place.touches(part)]
            inside = []
            for part in touched:
                whole = self._whole(connection, kind, part)
                start, end = place.within(whole.numbers)
                inside.append(whole.between(start, end))
                rest = whole.between(0, start), whole.between(end, part.rows)
                left += [(part.run_no, one) for one in rest if len(one.numbers)]
            moved += touched
            pieces += [inside] if inside else []
        form = type(pieces[0][0])
        merged = form.merged([form.joined(one) for one in pieces], oldest=self._is_oldest(kind, runs[0]))
        self._delete(connection, kind, moved)
        for run_no, one in ((runs[0], merged), *left):
            self._write_parts(connection, kind, run_no, one.parts())

    def _fullest(
        self, connection: sa.Connection, kind: Kind, places: Sequence[_Place], newer: Iterable[Part]
    ) -> _Place:
        """The place in which newer parts have most."""
        starts = np.array([place.low for place in places[1:]], dtype=np.int64)
        held = np.zeros(len(places), dtype=np.int64)
        for part in newer:
            cuts = np.searchsorted(self._numbers(connection, kind, part), starts, side="left")
            held += np.diff(cuts, prepend=0, append=part.rows)
        return places[int(held.argmax())]

    def _is_oldest(self, kind: Kind, run_no: int) -> bool:
        return run_no == min(part.run_no for part in self._parts[kind])

    def _write_parts(
        self,
        connection: sa.Connection,
        kind: Kind,
        run_no: int,
        bodies: Iterable[PartBody],
    ) -> None:
        written = list(bodies)
        # Never a number that a part had before: whoever has read that one would take this for it.
        first = reserve(connection, "index_run", len(written))
        parts = [
            Part(run_no, first + place, least, most, rows)
            for place, (least, most, rows, _) in enumerate(written)
        ]
        rows = [
            (self.generation, kind, run_no, part.part_no, part.least, part.most, part.rows, body)
            for part, (*_, body) in zip(parts, written, strict=True)
        ]
        insert_rows(connection, index_run, _COLUMNS, rows)
        self._parts[kind] = sorted([*self._parts[kind], *parts], key=lambda one: (one.run_no, one.least))

    def _delete(self, connection: sa.Connection, kind: Kind, parts: Iterable[Part]) -> None:
        gone = {(part.run_no, part.part_no) for part in parts}
        key = ("generation", "kind", "run_no", "part_no")
        delete_rows(connection, index_run, key, [(self.generation, kind, *one) for one in gone])
        self._parts[kind] = [one for one in self._parts[kind] if (one.run_no, one.part_no) not in gone]
        self._read.keep(self._parts)

    def _whole(self, connection: sa.Connection, kind: Kind, part: Part) -> Any:
        """A part with all it holds: `Entries` or `Rows`."""
        if kind == "content":
            return self._read.rows(connection, part).rows()
        return self._read.entries(connection, part, kind).entries()

    def _numbers(self, connection: sa.Connection, kind: Kind, part: Part) -> Numbers:
        if kind == "content":
            return self._read.rows(connection, part).numbers
        return self._read.entries(connection, part, kind).numbers


@dataclass(frozen=True)
class Everything:
    """All that an index holds.

    Attributes:
        keys: Keys with the contents that hold them.
        contents: What contents say; None when there is none.
        copies: Contents with the records that have them.
    """

    keys: Entries
    contents: pa.Table | None
    copies: Entries


@dataclass(frozen=True)
class KeyCounts:
    """How many contents hold each key, and the way to them.

    Attributes:
        keys: Distinct, rising.
        counts: For each key how many contents hold it.
    """

    keys: Numbers
    counts: Numbers
    _found: Sequence[tuple[Entries | CompactEntries, Numbers, Numbers, Numbers]]
    _index: Index

    def holders(self, wanted: NDArray[np.bool_]) -> tuple[Numbers, Numbers]:
        """The places of wanted keys among the keys, and a content that holds each, pair by pair.

        Args:
            wanted: For each key whether its holders are asked for: the cost is that of their number.
        """
        places, contents = [], []
        for entries, at, low, high in self._found:
            asked = wanted[at]
            low_, size = low[asked], (high - low)[asked]
            within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
            places.append(np.repeat(at[asked], size))
            contents.append(entries.contents_at(np.repeat(low_, size) + within))
        if not places:
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
        place, content = np.concatenate(places), np.concatenate(contents)
        if (content < 0).any():
            named = content_of(content)
            order = np.lexsort((np.arange(len(place)), named, place))
            place, content, named = place[order], content[order], named[order]
            last = np.ones(len(place), dtype=np.bool_)
            last[:-1] = (place[1:] != place[:-1]) | (named[1:] != named[:-1])
            kept = last & (content >= 0)
            place, content = place[kept], content[kept]
        self._index.rows_read += len(place)
        return place, content


def _no_parts() -> dict[Kind, list[Part]]:
    return {kind: [] for kind in KINDS}


def _between(numbers: Numbers, part: Part) -> tuple[int, int]:
    return (
        int(np.searchsorted(numbers, part.least, side="left")),
        int(np.searchsorted(numbers, part.most, side="right")),
    )


def _places(parts: Sequence[Part]) -> list[_Place]:
    """The places of a run, from the lowest to the highest; parts that share a key are in one place."""
    together: list[list[Part]] = []
    for part in sorted(parts, key=lambda one: (one.least, one.most)):
        if together and together[-1][-1].most == part.least:
            together[-1].append(part)
        else:
            together.append([part])
    lows = [None, *(group[0].least for group in together[1:])]
    return [
        _Place(low, high, group) for low, high, group in zip(lows, [*lows[1:], None], together, strict=True)
    ]


def _to_merge(parts: Sequence[Part]) -> list[int]:
    """The newest runs that together are no longer small beside the next older one, from the oldest to the newest; none when they
    are few.
    """
    sizes: dict[int, int] = {}
    for part in parts:
        sizes[part.run_no] = sizes.get(part.run_no, 0) + part.rows
    newest: list[int] = []
    together = 0
    for run_no in sorted(sizes, reverse=True):
        if newest and sizes[run_no] >= _MUCH_LARGER * together:
            break
        newest.append(run_no)
        together += sizes[run_no]
    return newest[::-1] if len(newest) >= _SEVERAL else []
