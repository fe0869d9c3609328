"""Results as Arrow, read in batches so that memory does not follow the number of rows."""

import re
from collections.abc import Iterator, Sequence
from itertools import count as _count
from typing import Any

import pyarrow as pa
import sqlalchemy as sa

from customer_profiles.state.errors import driver_errors

BATCH_ROWS = 65_536

_CURSORS = _count(1)

_POSTGRES_TYPES = {
    16: pa.bool_(), 17: pa.binary(), 20: pa.int64(), 21: pa.int64(), 23: pa.int64(), 25: pa.string(),
    700: pa.float64(), 701: pa.float64(), 1042: pa.string(), 1043: pa.string(), 19: pa.string(),
}  # fmt: skip
"""By type number of the server; NUMERIC (1700) is whole or not, which only its values tell."""
_SQLITE_TYPES = {"integer": pa.int64(), "real": pa.float64(), "text": pa.string(), "blob": pa.binary()}
_LITERAL_OR_MARK = re.compile(r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|[?%]")


def arrow_batches(
    connection: sa.Connection,
    query: str | sa.Select[Any],
    params: Sequence[Any] = (),
    *,
    batch_rows: int = BATCH_ROWS,
) -> Iterator[pa.RecordBatch]:
    """The result of a query, batch by batch, all of one schema; no batch when there are no rows.

    Args:
        connection: any; on Postgres the rows wait on the server.
        query: SQL with `?` for each parameter (on both engines), or a Select.
        params: the values of the marks.
        batch_rows: at most as many rows a batch.
    """
    _, batches = _read(connection, query, params, batch_rows)
    return batches


def arrow_table(
    connection: sa.Connection, query: str | sa.Select[Any], params: Sequence[Any] = ()
) -> pa.Table:
    """The whole result of a query; empty, it still has its columns."""
    schema, batches = _read(connection, query, params, BATCH_ROWS)
    return pa.Table.from_batches(batches, schema=schema)


def _read(
    connection: sa.Connection, query: str | sa.Select[Any], params: Sequence[Any], batch_rows: int
) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
    names, cursor = _execute(connection, query, params)
    cursor.arraysize = batch_rows
    first = _fetch(connection, cursor, batch_rows)
    declared = _declared(query)
    fields = []
    for place, name in enumerate(names):
        kind = declared.get(place)
        if kind is None and connection.dialect.name == "postgresql":
            kind = _POSTGRES_TYPES.get(cursor.description[place].type_code)
        fields.append((name, kind or _seen(connection, query, params, name, [row[place] for row in first])))
    schema = pa.schema(fields)

    def batches() -> Iterator[pa.RecordBatch]:
        rows = first
        try:
            while rows:
                yield pa.RecordBatch.from_arrays(
                    [
                        _array(values, field.type)
                        for values, field in zip(zip(*rows, strict=True), schema, strict=True)
                    ],
                    schema=schema,
                )
                rows = _fetch(connection, cursor, batch_rows)
        finally:
            cursor.close()

    return schema, batches()


def _execute(
    connection: sa.Connection, query: str | sa.Select[Any], params: Sequence[Any]
) -> tuple[list[str], Any]:
    """Column names and the driver's own cursor, whose rows are plain tuples."""
    if connection.dialect.name == "sqlite":
        if isinstance(query, str):
            result = connection.exec_driver_sql(query, tuple(params))
        else:
            result = connection.execute(query)
        return list(result.keys()), result.cursor
    sql, values = (
        (_for_postgres(query), tuple(params)) if isinstance(query, str) else _compiled(connection, query)
    )
    driver: Any = connection.connection.driver_connection
    cursor = driver.cursor(name=f"arrow_{next(_CURSORS)}")
    with driver_errors(connection, "SELECT"):
        cursor.execute(sql, values)
    return [column.name for column in cursor.description], cursor


def _fetch(connection: sa.Connection, cursor: Any, count: int) -> list[tuple[Any, ...]]:
    with driver_errors(connection, "FETCH"):
        rows: list[tuple[Any, ...]] = cursor.fetchmany(count)
    return rows


def _compiled(connection: sa.Connection, query: sa.Select[Any]) -> tuple[str, Any]:
    compiled = query.compile(dialect=connection.dialect, compile_kwargs={"render_postcompile": True})
    return str(compiled), compiled.params


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if kind == pa.bool_():  # SQLite keeps 0 and 1
        values = [None if value is None else bool(value) for value in values]
    return pa.array(values, type=kind)


def _declared(query: str | sa.Select[Any]) -> dict[int, pa.DataType]:
    """The types that a Select's table columns were declared with."""
    if isinstance(query, str):
        return {}
    kinds: dict[int, pa.DataType] = {}
    for place, column in enumerate(query.selected_columns):
        for sql_type, kind in (
            (sa.Boolean, pa.bool_()),
            (sa.Integer, pa.int64()),
            (sa.Float, pa.float64()),
            (sa.String, pa.string()),
            (sa.LargeBinary, pa.binary()),
        ):
            if isinstance(column.type, sql_type):
                kinds[place] = kind
                break
    return kinds


def _seen(
    connection: sa.Connection,
    query: str | sa.Select[Any],
    params: Sequence[Any],
    name: str,
    values: Sequence[Any],
) -> pa.DataType:
    """The type of a column that only its values tell; or the first value after the first batch."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {int}:
        return pa.int64()
    if kinds and kinds <= {int, float}:
        return pa.float64()
    if kinds:
        return pa.array([value for value in values if value is not None][:1]).type
    if connection.dialect.name != "sqlite" or not isinstance(query, str) or len(values) == 0:
        return pa.string()
    quoted = '"' + name.replace('"', '""') + '"'
    sql = f"SELECT typeof({quoted}) FROM ({query}) WHERE {quoted} IS NOT NULL LIMIT 1"
    found = connection.exec_driver_sql(sql, tuple(params)).scalar_one_or_none()
    return _SQLITE_TYPES.get(found or "text", pa.string())


def _for_postgres(sql: str) -> str:
    """SQLite's `?` marks as Postgres' driver takes them; percent signs doubled, to mean themselves."""

    def mark(found: re.Match[str]) -> str:
        text = found[0]
        return "%s" if text == "?" else text.replace("%", "%%")

    return _LITERAL_OR_MARK.sub(mark, sql)
