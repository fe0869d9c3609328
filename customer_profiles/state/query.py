"""Read-only SQL and Parquet export: how people look into a state that no other tool can open."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import sqlalchemy as sa
import sqlglot
import sqlglot.errors
from sqlglot import expressions

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.settings.nearest import nearest
from customer_profiles.state.bulk import arrow_batches
from customer_profiles.state.engine import State

_DIALECT = {"sqlite": "sqlite", "postgresql": "postgres"}
_WRITES = (
    expressions.Insert,
    expressions.Update,
    expressions.Delete,
    expressions.Merge,
    expressions.Into,
    expressions.Lock,
)
"""What can stand inside a SELECT on Postgres and would write or lock; the transaction refuses it too."""


class QueryError(CustomerProfilesError):
    """The statement is not one SELECT, or the database cannot run it."""


@dataclass(frozen=True)
class Answer:
    """Rows of a query.

    Attributes:
        columns: Names of the columns, each once: a second `x` is `x_2`.
        rows: The rows, at most as many as were asked for.
        more: Whether there are more rows than those.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[object, ...], ...]
    more: bool


def run_query(state: State, sql: str, limit: int) -> Answer:
    """Run one SELECT over all three stores; the connection itself cannot write.

    Args:
        state: The open state.
        sql: One SELECT in the dialect of the state's database.
        limit: The most rows to return.

    Raises:
        QueryError: It is not one SELECT, or the database refuses it.
    """
    _refuse_all_but_select(state, sql)
    statement = sql.replace("%", "%%") if state.dialect == "postgresql" else sql
    with state.everything() as connection:
        if state.dialect == "sqlite":
            _understand(connection, statement)
        try:
            result = connection.execution_options(stream_results=True).exec_driver_sql(statement)
            columns = _each_once(result.keys())
            rows = result.fetchmany(limit + 1)
        except sa.exc.DBAPIError as error:
            if state.dialect == "sqlite":  # what fails now, fails on a row, and SQLite would quote its values
                raise QueryError(
                    "The database cannot run this query: a value in a row does not suit it."
                ) from None
            raise QueryError(f"The database cannot run this query: {_said(error)}.") from None
    return Answer(columns, tuple(tuple(row) for row in rows[:limit]), len(rows) > limit)


def names_table(sql: str, table: str, state: State) -> bool:
    """Whether a statement that can be read names a table."""
    statement = sqlglot.parse_one(sql, read=_DIALECT[state.dialect])
    return any(one.name.lower() == table for one in statement.find_all(expressions.Table))


def tables(state: State) -> list[str]:
    """Names of all tables of the three stores."""
    return sorted(columns_by_table(state))


def columns_by_table(state: State) -> dict[str, list[str]]:
    """The columns of each table of the three stores."""
    with state.everything() as connection:
        inspector = sa.inspect(connection)
        schemas = [
            name for name in inspector.get_schema_names() if name in ("inbox", "state", "trust", "main")
        ]
        return {
            table: [column["name"] for column in inspector.get_columns(table, schema)]
            for schema in schemas
            for table in sorted(inspector.get_table_names(schema))
        }


def export_table(state: State, table: str, to: Path) -> int:
    """Write one table to a Parquet file, streamed; the file appears whole or not at all.

    Args:
        state: The open state.
        table: A table of any store.
        to: The file to write; its folder must exist.

    Returns:
        How many rows were written.

    Raises:
        QueryError: There is no such table, or the folder is missing.
    """
    known = tables(state)
    if table not in known:
        close = nearest(table, known)
        raise QueryError(
            f"There is no table {table!r}{f': did you mean {close}?' if close else '.'} "
            "Those there are: customer-profiles query --tables"
        )
    with state.everything() as connection:
        rows = arrow_batches(connection, sa.select(sa.text("*")).select_from(sa.table(table)))
        return write_parquet(table, rows, to)


def write_parquet(table: str, batches: Iterable[pa.RecordBatch], to: Path) -> int:
    """Write rows to a Parquet file as they come; the file appears whole or not at all.

    Args:
        table: What the rows are of, for what is told.
        batches: The rows.
        to: The file to write; its folder must exist.

    Returns:
        How many rows were written.

    Raises:
        QueryError: There are no rows, or the folder is missing.
    """
    if not to.parent.is_dir():
        raise QueryError(f"There is no folder {to.parent}: make it first.")
    unfinished = to.with_name(to.name + ".part")
    rows = 0
    writer: pq.ParquetWriter | None = None
    try:
        for batch in batches:
            writer = writer or pq.ParquetWriter(unfinished, batch.schema, compression="zstd")
            writer.write_batch(batch)
            rows += batch.num_rows
        if writer is None:
            raise QueryError(f"The table {table} is empty: there is nothing to export.")
        writer.close()
        os.replace(unfinished, to)
    finally:
        if writer is not None:
            writer.close()
        unfinished.unlink(missing_ok=True)
    return rows


def _refuse_all_but_select(state: State, sql: str) -> None:
    logging.getLogger("sqlglot").setLevel(logging.ERROR)  # it warns of what is refused here anyway
    try:
        statements = sqlglot.parse(sql, read=_DIALECT[state.dialect])
    except sqlglot.errors.ParseError as error:
        first = error.errors[0] if error.errors else {}
        where = f" near {first['highlight']!r}, line {first['line']}" if first.get("highlight") else ""
        raise QueryError(f"This is not SQL that can be read{where}.") from None
    except sqlglot.errors.SqlglotError:
        raise QueryError("This is not SQL that can be read: is a quote left open?") from None
    only = statements[0] if len(statements) == 1 else None
    if not isinstance(only, expressions.Query) or only.find(*_WRITES):
        raise QueryError("Only one SELECT at a time can be asked: this command reads and never writes.")


def _understand(connection: sa.Connection, statement: str) -> None:
    """Let SQLite compile the statement alone: what it says of that is of the statement's own words."""
    try:
        connection.exec_driver_sql(f"EXPLAIN {statement}").close()
    except sa.exc.DBAPIError as error:
        raise QueryError(
            f"The database cannot run this query: {_said(error)}. "
            "The tables and their columns: customer-profiles query --tables"
        ) from None


def _said(error: sa.exc.DBAPIError) -> str:
    return " ".join(str(error.orig).split()).rstrip(".")


def _each_once(names: Iterable[str]) -> tuple[str, ...]:
    seen: Counter[str] = Counter()
    once = []
    for name in names:
        seen[name] += 1
        once.append(name if seen[name] == 1 else f"{name}_{seen[name]}")
    return tuple(once)
