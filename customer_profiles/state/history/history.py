"""The segments of one state: written, named in the manifest, read, merged, rewritten, cleared of orphans."""

from __future__ import annotations

import math
import os
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from customer_profiles.state.cursors import Cursor, CursorMoved, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.history.files import (
    ENDING,
    KEY_BYTES,
    UNFINISHED,
    SegmentError,
    SegmentFile,
    SegmentMissing,
    sync_folder,
    told_changed,
    told_missing,
    write_file,
)
from customer_profiles.state.history.manifest import Segment, change_manifest, segments
from customer_profiles.state.history.reading import in_order

CURSOR = "history"
"""The stage whose cursor says where this state's segments are at home, and how many sealings there were."""

LARGEST_SEGMENT = 1_000_000
"""Rows: what is about as large is not merged any more."""
_SMALLEST_TIER = 2_000
_TIER_RATIO = 4
"""Segments of about the same size are merged once there are so many: a row is rewritten a few times in its life."""


_READS = 3
"""A file that is gone was merged into another since the manifest was read; one that is gone each time is missing."""

T = TypeVar("T")


class Cipher(Protocol):
    """Seals the keys of segments."""

    def seal(self, plain: bytes, context: str) -> bytes:
        """Hide a value; it opens only when the same context is said."""
        ...

    def open(self, sealed: bytes, context: str) -> bytes:
        """What was hidden."""
        ...


@dataclass(frozen=True, slots=True)
class Compacted:
    """What a compaction did.

    Attributes:
        merged: Segments that were merged.
        into: Segments that they became.
        rows: Rows that were written anew.
    """

    merged: int = 0
    into: int = 0
    rows: int = 0


