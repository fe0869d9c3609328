"""Reads the demo's files as plainly as possible, without any of the code that makes or ingests them."""

import csv
import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq


def truth(folder: Path) -> list[dict[str, Any]]:
    return pq.read_table(folder / "truth" / "records.parquet").to_pylist()


def broken(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "truth" / "broken.jsonl").read_text().splitlines()]


def broken_places(folder: Path) -> set[tuple[str, str]]:
    return {(row["source"], row["where"]) for row in broken(folder)}


def table(folder: Path, database: str, name: str) -> list[dict[str, Any]]:
    """All rows of a table, broken ones too."""
    with sqlite3.connect(folder / f"{database}.db") as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {name}")]


def sound_table(folder: Path, database: str, name: str) -> list[dict[str, Any]]:
    """The rows of a table that are not broken."""
    places = broken_places(folder)
    return [row for row in table(folder, database, name) if (database, str(row["id"])) not in places]


def lines(folder: Path, source: str, pattern: str) -> Iterator[tuple[str, bytes]]:
    """Every line with its place, in the order of files and lines."""
    for path in sorted((folder / source).glob(pattern)):
        where = path.relative_to(folder / source).as_posix()
        for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
            yield f"{where}:{number}", line


def sound_json_lines(folder: Path, source: str, pattern: str) -> list[dict[str, Any]]:
    places = broken_places(folder)
    return [
        json.loads(line) for where, line in lines(folder, source, pattern) if (source, where) not in places
    ]


def sound_csv(folder: Path, source: str, pattern: str) -> list[dict[str, str]]:
    places = broken_places(folder)
    rows: list[dict[str, str]] = []
    for path in sorted((folder / source).glob(pattern)):
        where = path.relative_to(folder / source).as_posix()
        text = [
            line.decode()
            for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1)
            if (source, f"{where}:{number}") not in places
        ]
        rows += csv.DictReader(text)
    return rows


def sound_array(folder: Path, source: str, pattern: str) -> list[dict[str, Any]]:
    places = broken_places(folder)
    return [
        element
        for path in sorted((folder / source).glob(pattern))
        for number, element in enumerate(json.loads(path.read_bytes()), 1)
        if (source, f"{path.relative_to(folder / source).as_posix()}:{number}") not in places
    ]


def record_keys(folder: Path) -> list[tuple[str, str]]:
    """The source and key of every record that the sound rows of all sources tell of, each once."""
    identifies = sound_json_lines(folder, "web", "identify/*.jsonl")
    events = sound_json_lines(folder, "web", "events/*.jsonl")
    web = {row["userId"] or f"anonymous:{row['anonymousId']}" for row in identifies + events}
    return [
        *(("crm", row["id"]) for row in sound_table(folder, "crm", "contacts")),
        *(("orders", str(row["id"])) for row in sound_table(folder, "orders", "customers")),
        *(("web", key) for key in web),
        *(("email", row["Member ID"]) for row in sound_csv(folder, "email", "subscribers-*.csv")),
        *(("social", row["handle"]) for row in sound_array(folder, "social", "profiles-*.json")),
        *(("support", row["id"]) for row in sound_json_lines(folder, "support", "requesters-*.jsonl")),
    ]
