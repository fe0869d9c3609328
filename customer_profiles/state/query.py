"""Read-only SQL and Parquet export: how people look into a state that no other tool can open."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import sqlalchemy as sa
import sqlglot
import sqlglot.errors
from sqlglot import expressions

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.state.bulk import arrow_batches
from customer_profiles.state.engine import State

_DIALECT = {"sqlite": "sqlite", "postgresql": "postgres"}


class QueryError(CustomerProfilesError):
    """The statement is not one SELECT, or the database cannot run it."""


@dataclass(frozen=True)
class Answer:
    """Rows of a query.

    Attributes:
        columns: Names of the columns.
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
    try:
        with state.everything() as connection:
            result = connection.execution_options(stream_results=True).exec_driver_sql(
                sql.replace("%", "%%") if state.dialect == "postgresql" else sql
            )
            rows = result.fetchmany(limit + 1)
            columns = tuple(result.keys())
    except sa.exc.DBAPIError as error:
        raise QueryError(
            f"The database cannot run this query: {error.orig}. Tables: {', '.join(tables(state))}."
        ) from error
    return Answer(columns, tuple(tuple(row) for row in rows[:limit]), len(rows) > limit)


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
        raise QueryError(f"There is no table {table!r}. Tables: {', '.join(known)}.")
    if not to.parent.is_dir():
        raise QueryError(f"There is no folder {to.parent}: make it first.")
    unfinished = to.with_name(to.name + ".part")
    rows = 0
    writer: pq.ParquetWriter | None = None
    try:
        with state.everything() as connection:
            for batch in arrow_batches(connection, sa.select(sa.text("*")).select_from(sa.table(table))):
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
    try:
        statements = sqlglot.parse(sql, read=_DIALECT[state.dialect])
    except sqlglot.errors.ParseError as error:
        raise QueryError(f"This is not SQL that can be read: {str(error).splitlines()[0]}") from error
    if len(statements) != 1 or not isinstance(statements[0], expressions.Query):
        raise QueryError("Only one SELECT at a time can be asked: this command reads and never writes.")
