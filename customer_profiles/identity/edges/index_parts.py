"""What the index of a graph is made of: entries and rows, sorted, as arrays and tables, and as parts of a run are stored."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal, get_args

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

Numbers = NDArray[np.int64]
KEYS_A_PART = 262_144
CONTENTS_A_PART = 32_768
PartBody = tuple[int, int, int, bytes]
"""A part as it is written: least and greatest number, rows, body."""
Kind = Literal["key", "content", "copy"]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Part:
    """Where a part of a run is in the table, and between which keys it lies."""

    run_no: int
    part_no: int
    least: int
    most: int
    rows: int


@dataclass(frozen=True)
class Entries:
    """Keys and who holds them, sorted by key, then content; a negative content takes an older entry back.

    For copies the key is a content and who holds it is a record.

    Attributes:
        keys: 64-bit keys, as signed numbers.
        contents: For each key a content, or -1 - content where the entry is taken back.
    """

    keys: Numbers
    contents: Numbers

    @classmethod
    def of(cls, keys: Numbers, contents: Numbers, gone_keys: Numbers, gone_contents: Numbers) -> Entries:
        """Entries added, and entries taken back, in any order."""
        together = np.concatenate([keys, gone_keys]), np.concatenate([contents, -1 - gone_contents])
        return cls._sorted(*together)

    @classmethod
    def _sorted(cls, keys: Numbers, contents: Numbers) -> Entries:
        order = np.lexsort((content_of(contents), keys))
        return cls(keys[order], contents[order])

    @classmethod
    def merged(cls, runs: Sequence[Entries], oldest: bool) -> Entries:
        """One run in place of several, from the oldest to the newest; of one key and content the newest entry counts.

        Args:
            runs: What is merged.
            oldest: Whether no older run is left beside them, so that nothing has to be taken back any more.
        """
        if not runs:
            return cls(np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64))
        keys = np.concatenate([run.keys for run in runs])
        contents = np.concatenate([run.contents for run in runs])
        age = np.repeat(np.arange(len(runs)), [len(run.keys) for run in runs])
        order = np.lexsort((age, content_of(contents), keys))
        keys, contents, age = keys[order], contents[order], age[order]
        named = content_of(contents)
        last = np.ones(len(keys), dtype=np.bool_)
        last[:-1] = (keys[1:] != keys[:-1]) | (named[1:] != named[:-1])
        first = np.ones(len(keys), dtype=np.bool_)
        first[1:] = last[:-1]
        # Added and taken back within these runs: nothing older is meant, so nothing is left of it.
        began = np.maximum.accumulate(np.where(first, np.arange(len(keys)), 0))
        vanished = (contents < 0) & ((contents[began] >= 0) | oldest)
        # Taken back and added again: what is older stands as it was.
        stands = (contents >= 0) & (contents[began] < 0) & (not oldest)
        kept = last & ~vanished & ~stands
        return cls(keys[kept], contents[kept])

    @property
    def numbers(self) -> Numbers:
        """What it is sorted by."""
        return self.keys

    def spans(self, keys: Numbers) -> tuple[Numbers, Numbers]:
        """For each key where its entries begin and where they end."""
        return np.searchsorted(self.keys, keys, side="left"), np.searchsorted(self.keys, keys, side="right")

    def contents_at(self, places: Numbers) -> Numbers:
        """What the entries in these places name."""
        return self.contents[places]

    def entries(self) -> Entries:
        """All of them."""
        return self

    def between(self, start: int, end: int) -> Entries:
        """Those from one place to another."""
        return Entries(self.keys[start:end], self.contents[start:end])

    @classmethod
    def joined(cls, pieces: Sequence[Entries]) -> Entries:
        """Pieces that follow one another, as one."""
        return cls(
            np.concatenate([one.keys for one in pieces]), np.concatenate([one.contents for one in pieces])
        )

    def parts(self) -> Iterator[PartBody]:
        """As a run stores them."""
        return key_parts(self)

    @cached_property
    def taken_back(self) -> NDArray[np.int32] | None:
        """How many entries before each place take one back; None when none does."""
        gone = self.contents < 0
        if not gone.any():
            return None
        return np.concatenate([[0], np.cumsum(gone)]).astype(np.int32)

    def to_bytes(self) -> bytes:
        """As stored."""
        return self.keys.tobytes() + self.contents.tobytes()

    @classmethod
    def from_bytes(cls, body: bytes) -> Entries:
        """As read."""
        numbers = np.frombuffer(body, dtype=np.int64)
        half = len(numbers) // 2
        return cls(numbers[:half], numbers[half:])


@dataclass(frozen=True)
class Rows:
    """What contents say, sorted by their numbers.

    Attributes:
        table: Columns `content_no` (rising), `gone` (the content is no more), and what it says.
    """

    table: pa.Table

    @cached_property
    def numbers(self) -> Numbers:
        """What it is sorted by."""
        numbers: Numbers = self.table["content_no"].to_numpy()
        return numbers

    @cached_property
    def takes_back(self) -> bool:
        """Whether any content is no more."""
        return bool(pc.any(self.table["gone"]).as_py())

    @property
    def gone(self) -> NDArray[np.bool_]:
        """Which contents are no more."""
        gone: NDArray[np.bool_] = self.table["gone"].to_numpy()
        return gone

    def take(self, places: Numbers, columns: Sequence[str] | None = None) -> pa.Table:
        """The rows in these places.

        Args:
            places: Where, from 0.
            columns: What is asked for; None for everything.
        """
        table = self.table if columns is None else self.table.select(columns)
        return table.take(pa.array(places))

    def rows(self) -> Rows:
        """All of them."""
        return self

    def between(self, start: int, end: int) -> Rows:
        """Those from one place to another."""
        return Rows(self.table.slice(start, end - start))

    @classmethod
    def joined(cls, pieces: Sequence[Rows]) -> Rows:
        """Pieces that follow one another, as one."""
        return cls(pa.concat_tables([one.table for one in pieces]))

    @classmethod
    def merged(cls, runs: Sequence[Rows], oldest: bool) -> Rows:
        """One run in place of several, from the oldest to the newest; of one content the newest row counts.

        Args:
            runs: What is merged.
            oldest: Whether no older run is left beside them, so that nothing has to be taken back any more.
        """
        table = cls.joined(runs[::-1]).table
        _, first = np.unique(table["content_no"].to_numpy(), return_index=True)
        table = table.take(pa.array(first))
        return cls(table.filter(pc.invert(table["gone"])) if oldest else table)

    def parts(self) -> Iterator[PartBody]:
        """As a run stores them."""
        return content_parts(self.table)

    @classmethod
    def from_bytes(cls, body: bytes) -> Rows:
        """As read."""
        return cls(pa.ipc.open_stream(body).read_all().combine_chunks())


def key_parts(entries: Entries) -> Iterator[PartBody]:
    """A run of entries in parts; all that hold one key are in one part."""
    start, size = 0, _even(len(entries.keys), KEYS_A_PART)
    while start < len(entries.keys):
        end = min(start + size, len(entries.keys))
        end = int(np.searchsorted(entries.keys, entries.keys[end - 1], side="right"))
        part = entries.between(start, end)
        yield int(part.keys[0]), int(part.keys[-1]), len(part.keys), part.to_bytes()
        start = end


def content_parts(table: pa.Table) -> Iterator[PartBody]:
    """A run of contents in parts.

    Args:
        table: Columns `content_no` (rising), `gone` (the content is no more), and what it says.
    """
    options = pa.ipc.IpcWriteOptions(compression="lz4")
    size = _even(table.num_rows, CONTENTS_A_PART)
    for start in range(0, table.num_rows, size):
        part = table.slice(start, size).combine_chunks()
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, part.schema, options=options) as writer:
            writer.write_table(part)
        numbers = part["content_no"]
        yield numbers[0].as_py(), numbers[-1].as_py(), part.num_rows, sink.getvalue().to_pybytes()


def _even(rows: int, most: int) -> int:
    """The size of parts that are alike, so that none is left over that is hardly one."""
    return max(1, math.ceil(rows / max(1, math.ceil(rows / most))))


def contents_of_parts(parts: Iterable[PartBody]) -> pa.Table | None:
    """What `content_parts` made, as one table again; None when there is no part."""
    tables = [pa.ipc.open_stream(body).read_all() for *_, body in parts]
    return pa.concat_tables(tables) if tables else None


def content_of(contents: Numbers) -> Numbers:
    """The content that an entry names, whether it is added or taken back."""
    return np.where(contents < 0, -1 - contents, contents)
