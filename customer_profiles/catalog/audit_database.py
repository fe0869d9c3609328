"""Looks at a table: everything is counted by the database itself, so no value leaves it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from customer_profiles.settings import Feed
from customer_profiles.settings.sources import DatabaseConnector
from customer_profiles.sources.engines import connect, failed

_AT_ONCE = 30
"""Columns counted by one query."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What was counted of one column."""

    name: str
    type: str
    nulls: int
    distinct: int
    looks_like_email: bool


@dataclass(frozen=True, slots=True)
class Looked:
    """What was found of one feed."""

    place: str
    rows: int
    unreadable: int
    size_bytes: int | None
    newest: str | None
    columns: list[Counted]


def look_at_tables(source: str, settings: DatabaseConnector, feeds: Mapping[str, Feed]) -> dict[str, Looked]:
    """Look at every table of a database that has a feed.

    Raises:
        SourceError: the database cannot be read, or a table is not there.
    """
    engine = connect(source, settings.url)
    found: dict[str, Looked] = {}
    try:
        for name, feed in feeds.items():
            try:
                with engine.connect() as connection:
                    found[name] = _look(connection, feed, settings.database_schema)
            except sa.exc.SQLAlchemyError as error:
                raise failed(f"{source}.{name}", feed.table, engine.url, error) from None
    finally:
        engine.dispose()
    return found


def _look(connection: sa.Connection, feed: Feed, schema: str | None) -> Looked:
    columns = sa.inspect(connection).get_columns(str(feed.table), schema=schema)
    table = sa.table(str(feed.table), *(sa.column(str(column["name"])) for column in columns), schema=schema)
    rows = int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
    counted: list[Counted] = []
    for start in range(0, len(columns), _AT_ONCE):
        counted += _count(connection, table, columns[start : start + _AT_ONCE], rows)
    newest = None
    if feed.cursor is not None and feed.cursor in table.c:
        newest = connection.execute(sa.select(sa.func.max(table.c[feed.cursor]))).scalar_one()
    return Looked(
        str(feed.table),
        rows,
        0,
        _size(connection, str(feed.table), schema),
        None if newest is None else str(newest),
        counted,
    )


def _count(connection: sa.Connection, table: sa.TableClause, columns: list[Any], rows: int) -> list[Counted]:
    wanted: list[sa.ColumnElement[Any]] = []
    for column in columns:
        value = table.c[column["name"]]
        text = sa.cast(value, sa.Text)
        # JSON and the types that SQLAlchemy does not know may have no equality.
        comparable = text if isinstance(column["type"], (sa.JSON, sa.types.NullType)) else value
        empty = sa.case((sa.or_(value.is_(None), text == ""), 1), else_=0)
        like_email = sa.case((text.like("%_@_%._%"), 1), else_=0)
        wanted += [
            sa.func.coalesce(sa.func.sum(empty), 0),
            sa.func.count(sa.distinct(comparable)),
            sa.func.coalesce(sa.func.sum(like_email), 0),
        ]
    counts = [int(count) for count in connection.execute(sa.select(*wanted).select_from(table)).one()]
    found = []
    for place, column in enumerate(columns):
        nulls, distinct, emails = counts[3 * place : 3 * place + 3]
        like_emails = emails * 2 > rows - nulls
        found.append(Counted(str(column["name"]), str(column["type"]).lower(), nulls, distinct, like_emails))
    return found


def _size(connection: sa.Connection, table: str, schema: str | None) -> int | None:
    if connection.dialect.name == "postgresql":
        name = f"{schema}.{table}" if schema else table
        query = sa.text("SELECT pg_total_relation_size(CAST(:name AS regclass))")
        return int(connection.execute(query, {"name": name}).scalar_one())
    if connection.dialect.name == "sqlite":
        try:
            query = sa.text("SELECT sum(pgsize) FROM dbstat WHERE name = :name")
            pages = connection.execute(query, {"name": table}).scalar_one()
            return None if pages is None else int(pages)
        except sa.exc.OperationalError:
            return None  # this build of SQLite does not count pages by table
    return None
