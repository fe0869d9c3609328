"""Loads and saves where each feed was left."""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from customer_profiles.sources.envelope import Position
from customer_profiles.sources.tables import feed_position, source_file
from customer_profiles.state.bulk import delete_rows, upsert_rows
from customer_profiles.state.schema import from_json, to_json

FILES = "files"
"""The part of a position that is kept row by row: the marks of a folder's files."""


def load_position(connection: sa.Connection, source: str, feed: str) -> Position:
    """Where a feed was left; empty when it was never read."""
    where = (feed_position.c.source == source) & (feed_position.c.feed == feed)
    written = connection.execute(sa.select(feed_position.c.position).where(where)).scalar_one_or_none()
    if written is None:
        return {}
    position = dict(from_json(written))
    if FILES in position:
        marks = sa.select(source_file.c.path, source_file.c.mark).where(
            source_file.c.source == source, source_file.c.feed == feed
        )
        position[FILES] = {path: from_json(mark) for path, mark in connection.execute(marks)}
    return position


def save_position(
    connection: sa.Connection, source: str, feed: str, before: Position, after: Position
) -> None:
    """Save where a feed is left now; of its files only those whose marks changed are written."""
    plain = {name: value for name, value in after.items() if name != FILES}
    if FILES in after:
        plain[FILES] = True
        old: Mapping[str, Any] = before.get(FILES, {})
        new: Mapping[str, Any] = after[FILES]
        changed = [(source, feed, path, to_json(mark)) for path, mark in new.items() if old.get(path) != mark]
        key = ("source", "feed", "path")
        upsert_rows(connection, source_file, (*key, "mark"), changed, key=key, replace=("mark",))
        delete_rows(connection, source_file, key, [(source, feed, path) for path in old if path not in new])
    row = (source, feed, to_json(plain))
    upsert_rows(
        connection,
        feed_position,
        ("source", "feed", "position"),
        [row],
        key=("source", "feed"),
        replace=("position",),
    )