class History:
    """The segments of a state, in a folder."""

    def __init__(self, folder: Path, cipher: Cipher) -> None:
        """Name the folder; nothing is made before something is written.

        Args:
            folder: Where the segments are. Each state has a home of its own in it.
            cipher: Seals each segment's key, which is kept in the manifest.
        """
        self.folder = folder
        self._cipher = cipher

    def cursor(self, state: State) -> Cursor:
        """The cursor, with the home of this state's segments and the number of sealings; made when first asked for."""
        with state.reading() as connection:
            cursor = read_cursor(connection, CURSOR)
        if cursor.position is None:
            with state.writing() as connection:
                cursor = read_cursor(connection, CURSOR)
                if cursor.position is None:
                    cursor = move_cursor(connection, cursor, {"home": uuid4().hex[:12], "seals": 0})
        return cursor

    def path(self, segment: str) -> Path:
        """The file of a segment."""
        return self.folder / (segment + ENDING)

    def write(self, home: str, partition_no: int, parts: Iterable[pa.Table]) -> Segment | None:
        """Write a segment that nobody knows of before it is named in the manifest.

        Args:
            home: Of this state's segments.
            partition_no: The partition that all rows belong to.
            parts: The rows, sorted by record and interaction number over all parts.

        Returns:
            The segment; None when there was no row.

        Raises:
            SegmentError: It cannot be written.
        """
        name = f"{home}/{partition_no:02d}-{uuid4().hex}"
        key = os.urandom(KEY_BYTES)
        counted = _Counted(parts)
        first = next(counted, None)
        if first is None:
            return None
        size = write_file(self.path(name), name, key, _chained(first, counted))
        return Segment(
            name,
            partition_no,
            counted.rows,
            counted.first_no,
            counted.last_no,
            counted.last_seal,
            counted.first_at,
            counted.last_at,
            size,
            self._cipher.seal(key, name),
            time.time_ns() // 1_000,
        )

    def commit(
        self, connection: sa.Connection, added: Sequence[Segment], dropped: Sequence[Segment] = ()
    ) -> None:
        """Change the manifest, in the transaction of what goes with it.

        Raises:
            CursorMoved: Another process changed the history meanwhile, or took the new files for orphans.
        """
        for one in added:
            # Orphans are removed under the same lock: what is there now is there when this commits.
            if not self.path(one.segment).exists():
                raise CursorMoved(
                    "Another process cleared the history meanwhile. Nothing was lost: run it again."
                )
        change_manifest(connection, added, dropped)

    def discard(self, dropped: Sequence[Segment]) -> None:
        """Remove the files of segments that the committed manifest names no more."""
        for one in dropped:
            self.path(one.segment).unlink(missing_ok=True)
        for folder in {self.path(one.segment).parent for one in dropped}:
            sync_folder(folder)

    @contextmanager
    def opened(self, wanted: Sequence[Segment]) -> Iterator[list[SegmentFile]]:
        """Segments, opened to be read.

        Raises:
            SegmentMissing: A file is not there.
            SegmentError: A file was cut or changed.
        """
        files: list[SegmentFile] = []
        try:
            for one in wanted:
                key = self._cipher.open(one.sealed_key, one.segment)
                files.append(SegmentFile(self.path(one.segment), one.segment, key, one.row_count))
            yield files
        finally:
            for file in files:
                file.close()

    def remove_orphans(self, state: State) -> int:
        """Remove files that the manifest does not name: what a killed process wrote or did not get to remove.

        Where a file that the manifest names is missing, nothing is removed: the state may be older than the folder, and
        what looks like an orphan may be what to mend it from.

        Returns:
            How many files were removed.
        """
        with state.reading() as connection:
            position = read_cursor(connection, CURSOR).position
        home = self.folder / position["home"] if position else self.folder
        if position is None or not home.is_dir():
            return 0
        if not self._orphans(state, home):
            return 0
        with state.writing() as connection:
            named = {self.path(one.segment) for one in segments(connection)}
            there = set(home.iterdir())
            orphans = [path for path in there - named if path.name.endswith((ENDING, UNFINISHED))]
            if named - there:
                return 0
            for path in orphans:
                path.unlink(missing_ok=True)
        sync_folder(home)
        return len(orphans)

    def _orphans(self, state: State, home: Path) -> bool:
        """Whether there may be any: a look that takes no lock."""
        with state.reading() as connection:
            named = {self.path(one.segment) for one in segments(connection)}
        return bool(set(home.iterdir()) - named)

    def missing(self, connection: sa.Connection) -> list[str]:
        """What is wrong with files that the manifest names, told from their names and sizes alone: a sentence each."""
        found = []
        for one in segments(connection):
            path = self.path(one.segment)
            if not path.is_file():
                found.append(told_missing(path))
            elif path.stat().st_size != one.byte_count:
                found.append(told_changed(path))
        return found

    def verify(self, state: State) -> list[str]:
        """Read every byte of every segment.

        Returns:
            What is wrong, a sentence for each file.
        """
        with state.reading() as connection:
            there = segments(connection)
        wrong = []
        for one in there:
            try:
                with self.opened([one]) as (file,):
                    for group in file.groups:
                        file.read(group, file.columns)
            except SegmentMissing as error:
                if self._is_named(state, one):
                    wrong.append(str(error))
            except SegmentError as error:
                wrong.append(str(error))
        return wrong

    def _is_named(self, state: State, segment: Segment) -> bool:
        with state.reading() as connection:
            return segment.segment in {one.segment for one in segments(connection, [segment.partition_no])}

    def compact(self, state: State) -> Compacted:
        """Merge segments of about the same size, a partition at a time; killed anywhere, nothing is lost or twice.

        Raises:
            CursorMoved: Another process changed the history meanwhile.
            SegmentError: A file cannot be read or written; what was merged so far stays so.
        """
        done = Compacted()
        with state.reading() as connection:
            partitions = sorted({one.partition_no for one in segments(connection)})
        for partition_no in partitions:
            while True:
                with state.reading() as connection:
                    chosen = to_merge(segments(connection, [partition_no]))
                if not chosen:
                    break
                added = self.rewrite(state, chosen)
                done = Compacted(
                    done.merged + len(chosen),
                    done.into + len(added),
                    done.rows + sum(one.row_count for one in added),
                )
        return done

    def rewrite(
        self,
        state: State,
        chosen: Sequence[Segment],
        kept: Callable[[pa.Table], pa.Table] | None = None,
        with_it: Callable[[sa.Connection], None] | None = None,
        beside: Callable[[str], list[Segment]] | None = None,
    ) -> list[Segment]:
        """Put one segment in the place of several of one partition, in one transaction.

        Args:
            state: The open state.
            chosen: Segments of one partition.
            kept: Gives what is kept of some rows; all of them when None.
            with_it: What else commits with it.
            beside: Writes more segments, once all that is kept was; gets the home of this state's segments.

        Returns:
            The new segment; none when no row was kept.

        Raises:
            CursorMoved: Another process changed the history meanwhile; nothing happened.
            SegmentError: A file cannot be read or written; nothing happened.
        """
        home = chosen[0].segment.partition("/")[0]
        with self.opened(chosen) as files:
            columns = list(dict.fromkeys(name for file in files for name in file.columns))
            parts = in_order(files, columns)
            written = self.write(home, chosen[0].partition_no, map(kept, parts) if kept else parts)
        added = [written] if written else []
        added += beside(home) if beside else []
        with state.writing() as connection:
            self.commit(connection, added, chosen)
            if with_it is not None:
                with_it(connection)
        self.discard(chosen)
        return added


