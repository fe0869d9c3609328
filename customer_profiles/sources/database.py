"""Reads tables of any database that SQLAlchemy knows, a page at a time by key."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from customer_profiles.settings import Feed
from customer_profiles.settings.sources import DatabaseConnector
from customer_profiles.sources.engines import connect, failed
from customer_profiles.sources.envelope import Batch, Envelope, Position
from customer_profiles.sources.errors import SourceError
from customer_profiles.sources.paths import mapped_columns
from customer_profiles.sources.values import from_position, to_position

_FAMILIES: tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...] = (
    (sa.JSON, "json"),
    (sa.Boolean, "truth value"),
    (sa.DateTime, "time"),
    (sa.Date, "date"),
    (sa.Integer, "whole number"),
    (sa.Numeric, "number"),
    (sa.LargeBinary, "bytes"),
    (sa.String, "text"),
)


class DatabaseReader:
    """Reads the feeds of one database.

    A feed with a cursor is read incrementally, in the order of (cursor, key), so that rows with equal cursors are never
    skipped at the edge of a page; rows without a cursor value are read again each time. A feed without a cursor is a
    snapshot, read whole each time in the order of its key. A row that another transaction commits later with an older
    cursor value than was read already is not seen: let the cursor be set at commit, or leave it out.
    """

    def __init__(self, source: str, settings: DatabaseConnector, feeds: Mapping[str, Feed]) -> None:
        self._source = source
        self._settings = settings
        self._feeds = feeds
        self._engine = connect(source, settings.url)
        self._tables: dict[str, _Table] = {}

    def read(self, feed: str, position: Position, limit: int) -> Batch:
        """One page; see :class:`~customer_profiles.sources.envelope.Connector`.

        A page ends at `limit` rows; the feed is complete when a page is shorter.
        """
        table = self._table(feed)
        notes: tuple[str, ...] = ()
        settings = self._feeds[feed]
        if position and position["mapping"] != settings.fingerprint:
            notes = (f"{self._source}.{feed}: its settings changed, so its whole table is read again.",)
            position = {"snapshot": position.get("snapshot", 0), "again": True}
        table.check_types(position.get("types", {}))
        if table.cursor is None:
            return self._snapshot(feed, table, position, limit, notes)
        return self._incremental(feed, table, position, limit, notes)

    def close(self) -> None:
        """Close the connections."""
        self._engine.dispose()

    def _snapshot(self, feed: str, table: _Table, at: Position, limit: int, notes: tuple[str, ...]) -> Batch:
        number = at.get("snapshot", 0)
        if "key" not in at:
            number += 1
        rows = self._page(feed, table, (), at.get("key"), limit)
        complete = len(rows) < limit
        position = self._position(feed, table) | {"snapshot": number}
        if not complete:
            position["key"] = table.mark(rows[-1], table.key)
            position["again"] = bool(at.get("again"))
        return Batch(table.envelopes(rows), position, complete, number, bool(at.get("again")), notes)

    def _incremental(
        self, feed: str, table: _Table, at: Position, limit: int, notes: tuple[str, ...]
    ) -> Batch:
        assert table.cursor is not None
        kept = {name: at[name] for name in ("cursor", "key") if name in at}
        position = self._position(feed, table) | kept
        again = bool(at.get("again"))
        envelopes: list[Envelope] = []
        if at.get("reading") != "rows" and table.cursor_nullable:
            rows = self._page(feed, table, (), at.get("without"), limit, without_cursor=True)
            envelopes = table.envelopes(rows)
            if len(rows) == limit:
                position |= {"without": table.mark(rows[-1], table.key), "again": again}
                return Batch(envelopes, position, False, None, again, notes)
            limit -= len(rows)
        rows = self._page(feed, table, kept.get("cursor", ()), kept.get("key"), limit)
        if rows:
            position["cursor"] = table.mark(rows[-1], (table.cursor,))
            position["key"] = table.mark(rows[-1], table.key)
        complete = len(rows) < limit
        if not complete:
            position |= {"reading": "rows", "again": again}
        return Batch(envelopes + table.envelopes(rows), position, complete, None, again, notes)

    def _position(self, feed: str, table: _Table) -> dict[str, Any]:
        return {"mapping": self._feeds[feed].fingerprint, "types": dict(table.types)}

    def _page(
        self, feed: str, table: _Table, cursor: Any, key: Any, limit: int, without_cursor: bool = False
    ) -> Sequence[sa.Row[Any]]:
        # One row more than the page: of two rows that cannot be told apart, a border between them would lose one.
        rows = self._rows(feed, table.page(cursor, key, limit + 1, without_cursor))
        if table.has_twins(rows):
            raise SourceError(
                f"{table.name}: several rows of {self._feeds[feed].table} have the same {', '.join(table.key)}: "
                "name columns in `key` that tell its rows apart"
            )
        return rows[:limit]

    def _rows(self, feed: str, page: sa.Select[Any]) -> Sequence[sa.Row[Any]]:
        try:
            with self._engine.connect() as connection:
                return connection.execute(page).fetchall()
        except sa.exc.SQLAlchemyError as error:
            raise failed(f"{self._source}.{feed}", self._feeds[feed].table, self._engine.url, error) from None

    def _table(self, feed: str) -> _Table:
        # Looked at once a pass of this reader: a schema that changes meanwhile fails the page, not the data.
        if feed not in self._tables:
            settings = self._feeds[feed]
            try:
                looked = sa.inspect(self._engine)
                columns = looked.get_columns(str(settings.table), schema=self._settings.database_schema)
                constraint = looked.get_pk_constraint(
                    str(settings.table), schema=self._settings.database_schema
                )
            except sa.exc.SQLAlchemyError as error:
                raise failed(f"{self._source}.{feed}", settings.table, self._engine.url, error) from None
            table = _Table(
                f"{self._source}.{feed}",
                settings,
                self._settings.database_schema,
                {str(column["name"]): column for column in columns},
                tuple(constraint["constrained_columns"]),
            )
            if table.key_nullable and self._rows(feed, table.without_key()):
                raise SourceError(
                    f"{table.name}: rows of {settings.table} have nothing in {', '.join(table.key_nullable)}: "
                    "name columns in `key` that are never empty, or no such row could be told from another"
                )
            self._tables[feed] = table
        return self._tables[feed]


class _Table:
    """One table as a feed reads it."""

    def __init__(
        self,
        name: str,
        feed: Feed,
        schema: str | None,
        columns: Mapping[str, Mapping[str, Any]],
        primary: tuple[str, ...],
    ) -> None:
        self.name = name
        self.cursor = feed.cursor
        self.key = feed.key or primary
        if not self.key:
            raise SourceError(
                f"{name}: {feed.table} has no primary key: name the columns that tell its rows apart in `key`"
            )
        wanted = dict.fromkeys(
            [*self.key, *([feed.cursor] if feed.cursor else []), *map(_base(columns), feed.columns)]
        )
        gone = [column for column in wanted if column not in columns]
        if gone:
            raise SourceError(
                f"{name}: {feed.table} has no column {', '.join(gone)}: "
                "bring it back, or change the feed's `fields`; nothing was read, and reading goes on where it was"
            )
        self.columns = tuple(wanted)
        self.types = {column: _family(columns[column]["type"]) for column in wanted}
        self.cursor_nullable = bool(
            feed.cursor and columns[feed.cursor].get("nullable", True) and feed.cursor not in self.key
        )
        self.key_nullable = tuple(name for name in self.key if columns[name].get("nullable", True))
        self._mapped = tuple(dict.fromkeys(map(_base(columns), mapped_columns(feed))))
        self._table = sa.table(str(feed.table), *(sa.column(column) for column in columns), schema=schema)
        self._where = [
            self._table.c[column].in_(value) if isinstance(value, tuple) else self._table.c[column] == value
            for column, value in feed.where.items()
        ]

    def check_types(self, known: Mapping[str, str]) -> None:
        """Refuse a table whose columns are no longer what they were when reading began."""
        changed = [name for name, family in self.types.items() if known.get(name, family) != family]
        if changed:
            told = ", ".join(f"{name} was {known[name]} and is {self.types[name]} now" for name in changed)
            raise SourceError(
                f"{self.name}: columns changed their type ({told}): change them back, or change the feed's settings to "
                "suit, which reads the feed again; nothing was read, and reading goes on where it was"
            )

    def page(self, cursor: Any, key: Any, limit: int, without_cursor: bool = False) -> sa.Select[Any]:
        """The next rows after a cursor and key, in their order."""
        order = list(self.key)
        after = list(from_position(key)) if key is not None else []
        conditions = list(self._where)
        if self.cursor is not None:
            if without_cursor:
                conditions.append(self._table.c[self.cursor].is_(None))
            else:
                conditions.append(self._table.c[self.cursor].is_not(None))
                order = [self.cursor, *order]
                after = [*from_position(cursor), *after] if cursor else []
        ordered = [self._table.c[name] for name in order]
        if after:
            conditions.append(_beyond(ordered, after))
        return (
            sa.select(*(self._table.c[name] for name in self.columns))
            .where(*conditions)
            .order_by(*ordered)
            .limit(limit)
        )

    def without_key(self) -> sa.Select[Any]:
        """A row with nothing in a column of the key, if there is one."""
        empty = [self._table.c[name].is_(None) for name in self.key_nullable]
        return sa.select(sa.literal(1)).select_from(self._table).where(*self._where, sa.or_(*empty)).limit(1)

    def has_twins(self, rows: Sequence[sa.Row[Any]]) -> bool:
        """Whether two neighbours of a page have the same cursor and key."""
        order = [self.columns.index(name) for name in (*self.key, *([self.cursor] if self.cursor else []))]
        return any(
            all(one[place] == other[place] for place in order) for one, other in itertools.pairwise(rows)
        )

    def mark(self, row: sa.Row[Any], columns: tuple[str, ...]) -> list[Any]:
        """The values of these columns in a row, fit for a position."""
        return [to_position(row._mapping[name]) for name in columns]

    def envelopes(self, rows: Sequence[sa.Row[Any]]) -> list[Envelope]:
        """Rows as envelopes; of columns read only to find the way, nothing is kept."""
        places = [(name, self.columns.index(name)) for name in self._mapped]
        keys = [self.columns.index(name) for name in self.key]
        if len(keys) == 1:
            (only,) = keys
            return [Envelope(str(row[only]), {name: row[place] for name, place in places}) for row in rows]
        return [
            Envelope(
                ",".join(str(row[place]) for place in keys), {name: row[place] for name, place in places}
            )
            for row in rows
        ]


def _base(columns: Mapping[str, Any]) -> Any:
    return lambda path: path if path in columns else path.split(".")[0]


def _beyond(columns: Sequence[sa.ColumnElement[Any]], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """(a, b) > (x, y), spelled out: not every database compares rows. `a >= x` lets an index find the start."""
    first, value = columns[0], values[0]
    further: sa.ColumnElement[bool] = first > value
    if len(columns) == 1:
        return further
    rest = _beyond(columns[1:], values[1:])
    return sa.and_(first >= value, sa.or_(further, rest))


def _family(type_: sa.types.TypeEngine[Any]) -> str:
    return next((family for kind, family in _FAMILIES if isinstance(type_, kind)), "other")
