"""`customer-profiles query`: read-only SQL over the encrypted state."""

from __future__ import annotations

from typing import Annotated

import typer

from customer_profiles.cli.output import JsonOption, err, out, show_json, show_table
from customer_profiles.pipeline.build import open_state
from customer_profiles.settings import load_settings
from customer_profiles.state.query import run_query


def query(
    sql: Annotated[str, typer.Argument(help='One SELECT, for example "SELECT count(*) FROM record".')],
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many rows.")] = 100,
    json: JsonOption = False,
) -> None:
    """Ask the state a question in SQL. It can only read: nothing that this command runs can change a row.

    The tables are those of docs/architecture.md; `SELECT * FROM table_list` shows them with their columns.
    """
    with open_state(load_settings()) as state:
        answer = run_query(state, sql, limit)
    if json:
        show_json([dict(zip(answer.columns, row, strict=True)) for row in answer.rows])
        return
    show_table("", answer.columns, answer.rows)
    if answer.more:
        err.print(f"Only the first {limit:,} rows are shown; ask for more with --limit.", style="dim")
    out.print(f"{len(answer.rows):,} rows", style="dim")