def despite_merging(work: Callable[[], T]) -> T:
    """Do what reads a state and its history as of one moment; again, when a compaction took files away meanwhile.

    Args:
        work: Opens a snapshot, and reads all it wants before it returns.

    Raises:
        SegmentError: A file is missing, was cut or changed.
    """
    for _ in range(_READS - 1):
        try:
            return work()
        except SegmentMissing:
            continue
    return work()


def to_merge(there: Sequence[Segment]) -> list[Segment]:
    """The segments of one partition to merge next: those of the smallest tier that has enough of them. Pure."""
    tiers: dict[int, list[Segment]] = defaultdict(list)
    for one in there:
        if one.row_count <= LARGEST_SEGMENT // 2:
            tiers[_tier(one.row_count)].append(one)
    for _, several in sorted(tiers.items()):
        chosen: list[Segment] = []
        for one in several:
            if sum(each.row_count for each in chosen) + one.row_count > LARGEST_SEGMENT:
                break
            chosen.append(one)
        if len(several) >= _TIER_RATIO and len(chosen) > 1:
            return chosen
    return []


def _tier(rows: int) -> int:
    return max(0, math.floor(math.log(max(rows, 1) / _SMALLEST_TIER, _TIER_RATIO)) + 1)


class _Counted:
    """Passes parts on, without empty ones, and remembers what the manifest says of them."""

    def __init__(self, parts: Iterable[pa.Table]) -> None:
        self._parts = iter(parts)
        self.rows = self.first_no = self.last_no = self.last_seal = self.first_at = self.last_at = 0

    def __iter__(self) -> Iterator[pa.Table]:
        return self

    def __next__(self) -> pa.Table:
        part = next(self._parts)
        while not part.num_rows:
            part = next(self._parts)
        numbers, times = pc.min_max(part["interaction_no"]), pc.min_max(part["occurred_at"])
        first_no, last_no = numbers["min"].as_py(), numbers["max"].as_py()
        first_at, last_at = times["min"].as_py(), times["max"].as_py()
        self.first_no = min(self.first_no, first_no) if self.rows else first_no
        self.last_no = max(self.last_no, last_no)
        self.first_at = min(self.first_at, first_at) if self.rows else first_at
        self.last_at = max(self.last_at, last_at) if self.rows else last_at
        self.last_seal = max(self.last_seal, pc.max(part["seal_no"]).as_py())
        self.rows += part.num_rows
        return part


def _chained(first: pa.Table, rest: Iterable[pa.Table]) -> Iterator[pa.Table]:
    yield first
    yield from rest
