"""Reads one file of each format: JSON lines, JSON arrays, CSV, Parquet."""

from __future__ import annotations

import csv
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, BinaryIO

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from customer_profiles.settings import Feed
from customer_profiles.sources.envelope import Envelope
from customer_profiles.sources.errors import SourceError
from customer_profiles.sources.file_lines import LONGEST_LINE, Piece, csv_rows, elements, lines
from customer_profiles.sources.marks import FileMark
from customer_profiles.sources.paths import condition, mapped_columns, projection

SETTLED_SECONDS = 60
"""A file that nobody has written to for so long is whole, also when its last line has no end."""


@dataclass(slots=True)
class Read:
    """What was read of one file.

    Attributes:
        envelopes: Its rows.
        offset: Bytes read (of Parquet the whole file, once its last row is read).
        line: Lines, elements or rows read.
        exhausted: Nothing more can be read of it now.
    """

    envelopes: list[Envelope]
    offset: int
    line: int
    exhausted: bool


class FormatReader(ABC):
    """Reads files of one format for one feed."""

    appendable = True
    """Whether a file that changed can be read on when what was read of it is still there."""

    def __init__(self, name: str, feed: Feed, tells_unreadable: bool) -> None:
        """Bind the reader.

        Args:
            name: The feed, for messages.
            feed: Its settings.
            tells_unreadable: Whether this feed is the one, of those over the same files, to tell of unreadable lines.
        """
        self._name = name
        self._paths = feed.columns
        self._project = projection(mapped_columns(feed))
        self._wanted = condition(feed.where)
        self._tells = tells_unreadable

    @abstractmethod
    def read(self, file: BinaryIO, name: str, mark: FileMark, limit: int, scan: int, settled: bool) -> Read:
        """Read on from a mark.

        Args:
            file: Open for reading bytes.
            name: What the file is called in positions.
            mark: How far it was read.
            limit: Rows to read at most.
            scan: Bytes to go through at most.
            settled: Whether the file is whole, also when its last line has no end.
        """

    def _row(self, envelopes: list[Envelope], position: str, row: Mapping[str, Any]) -> None:
        if self._wanted is None or self._wanted(row):
            envelopes.append(Envelope(position, self._project(row)))

    def _unreadable(self, envelopes: list[Envelope], position: str, content: bytes, error: str) -> None:
        if self._tells:
            envelopes.append(Envelope(position, None, content, error))


_Start = tuple[int, int, Iterable[Piece]]
"""The offset and number of lines before the rows to read, and these."""


class _Pieces(FormatReader):
    """Formats that are text: pieces with an offset each."""

    def read(self, file: BinaryIO, name: str, mark: FileMark, limit: int, scan: int, settled: bool) -> Read:
        envelopes: list[Envelope] = []
        offset, line = mark.offset, mark.line
        start = self._begin(file, name, mark, settled)
        if start is None:
            return Read(envelopes, offset, line, True)
        offset, line, pieces = start
        for piece in pieces:
            if len(envelopes) >= limit or offset - mark.offset >= scan:
                return Read(envelopes, offset, line, False)
            if not piece.ended and not settled and not self._whole(piece.content):
                break
            if piece.content.strip() or piece.too_long:
                self._take(envelopes, f"{name}:{piece.line}", piece)
            offset, line = piece.end, piece.next_line - 1
        else:
            # What follows the last piece, such as the end of an array, counts as read; not what was written since.
            offset = max(offset, mark.size)
        return Read(envelopes, offset, line, True)

    @abstractmethod
    def _begin(self, file: BinaryIO, name: str, mark: FileMark, settled: bool) -> _Start | None:
        """Where the rows to read begin; None when that is not yet to be seen."""

    @abstractmethod
    def _take(self, envelopes: list[Envelope], position: str, piece: Piece) -> None: ...

    def _whole(self, content: bytes) -> bool:
        return False


class _Json(_Pieces):
    def _take(self, envelopes: list[Envelope], position: str, piece: Piece) -> None:
        content = piece.content
        if piece.too_long:
            self._unreadable(envelopes, position, content, "too_large")
            return
        try:
            row = orjson.loads(content)
        except orjson.JSONDecodeError:
            error = "unreadable_json"
            try:
                content.decode()
            except UnicodeDecodeError:
                error = "bad_encoding"
            self._unreadable(envelopes, position, content, error)
            return
        if type(row) is dict:
            self._row(envelopes, position, row)
        else:
            self._unreadable(envelopes, position, content, "unreadable_row")


class JsonLines(_Json):
    """One JSON object a line."""

    def _begin(self, file: BinaryIO, name: str, mark: FileMark, settled: bool) -> _Start:
        start = mark.offset or (3 if file.read(3) == b"\xef\xbb\xbf" else 0)
        return start, mark.line, lines(file, start, mark.line)

    def _whole(self, content: bytes) -> bool:
        # No beginning of a JSON object is one itself.
        try:
            return type(orjson.loads(content)) is dict
        except orjson.JSONDecodeError:
            return False


