"""Looks at the files of a feed: streams them once, counting by column, in memory that does not follow their size."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from customer_profiles.catalog.audit_database import Counted, Looked
from customer_profiles.catalog.distinct import Distinct
from customer_profiles.settings import Feed
from customer_profiles.sources.file_lines import csv_rows, elements, lines
from customer_profiles.sources.files import FilesReader

_CHUNK = 5_000
_MOST_COLUMNS = 500
"""Paths kept of one feed: a mapping keyed by customer must not make a column of each."""
_KINDS: Mapping[type, str] = {
    str: "text",
    int: "whole number",
    float: "number",
    bool: "truth value",
    list: "list",
    dict: "mapping",
}
Row = Mapping[str, Any]


class _Column:
    def __init__(self) -> None:
        self.filled = 0
        self.emails = 0
        self.kinds: set[str] = set()
        self.distinct = Distinct()

    def add(self, values: list[Any]) -> None:
        self.filled += len(values)
        self.kinds.update(_KINDS.get(kind, kind.__name__) for kind in set(map(type, values)))
        texts = np.array([_text(value) for value in values], dtype=object)
        self.emails += sum(
            "@" in text and "." in text.rpartition("@")[2] and " " not in text for text in texts
        )
        self.distinct.add(texts)

    @property
    def type(self) -> str:
        kinds = self.kinds - {"whole number"} if "number" in self.kinds else self.kinds
        return " or ".join(sorted(kinds)) or "empty"


def count_columns(rows: list[Row]) -> list[Counted]:
    """The columns of rows of JSON, nested ones under their path, counted."""
    columns: dict[str, _Column] = {}
    _add(columns, rows)
    return _counted(columns, len(rows))


def look_at_files(reader: FilesReader, feed_name: str, feed: Feed, place: str) -> Looked:
    """Look at all files of a feed.

    Raises:
        SourceError: the folder is not there, or a file cannot be read.
    """
    columns: dict[str, _Column] = {}
    rows, unreadable, size, newest = 0, 0, 0, 0.0
    for path in reader.paths(feed_name).values():
        seen = path.stat()
        size += seen.st_size
        newest = max(newest, seen.st_mtime)
        stream = _rows(path, str(feed.file_format))
        while chunk := list(itertools.islice(stream, _CHUNK)):
            good = [row for row in chunk if row is not None]
            rows += len(good)
            unreadable += len(chunk) - len(good)
            _add(columns, good)
    when = datetime.fromtimestamp(newest, UTC).isoformat(timespec="seconds") if newest else None
    return Looked(place, rows, unreadable, size, when, _counted(columns, rows))


def _counted(columns: Mapping[str, _Column], rows: int) -> list[Counted]:
    return [
        Counted(
            name, column.type, rows - column.filled, column.distinct.count, column.emails * 2 > column.filled
        )
        for name, column in columns.items()
    ]


def _add(columns: dict[str, _Column], rows: list[Row]) -> None:
    by_name: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in _flat(row):
            by_name.setdefault(name, []).append(value)
    for name, values in by_name.items():
        column = columns.get(name)
        if column is None:
            if len(columns) >= _MOST_COLUMNS:
                continue
            column = columns[name] = _Column()
        column.add([value for value in values if value is not None and value != ""])


def _flat(row: Row, before: str = "") -> Iterator[tuple[str, Any]]:
    for name, value in row.items():
        if isinstance(value, dict) and value:
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value[:1000]
    return orjson.dumps(value, default=str).decode() if isinstance(value, list | dict) else str(value)


def _rows(path: Path, form: str) -> Iterator[Row | None]:
    """The rows of a file; None for what is no row."""
    with path.open("rb") as file:
        if form == "csv":
            yield from _csv(file)
        elif form == "parquet":
            yield from _parquet(file)
        else:
            for piece in lines(file, 0, 0) if form == "json_lines" else elements(file, 0, 0):
                if piece.content.strip():
                    yield None if piece.too_long else _json(piece.content.removeprefix(b"\xef\xbb\xbf"))


def _json(content: bytes) -> Row | None:
    try:
        row = orjson.loads(content)
    except orjson.JSONDecodeError:
        return None
    return row if isinstance(row, dict) else None


def _csv(file: BinaryIO) -> Iterator[Row | None]:
    header: list[str] = []
    for piece in csv_rows(file, 0, 0):
        if not piece.content.strip():
            continue
        try:
            values = next(csv.reader([piece.content.decode("utf-8" if header else "utf-8-sig")], strict=True))
        except (UnicodeDecodeError, csv.Error):
            yield None
            continue
        if not header:
            header = values
        else:
            fits = len(values) == len(header) and not piece.too_long
            yield dict(zip(header, values, strict=True)) if fits else None


def _parquet(file: BinaryIO) -> Iterator[Row | None]:
    try:
        for batch in pq.ParquetFile(file).iter_batches(batch_size=_CHUNK):
            yield from batch.to_pylist()
    except pa.ArrowInvalid:
        yield None
