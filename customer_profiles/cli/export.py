"""`customer-profiles export`: a table of the encrypted state as a Parquet file, for people and BI tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from customer_profiles.cli.output import JsonOption, out, show_json
from customer_profiles.pipeline.build import open_state
from customer_profiles.settings import load_settings
from customer_profiles.state.query import export_table


def export(
    table: Annotated[str, typer.Argument(help="The table, for example trait.")],
    to: Annotated[Path, typer.Option("--to", help="The Parquet file to write. It is not encrypted.")],
    json: JsonOption = False,
) -> None:
    """Write one table to a Parquet file. The file is plain: keep it where personal data may be."""
    with open_state(load_settings()) as state:
        rows = export_table(state, table, to)
    if json:
        show_json({"table": table, "file": str(to), "rows": rows})
        return
    out.print(f"{rows:,} rows of {table} are in {to}. The file is not encrypted: keep it safe.")