class JsonArray(_Json):
    """One array of JSON objects, or one object."""

    def _begin(self, file: BinaryIO, name: str, mark: FileMark, settled: bool) -> _Start:
        return mark.offset, mark.line, elements(file, mark.offset, mark.line)


class Csv(_Pieces):
    """Comma-separated values in UTF-8, with a header."""

    def __init__(self, name: str, feed: Feed, tells_unreadable: bool) -> None:
        super().__init__(name, feed, tells_unreadable)
        self._header: list[str] = []

    def _begin(self, file: BinaryIO, name: str, mark: FileMark, settled: bool) -> _Start | None:
        head = next(iter(csv_rows(file, 0, 0)), None)
        if head is None or not (head.ended or settled):
            return None
        try:
            self._header = next(csv.reader([head.content.decode("utf-8-sig")]), [])
        except UnicodeDecodeError:
            raise SourceError(f"{self._name}: the header of {name} is not UTF-8: save it as UTF-8") from None
        gone = [path for path in self._paths if path not in self._header]
        if gone:
            raise SourceError(
                f"{self._name}: {name} has no column {', '.join(gone)}: bring it back, or change the feed's `fields`; "
                "nothing was read, and reading goes on where it was"
            )
        offset, line = (mark.offset, mark.line) if mark.offset else (head.end, head.next_line - 1)
        pieces = csv_rows(file, offset, line, lambda content: len(self._values(content)) == len(self._header))
        return offset, line, pieces

    def _take(self, envelopes: list[Envelope], position: str, piece: Piece) -> None:
        content = piece.content
        if piece.too_long:
            self._unreadable(envelopes, position, content, "too_large")
            return
        try:
            values = self._values(content)
        except UnicodeDecodeError:
            self._unreadable(envelopes, position, content, "bad_encoding")
            return
        if len(values) == len(self._header):
            self._row(envelopes, position, dict(zip(self._header, values, strict=True)))
        else:
            self._unreadable(envelopes, position, content, "unreadable_row")

    @staticmethod
    def _values(content: bytes) -> list[str]:
        try:
            return next(csv.reader([content.decode()], strict=True), [])
        except csv.Error:
            return []


class Parquet(FormatReader):
    """Apache Parquet: only the mapped columns, one group of rows at a time."""

    appendable = False

    def read(self, file: BinaryIO, name: str, mark: FileMark, limit: int, scan: int, settled: bool) -> Read:
        """Read on from the mark, a group of rows at a time."""
        try:
            table = pq.ParquetFile(file)
        except pa.ArrowInvalid:
            if settled:
                raise SourceError(
                    f"{self._name}: {name} is no Parquet file, or was cut: write it again"
                ) from None
            return Read([], mark.offset, mark.line, True)
        columns = self._columns(table, name)
        envelopes: list[Envelope] = []
        number = 0
        for group in range(table.num_row_groups):
            rows = table.metadata.row_group(group).num_rows
            if number + rows <= mark.line:
                number += rows
                continue
            for row in _rows(table, group, columns):
                number += 1
                if number <= mark.line:
                    continue
                if len(envelopes) >= limit:
                    return Read(envelopes, mark.offset, number - 1, False)
                self._row(envelopes, f"{name}:{number}", row)
        file.seek(0, 2)
        return Read(envelopes, file.tell(), number, True)

    def _columns(self, table: pq.ParquetFile, name: str) -> list[str]:
        held = table.schema_arrow.names
        wanted = dict.fromkeys(path if path in held else path.split(".")[0] for path in self._paths)
        gone = [column for column in wanted if column not in held]
        if gone:
            raise SourceError(
                f"{self._name}: {name} has no column {', '.join(gone)}: bring it back, or change the feed's `fields`; "
                "nothing was read, and reading goes on where it was"
            )
        return list(wanted)


def _rows(table: pq.ParquetFile, group: int, columns: list[str]) -> Iterator[dict[str, Any]]:
    for batch in table.iter_batches(batch_size=5_000, row_groups=[group], columns=columns):
        yield from batch.to_pylist()


def format_reader(name: str, feed: Feed, tells_unreadable: bool) -> FormatReader:
    """The reader of a feed's format.

    Raises:
        SourceError: the format is not told and cannot be guessed.
    """
    kinds: dict[str, type[FormatReader]] = {
        "json_lines": JsonLines,
        "json": JsonArray,
        "csv": Csv,
        "parquet": Parquet,
    }
    if feed.file_format is None:
        raise SourceError(f"{name}: its `files` do not tell their format: add `format` ({', '.join(kinds)})")
    # A field longer than this would be refused by the limit of a line before.
    csv.field_size_limit(2 * LONGEST_LINE)
    return kinds[feed.file_format](name, feed, tells_unreadable)
