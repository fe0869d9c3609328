"""`customer-profiles query`: read-only SQL over the encrypted state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, err, out, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.state.engine import State


def query(
    sql: Annotated[
        str | None, typer.Argument(help='One SELECT, for example "SELECT count(*) FROM record".')
    ] = None,
    tables: Annotated[bool, typer.Option("--tables", help="List the tables with their columns.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many rows.")] = 100,
    json: JsonOption = False,
) -> None:
    """Ask the state a question in SQL. It can only read: nothing that this command runs can change a row.

    Examples: customer-profiles query --tables

    customer-profiles query "SELECT source, count(*) AS records FROM record GROUP BY source"

    A whole table as a file: customer-profiles export TABLE --to FILE.parquet
    """
    from customer_profiles.state.query import columns_by_table, names_table, run_query

    if (sql is None) == (not tables):
        raise typer.BadParameter("give one SELECT, or --tables to see what there is", param_hint="SQL")
    with open_to_read() as opened:
        if sql is None:
            listed = columns_by_table(opened.state)
        else:
            answer = run_query(opened.state, sql, limit)
            sealed = _sealed(opened.state) if names_table(sql, "interaction", opened.state) else 0
    if sql is None:
        if json:
            show_json(listed)
        else:
            show_table("", ("table", "columns"), listed.items())
        return
    if answer.more:
        err.print(f"Only the first {limit:,} rows are shown; ask for more with --limit.", style="dim")
    if sealed:
        err.print(
            f"{sealed:,} older interactions are sealed in the history and not asked here; "
            "all there are: customer-profiles export interaction --to FILE.parquet",
            style="dim",
        )
    if json:
        show_json([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])
        return
    show_table("", answer.columns, answer.rows, separated=False)
    out.print(f"{len(answer.rows):,} row{'s' * (len(answer.rows) != 1)}", style="dim")


def _sealed(state: State) -> int:
    """How many interactions are sealed."""
    from customer_profiles.state.history.manifest import totals

    with state.reading() as connection:
        return totals(connection).rows
