"""The database files of the demo: made in one go, the same bytes for the same rows."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def new_database(path: Path, schema: str) -> Iterator[sqlite3.Connection]:
    """Make an SQLite file with the given tables, and commit at the end.

    Nothing protects it from a crash meanwhile, which makes it fast: a demo that was cut short is made anew.
    """
    path.unlink(missing_ok=True)
    connection = sqlite3.connect(path)
    try:
        connection.executescript(f"PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; {schema}")
        yield connection
        connection.commit()
    finally:
        connection.close()


def insert(connection: sqlite3.Connection, table: str, rows: list[tuple[object, ...]]) -> None:
    """Insert rows whose values stand in the order of the table's columns."""
    if rows:
        marks = ", ".join("?" * len(rows[0]))
        connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
