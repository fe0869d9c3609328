"""One segment's file: encrypted Parquet, written so that it is whole or not there, read a row group at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pyarrow.parquet.encryption as pe

from customer_profiles.state.errors import StateError

ENDING = ".parquet"
UNFINISHED = ".part"
KEY_BYTES = 32
ROW_GROUP = 8_192
"""Rows that are read, decrypted and held in memory together."""


class SegmentError(StateError):
    """A segment's file is not as it was written, or cannot be written."""


class SegmentMissing(SegmentError):
    """A segment's file is not where it was written."""


@dataclass(frozen=True, slots=True)
class RowGroup:
    """Rows of a segment that are read together.

    Attributes:
        place: Which one of its file, from 0.
        first_record: The smallest record number in it.
        last_record: The greatest.
    """

    place: int
    first_record: int
    last_record: int


def write_file(path: Path, context: str, key: bytes, parts: Iterable[pa.Table]) -> int:
    """Write a file under another name, let it reach the disk, give it its name, and let that reach the disk too.

    Args:
        path: Where to; its folder is made (mode 0700) if need be.
        context: What the file is authenticated as; it opens only when the same is said again.
        key: 32 bytes, of this file alone.
        parts: The rows, sorted by record and interaction number over all parts; at least one part.

    Returns:
        The size of the file in bytes.

    Raises:
        SegmentError: The disk is full, or the folder may not be written.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with open(os.open(unfinished, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            _write_parts(file, context, key, parts)
            file.flush()
            os.fsync(file.fileno())
            size = file.tell()
        os.rename(unfinished, path)
        sync_folder(path.parent)
    except OSError as error:
        raise SegmentError(
            f"The history segment {path} cannot be written: {error.strerror or error}. Make room, or let the folder be "
            "written, then run this again. Nothing was moved."
        ) from None
    return size


def _write_parts(file: Any, context: str, key: bytes, parts: Iterable[pa.Table]) -> None:
    writer: pq.ParquetWriter | None = None
    try:
        for part in parts:
            if writer is None:
                writer = pq.ParquetWriter(
                    file,
                    part.schema,
                    compression="zstd",
                    encryption_properties=pe.create_encryption_properties(
                        key, aad_prefix=context.encode(), store_aad_prefix=False
                    ),
                )
            writer.write_table(part, row_group_size=ROW_GROUP)
    finally:
        if writer is not None:
            writer.close()


def sync_folder(folder: Path) -> None:
    """Let the names in a folder reach the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


class SegmentFile:
    """An opened segment. What is read was authenticated: a changed byte is an error, never another value."""

    def __init__(self, path: Path, context: str, key: bytes, rows: int) -> None:
        """Open a file and read its footer.

        Args:
            path: The file.
            context: As when it was written.
            key: As when it was written.
            rows: As many rows it has.

        Raises:
            SegmentMissing: There is no such file.
            SegmentError: It was cut or changed, or belongs elsewhere.
        """
        self._path = path
        with self._refusals():
            self._file = pq.ParquetFile(
                path, decryption_properties=pe.create_decryption_properties(key, aad_prefix=context.encode())
            )
            metadata = self._file.metadata
            self.columns: tuple[str, ...] = tuple(self._file.schema_arrow.names)
            place_of_record = self.columns.index("record_no")
            self.groups = []
            for place in range(metadata.num_row_groups):
                numbers = metadata.row_group(place).column(place_of_record).statistics
                self.groups.append(RowGroup(place, numbers.min, numbers.max))
        if metadata.num_rows != rows:
            raise SegmentError(told_changed(path))

    def read(self, group: RowGroup, columns: Sequence[str]) -> pa.Table:
        """Rows of one group; a column that the file does not know is null.

        Raises:
            SegmentError: The file was changed.
        """
        with self._refusals():
            found = self._file.read_row_group(group.place, [name for name in columns if name in self.columns])
        for name in columns:
            if name not in self.columns:
                found = found.append_column(name, pa.nulls(found.num_rows))
        return found.select(list(columns))

    def close(self) -> None:
        """Let go of the file."""
        self._file.close()

    @contextmanager
    def _refusals(self) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError:
            raise SegmentMissing(told_missing(self._path)) from None
        except PermissionError:
            raise SegmentError(f"The history segment {self._path} may not be read: check its mode.") from None
        except (OSError, ValueError, pa.ArrowException):
            raise SegmentError(told_changed(self._path)) from None


def told_missing(path: Path) -> str:
    """That a file is not there, and what to do."""
    return (
        f"The history segment {path} is missing. Put the file back from a backup of the history's folder, or check "
        "`history.folder`, then run this again. Nothing was changed."
    )


def told_changed(path: Path) -> str:
    """That a file is not as it was written, and what to do."""
    return (
        f"The history segment {path} was cut or changed: it does not open as it was written. Put the file back from a "
        "backup of the history's folder, then run this again. Nothing was changed."
    )
