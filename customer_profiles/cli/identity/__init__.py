"""`customer-profiles identity`: why records are one customer, and putting right what the graph got wrong."""

from __future__ import annotations

import typer

app = typer.Typer(
    help="Who is who: look at doubtful matches, decide, take decisions back.", no_args_is_help=True
)


@app.callback()
def _family() -> None:
    """Keep every command a subcommand, however few there are."""
