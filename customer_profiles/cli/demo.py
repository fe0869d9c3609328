"""`customer-profiles demo`: the built-in company with its six source systems."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn

from customer_profiles.cli import traffic
from customer_profiles.cli.output import JsonOption, err, say, show_json

app = typer.Typer(
    help="The built-in demo company: six messy source systems of one shop.", no_args_is_help=True
)
app.command("traffic")(traffic.traffic)


@app.command()
def generate(
    folder: Annotated[
        Path | None, typer.Option(help="Where to write it. [default: .data/demo beside the settings file]")
    ] = None,
    customers: Annotated[int, typer.Option(min=1000, max=1_000_000, help="How many customers.")] = 2000,
    seed: Annotated[int, typer.Option(help="The same seed and day give the same company.")] = 1,
    as_of: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="The day on which its history ends, UTC. [default: today]"),
    ] = None,
    if_missing: Annotated[
        bool, typer.Option("--if-missing", help="Do nothing where one is already.")
    ] = False,
    json: JsonOption = False,
) -> None:
    """Write the demo company's sources, and the truth of who is whom apart from them.

    Six systems: a CRM database, an orders database, web and app analytics, an email platform's exports, social
    messages, support tickets and chats. As messy as real data, at rates written in customer_profiles/demo.

    Example: customer-profiles demo generate --customers 10000 --seed 2

    Next: customer-profiles run
    """
    from customer_profiles import demo
    from customer_profiles.settings import load_settings

    where = folder or load_settings().folder / ".data" / "demo"
    if if_missing and (there := demo.read_summary(where)) is not None:
        if json:
            show_json(there)
        else:
            say((f"The demo company is there already: {where}", "dim"))
        return
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), console=err
    ) as bar:
        task = bar.add_task(f"Writing the demo company of {customers:,} customers", total=1.0)
        summary = demo.generate(
            where,
            customers=customers,
            seed=seed,
            progress=lambda share: bar.update(task, completed=share),
            as_of=as_of.replace(tzinfo=UTC) if as_of else _this_hour(),
        )
        bar.update(task, completed=1.0)
    if json:
        show_json(summary)
        return
    say(f"The demo company is in {where}. Next: ", ("customer-profiles run", "bold"))


def _this_hour() -> datetime:
    """Windows count back from now: a company whose history ended long ago would show empty ones."""
    return datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
