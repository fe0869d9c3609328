"""`customer-profiles export`: a table of the encrypted state as a Parquet file, for people and BI tools."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, say, show_json


def export(
    table: Annotated[str, typer.Argument(help="The table, for example trait.")],
    to: Annotated[Path, typer.Option("--to", help="The Parquet file to write. It is not encrypted.")],
    json: JsonOption = False,
) -> None:
    """Write one table to a Parquet file. The file is plain: keep it where personal data may be.

    Of `interaction` the file has all there are: those that are sealed in the history too.

    Example: customer-profiles export trait --to trait.parquet

    The tables there are: customer-profiles query --tables
    """
    from customer_profiles.cleaning.interactions import every_interaction
    from customer_profiles.state.query import export_table, write_parquet

    with open_to_read() as opened:
        if table == "interaction":
            with opened.state.reading() as connection:
                rows = write_parquet(table, every_interaction(connection, opened.state.history), to)
        else:
            rows = export_table(opened.state, table, to)
    if json:
        show_json({"table": table, "file": str(to), "rows": rows})
        return
    say(f"{rows:,} rows of {table} are in {to}. The file is not encrypted: keep it safe.")
