"""Reads feeds in tests as the stages do: page by page, each position through JSON, as it is kept between runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from customer_profiles.settings import Source
from customer_profiles.sources.connectors import open_connector
from customer_profiles.sources.envelope import Batch, Connector, Position
from customer_profiles_tests.cleaning.made import settings_of

PEOPLE = """
sources:
  shop:
    connector: {type: database, url: "URL"}
    feeds:
      people:
        contract: record
        table: people
        key: id
        cursor: changed_at
        fields: {source_key: id, full_name: name, updated_at: changed_at}
"""
SNAPSHOT = PEOPLE.replace("        cursor: changed_at\n", "")
FILES = """
sources:
  web:
    connector: {type: files, folder: web}
    feeds:
      people:
        contract: record
        files: "PATTERN"
        fields: {source_key: id, full_name: name}
"""


def source_of(text: str, folder: Path = Path("/nowhere")) -> Source:
    """The only source of some settings."""
    (source,) = settings_of(text, folder).sources.values()
    return source


def files_reader(folder: Path, pattern: str, text: str = FILES) -> Connector:
    """A reader of the files of a pattern in the folder `web`."""
    return open_connector("web", source_of(text.replace("PATTERN", pattern), folder))


def database_reader(url: str, text: str = PEOPLE) -> Connector:
    """A reader of the table of people of a database."""
    return open_connector("shop", source_of(text.replace("URL", url)))


def kept(position: Position) -> Position:
    """A position as it comes back from the state."""
    found: Position = json.loads(json.dumps(position))
    return found


def read_all(
    reader: Connector, position: Position | None = None, limit: int = 100, feed: str = "people"
) -> tuple[list[Batch], Position]:
    """Read to the end of what is there now; the pages, and where the next reading starts."""
    batches: list[Batch] = []
    at: Position = position or {}
    while not batches or not batches[-1].complete:
        batches.append(reader.read(feed, kept(at), limit))
        assert len(batches[-1].envelopes) <= limit
        at = batches[-1].position
    return batches, kept(at)


def places(batches: Sequence[Batch]) -> list[str]:
    """Where the rows of some pages stand."""
    return [envelope.position for batch in batches for envelope in batch.envelopes]


def payloads(batches: Sequence[Batch]) -> list[Any]:
    """What the rows of some pages hold."""
    return [envelope.payload for batch in batches for envelope in batch.envelopes]


def notes(batches: Sequence[Batch]) -> list[str]:
    """What is told of some pages."""
    return [note for batch in batches for note in batch.notes]


def make_people(engine: sa.Engine, name: sa.types.TypeEngine[Any] | None = None) -> sa.Table:
    """An empty table of people in the place of the one there was."""
    metadata = sa.MetaData()
    table = sa.Table(
        "people",
        metadata,
        sa.Column("id", sa.String(20), primary_key=True),
        sa.Column("name", name or sa.Text()),
        sa.Column("secret", sa.Text()),
        sa.Column("changed_at", sa.DateTime()),
    )
    with engine.begin() as connection:
        metadata.drop_all(connection)
        metadata.create_all(connection)
    return table
