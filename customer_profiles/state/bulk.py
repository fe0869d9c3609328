"""Many rows at once, at the driver's speed. The only place where the two engines' SQL differs.

Rows are tuples of plain values (int, float, str, bytes, None); JSON columns hold text of `schema.to_json`.
Both engines give the same: rows are sorted by key, and several rows of one key in a batch are folded first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any

import orjson
import sqlalchemy as sa

from customer_profiles.state.arrow import arrow_batches, arrow_table
from customer_profiles.state.errors import driver_errors
from customer_profiles.state.schema import METADATA

__all__ = ["arrow_batches", "arrow_table", "delete_rows", "insert_rows", "rows_by_key", "upsert_rows"]

Row = tuple[Any, ...]
Table = sa.Table | str
Key = str | Sequence[str]

_FEW_ROWS = 1_000
"""So many rows at most go to Postgres within the statement that writes them; more are copied to a table beside, which takes four."""
_LOOKUP_VARIABLES = 8_000
"""How many values one look-up statement carries on SQLite (it allows 32,766)."""


def insert_rows(connection: sa.Connection, table: Table, columns: Sequence[str], rows: Iterable[Row]) -> int:
    """Insert rows that are not there yet; a key that is there already refuses them all.

    Returns:
        How many rows.
    """
    target = _table(table)
    key = [column.name for column in target.primary_key]
    batch = _sorted(rows, columns, key) if key and set(key) <= set(columns) else list(rows)
    if not batch:
        return 0
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(
            f"INSERT INTO {_q(target.name)} ({_list(columns)}) VALUES ({marks})", batch
        )
    else:
        _copy(connection, target.name, columns, batch)
    return len(batch)


def upsert_rows(
    connection: sa.Connection,
    table: Table,
    columns: Sequence[str],
    rows: Iterable[Row],
    *,
    key: Key,
    replace: Sequence[str] = (),
    add: Sequence[str] = (),
    greatest: Sequence[str] = (),
) -> int:
    """Insert rows, or change the ones that are there by their key.

    Args:
        connection: of `State.writing`.
        table: where to.
        columns: the names of the rows' values; those named nowhere below are written on insert only.
        rows: what to write. Several rows of one key act as if written one after the other.
        key: the columns of the primary key or of a unique constraint; never null.
        replace: columns that take the new value.
        add: columns that the new value is added to; a null changes nothing.
        greatest: columns that keep the greater value; a null changes nothing.

    Returns:
        How many different keys the rows had.
    """
    target, keys = _table(table), _names(key)
    batch = _fold(_sorted(rows, columns, keys), columns, keys, replace, add, greatest)
    if not batch:
        return 0
    own, into = f"{_q(target.name)}.", f"INSERT INTO {_q(target.name)} ({_list(columns)})"
    larger = "max" if connection.dialect.name == "sqlite" else "greatest"

    def merged(name: str, value: str) -> str:
        return f"{_q(name)} = coalesce({value}, {own}{_q(name)}, excluded.{_q(name)})"

    changes = [f"{_q(name)} = excluded.{_q(name)}" for name in replace]
    changes += [merged(name, f"{own}{_q(name)} + excluded.{_q(name)}") for name in add]
    changes += [merged(name, f"{larger}({own}{_q(name)}, excluded.{_q(name)})") for name in greatest]
    conflict = f"ON CONFLICT ({_list(keys)}) DO " + (
        f"UPDATE SET {', '.join(changes)}" if changes else "NOTHING"
    )
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * len(columns))
        connection.exec_driver_sql(f"{into} VALUES ({marks}) {conflict}", batch)
    elif len(batch) <= _FEW_ROWS:
        source, arrays = _unnested(target, columns, batch)
        connection.exec_driver_sql(f"{into} SELECT {_list(columns)} FROM {source} {conflict}", arrays)
    else:
        incoming = _copy_beside(connection, target, columns, batch)
        connection.exec_driver_sql(f"{into} SELECT {_list(columns)} FROM {incoming} {conflict}")
        connection.exec_driver_sql(f"TRUNCATE {incoming}")
    return len(batch)


def delete_rows(connection: sa.Connection, table: Table, key: Key, rows: Iterable[Row | Any]) -> int:
    """Delete the rows that have these values in the columns of `key`.

    Args:
        connection: of `State.writing`.
        table: where from.
        key: a column, or several; never null.
        rows: tuples of the columns' values; for a single column, plain values do as well.

    Returns:
        How many rows were deleted.
    """
    target, keys = _table(table), _names(key)
    wanted = _distinct(rows, keys)
    if not wanted:
        return 0
    if connection.dialect.name == "sqlite":
        where = " AND ".join(f"{_q(name)} = ?" for name in keys)
        return connection.exec_driver_sql(f"DELETE FROM {_q(target.name)} WHERE {where}", wanted).rowcount
    source, arrays = _unnested(target, keys, wanted)
    sql = f"DELETE FROM {_q(target.name)} AS t USING {source} WHERE {_matches(keys)}"
    return connection.exec_driver_sql(sql, arrays).rowcount


def rows_by_key(
    connection: sa.Connection,
    table: Table,
    key: Key,
    values: Iterable[Row | Any],
    columns: Sequence[str],
    within: Mapping[str, Any] | None = None,
    least: Mapping[str, Any] | None = None,
) -> list[Row]:
    """The rows that have these values in the columns of `key`, through its index, in no promised order.

    Args:
        connection: any.
        table: where from.
        key: a column, or several; they need an index.
        values: for a single column plain values or tuples of one, else tuples. Nulls find nothing.
        columns: what to give of each row.
        within: columns with the one value that all rows have there; with the key they need an index.
        least: columns with the least value that rows have there.

    Returns:
        Tuples of the columns' values.
    """
    target, keys = _table(table), _names(key)
    where = _Where(within or {}, least or {}, "?" if connection.dialect.name == "sqlite" else "%s")
    select = "SELECT " + ", ".join(f"t.{_q(name)}" for name in columns)
    if connection.dialect.name == "sqlite" and len(keys) == 1:
        plain: set[Any] = {value for value in values if value is not None}
        if all(type(value) is int for value in plain):
            return _rows_by_number(connection, target, keys[0], sorted(plain), select, where)
        values = plain
    wanted = _distinct((value for value in values if value is not None), keys)
    if not wanted:
        return []
    if connection.dialect.name != "sqlite":
        source, arrays = _unnested(target, keys, wanted)
        sql = f"{select} FROM {source} JOIN {_q(target.name)} AS t ON {_matches(keys)}{where.text}"
        return _driver_rows(connection, sql, (*arrays, *where.values))
    found: list[Row] = []
    size = _LOOKUP_VARIABLES // len(keys)
    for start in range(0, len(wanted), size):
        part = wanted[start : start + size]
        marks = ", ".join([f"({', '.join('?' * len(keys))})"] * len(part))
        # CROSS JOIN keeps the order of the join: first the values, then the index.
        sql = f"WITH wanted ({_list(keys)}) AS (VALUES {marks}) {select} "
        sql += f"FROM wanted CROSS JOIN {_q(target.name)} AS t ON {_matches(keys)}{where.text}"
        marked = (*(value for row in part for value in row), *where.values)
        found.extend(_driver_rows(connection, sql, marked))
    return found


@dataclass(frozen=True)
class _Where:
    """What else rows must be like, beside their key."""

    within: Mapping[str, Any]
    least: Mapping[str, Any]
    mark: str

    @property
    def text(self) -> str:
        equal = "".join(f" AND t.{_q(name)} = {self.mark}" for name in self.within)
        return equal + "".join(f" AND t.{_q(name)} >= {self.mark}" for name in self.least)

    @property
    def values(self) -> Row:
        return (*self.within.values(), *self.least.values())


def _rows_by_number(
    connection: sa.Connection,
    target: sa.Table,
    key: str,
    numbers: list[int],
    select: str,
    where: _Where,
) -> list[Row]:
    """As `rows_by_key` on SQLite for whole numbers: one statement, whose text is the same whatever their number."""
    if not numbers:
        return []
    sql = f"{select} FROM json_each(?) AS wanted CROSS JOIN {_q(target.name)} AS t ON t.{_q(key)} = wanted.value{where.text}"
    return _driver_rows(connection, sql, (orjson.dumps(numbers).decode(), *where.values))


def _fold(
    rows: list[Row],
    columns: Sequence[str],
    keys: Sequence[str],
    replace: Sequence[str],
    add: Sequence[str],
    greatest: Sequence[str],
) -> list[Row]:
    """Several rows of one key become the row that writing them one after the other would leave."""
    by = _by(columns, keys)
    unnamed = set(replace) | set(add) | set(greatest) | set(keys)
    if not unnamed <= set(columns):
        raise ValueError(f"these columns have no values: {sorted(unnamed - set(columns))}")
    rules: list[tuple[int, Callable[[Any, Any], Any]]] = [
        *((columns.index(name), lambda _old, new: new) for name in replace),
        *((columns.index(name), lambda old, new: old + new) for name in add),
        *((columns.index(name), max) for name in greatest),
    ]
    merging = {columns.index(name) for name in (*add, *greatest)}
    folded: list[Row] = []
    last: Any = None
    for row in rows:
        if (own := by(row)) != last:
            folded.append(row)
            last = own
            continue
        merged = list(folded[-1])
        for place, rule in rules:
            old, new = merged[place], row[place]
            if place in merging and (old is None or new is None):
                merged[place] = old if new is None else new
            else:
                merged[place] = rule(old, new)
        folded[-1] = tuple(merged)
    return folded


def _copy(connection: sa.Connection, into: str, columns: Sequence[str], rows: list[Row]) -> None:
    driver: Any = connection.connection.driver_connection
    with (
        driver_errors(connection, f"COPY {into}"),
        driver.cursor() as cursor,
        cursor.copy(f"COPY {_q(into)} ({_list(columns)}) FROM STDIN") as copy,
    ):
        write = copy.write_row
        for row in rows:
            write(row)


def _copy_beside(connection: sa.Connection, target: sa.Table, columns: Sequence[str], rows: list[Row]) -> str:
    """Copy rows into a temporary table of the same types, which stays with the connection."""
    made = connection.info.setdefault("incoming", {})
    shape = (target.name, tuple(columns))
    name = made.get(shape) or f"incoming_{len(made)}"
    # IF NOT EXISTS at all times: a rollback takes away a table that was made in its transaction.
    connection.exec_driver_sql(
        f"CREATE TEMPORARY TABLE IF NOT EXISTS {name} ON COMMIT DELETE ROWS "
        f"AS SELECT {_list(columns)} FROM {_q(target.name)} WITH NO DATA"
    )
    made[shape] = name
    _copy(connection, name, columns, rows)
    return name


def _unnested(target: sa.Table, keys: Sequence[str], rows: list[Row]) -> tuple[str, Row]:
    dialect = sa.dialects.registry.load("postgresql.psycopg")()
    types = [
        target.c[name].type.dialect_impl(dialect).compile(dialect).partition(" COLLATE")[0] for name in keys
    ]
    arrays = ", ".join(f"%s::{kind}[]" for kind in types)
    columns = zip(keys, zip(*rows, strict=True), strict=True)
    values = tuple(_array(target.c[name].type, column) for name, column in columns)
    return f"unnest({arrays}) AS wanted ({_list(keys)})", values


def _array(kind: sa.types.TypeEngine[Any], values: Sequence[Any]) -> str | list[Any]:
    """Values of a column as the driver takes an array. Numbers it would look at one by one, which takes longer than finding them."""
    if isinstance(kind, sa.BigInteger):
        return "{" + ",".join("NULL" if value is None else str(value) for value in values) + "}"
    if isinstance(kind, sa.Double):  # one type in an array
        return [None if value is None else float(value) for value in values]
    return list(values)


def _matches(keys: Sequence[str]) -> str:
    return " AND ".join(f"t.{_q(name)} = wanted.{_q(name)}" for name in keys)


def _driver_rows(connection: sa.Connection, sql: str, parameters: Row) -> list[Row]:
    result = connection.exec_driver_sql(sql, parameters)
    cursor: Any = result.cursor  # its rows are plain tuples, no Row objects
    rows: list[Row] = cursor.fetchall()
    result.close()
    return rows


def _distinct(rows: Iterable[Row | Any], keys: Sequence[str]) -> list[Row]:
    wanted = {row if isinstance(row, tuple) else (row,) for row in rows}
    return _sorted(wanted, keys, keys)


def _sorted(rows: Iterable[Row], columns: Sequence[str], keys: Sequence[str]) -> list[Row]:
    try:
        return sorted(rows, key=_by(columns, keys))
    except TypeError:
        raise ValueError(f"the key ({', '.join(keys)}) of a row is null or of mixed types") from None


def _by(columns: Sequence[str], keys: Sequence[str]) -> Callable[[Row], Any]:
    return itemgetter(*(columns.index(name) for name in keys))


def _table(table: Table) -> sa.Table:
    if isinstance(table, sa.Table):
        return table
    for metadata in METADATA.values():
        if table in metadata.tables:
            return metadata.tables[table]
    raise ValueError(f"there is no table {table}")


def _names(key: Key) -> tuple[str, ...]:
    return (key,) if isinstance(key, str) else tuple(key)


def _q(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _list(names: Sequence[str]) -> str:
    return ", ".join(map(_q, names))
