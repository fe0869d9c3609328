"""Parts of an index that were read: they stay in memory, folded where they are large."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from customer_profiles.identity.edges.folding.compact_entries import NO_BOOK, CompactEntries
from customer_profiles.identity.edges.folding.shelf import SHELF_ROWS, Shelved, half_empty, shelved
from customer_profiles.identity.edges.index_parts import Entries, Kind, Numbers, Part, Rows
from customer_profiles.identity.tables import index_run

WORTH_FOLDING = 4_096
"""Rows of a part that is folded; smaller ones are soon merged into others."""
WORTH_A_BOOK = 8
"""Large parts of keys that are read at once: who asks for so many will ask for most, and for what their contents say."""


class PartsRead:
    """The parts of one generation that somebody asked for. As parts never change, what was read stays true."""

    def __init__(self, generation: int) -> None:
        """Bind it; nothing is read yet."""
        self._generation = generation
        self._entries: dict[Part, Entries | CompactEntries] = {}
        self._rows: dict[Part, Rows | Shelved] = {}
        self._book = NO_BOOK

    def keep(self, there: Mapping[Kind, Sequence[Part]]) -> None:
        """Let go of the parts that are not there any more."""
        for gone in self._entries.keys() - {*there["key"], *there["copy"]}:
            del self._entries[gone]
        for gone in self._rows.keys() - {*there["content"]}:
            del self._rows[gone]
        on_shelves = {part: rows for part, rows in self._rows.items() if isinstance(rows, Shelved)}
        emptied = half_empty(on_shelves.values())
        for part, rows in on_shelves.items():
            if id(rows.shelf) in emptied:
                del self._rows[part]  # read again, with others, when it is asked for

    def entries(self, connection: sa.Connection, part: Part, kind: Kind = "key") -> Entries | CompactEntries:
        """A part of keys or of copies."""
        if part not in self._entries:
            if kind == "key":
                self.read_keys(connection, [part])
            else:
                self._entries[part] = self._folded(
                    part, Entries.from_bytes(self._body(connection, kind, part))
                )
        return self._entries[part]

    def rows(self, connection: sa.Connection, part: Part) -> Rows | Shelved:
        """A part of contents."""
        if part not in self._rows:
            self.read_contents(connection, [part])
        return self._rows[part]

    def read_keys(
        self, connection: sa.Connection, parts: Iterable[Part], contents: Sequence[Part] = ()
    ) -> None:
        """Read parts of keys that are not in memory.

        Args:
            connection: Reading the state store.
            parts: Which.
            contents: All parts of contents that there are.
        """
        missing = [part for part in parts if part not in self._entries]
        many = len(_large(missing)) >= WORTH_A_BOOK
        if many and not len(self._book):
            self._book = self._all(connection, _large(contents))
            for part, entries in self._entries.items():
                self._entries[part] = self._folded(part, entries.entries())
        for part in missing:
            self._entries[part] = self._folded(part, Entries.from_bytes(self._body(connection, "key", part)))
            if many:
                _give_back()

    def read_contents(self, connection: sa.Connection, parts: Iterable[Part]) -> None:
        """Read parts of contents that are not in memory; large ones together."""
        missing = [part for part in parts if part not in self._rows]
        large = _large(missing)
        for part in missing:
            if part not in large:
                self._rows[part] = Rows.from_bytes(self._body(connection, "content", part))
        if not large:
            return
        # Folding needs Python for moments only: the next parts are read meanwhile, and no more than those of one shelf.
        folded: list[Shelved] = []
        with ThreadPoolExecutor(1) as aside:
            under_way: Future[list[Shelved]] | None = None
            for read in self._by_shelf(connection, large):
                if under_way is not None:
                    folded += under_way.result()
                    _give_back()
                under_way = aside.submit(shelved, read)
            if under_way is not None:
                folded += under_way.result()
        self._rows |= dict(zip(large, folded, strict=True))

    def _by_shelf(self, connection: sa.Connection, parts: Iterable[Part]) -> Iterator[list[Rows]]:
        """Parts as they are read, so many as a shelf holds."""
        shelf: list[Rows] = []
        for part in parts:
            if shelf and sum(len(one.numbers) for one in shelf) + part.rows > SHELF_ROWS:
                yield shelf
                shelf = []
            shelf.append(Rows.from_bytes(self._body(connection, "content", part)))
        if shelf:
            yield shelf

    def _all(self, connection: sa.Connection, parts: Sequence[Part]) -> Numbers:
        """The contents of these parts, rising."""
        self.read_contents(connection, parts)
        each = [self._rows[part].numbers for part in parts]
        return np.sort(np.concatenate(each), kind="stable") if each else NO_BOOK

    def _folded(self, part: Part, entries: Entries) -> Entries | CompactEntries:
        return CompactEntries(entries, self._book) if _large([part]) else entries

    def _body(self, connection: sa.Connection, kind: Kind, part: Part) -> bytes:
        body = connection.execute(
            sa.select(index_run.c.body).where(
                index_run.c.generation == self._generation,
                index_run.c.kind == kind,
                index_run.c.run_no == part.run_no,
                index_run.c.part_no == part.part_no,
            )
        ).scalar_one()
        return bytes(body)


def _large(parts: Iterable[Part]) -> list[Part]:
    return [part for part in parts if part.rows >= WORTH_FOLDING]


def _give_back() -> None:
    """Let the system have what reading and folding have let go of: else it would come on top of what is read next."""
    for pool in (pa.default_memory_pool(), pa.system_memory_pool()):
        pool.release_unused()
