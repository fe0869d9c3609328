"""`customer-profiles run`: every stage through Dagster, with progress, and a summary that says what to do next."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from customer_profiles.cli.new_key import telling_of_a_new_key
from customer_profiles.cli.output import JsonOption, cell, err, out, say, show_json
from customer_profiles.cli.profile import read_one, show_profile
from customer_profiles.cli.progress import Progress

if TYPE_CHECKING:
    from customer_profiles.orchestration.run import RunOutcome
    from customer_profiles.pipeline.overview import Summary
    from customer_profiles.serving.served import ServedProfile
    from customer_profiles.settings import Settings


@dataclass(frozen=True)
class RunReport:
    """What `run --json` prints."""

    well: bool
    seconds: float
    dagster_run: str
    failed_checks: tuple[str, ...]
    error: str | None
    summary: Summary


def run(
    batch: Annotated[
        int | None, typer.Option(min=1, help="Envelopes in one batch. [default: a stage's own]")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Take in what is new in all sources and bring every profile up to date.

    Runs as a Dagster job in this process, so that the run, its checks and its metadata are there to look at in
    `customer-profiles ui`. The first run audits the sources and trains the identity model too. Stopped at any moment
    and started again, it goes on where it was; run twice, it changes nothing.

    Example: customer-profiles run

    Next: customer-profiles profile show, and customer-profiles ui for what each step did.
    """
    from customer_profiles.orchestration.run import run_job
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.pipeline.overview import best_connected, summary
    from customer_profiles.settings import load_settings

    settings = load_settings()
    started = time.monotonic()
    with telling_of_a_new_key(settings), Progress(err, keep=not json) as progress:
        outcome = run_job(settings, progress=progress, limit=batch)
    seconds = time.monotonic() - started
    with open_pipeline(settings) as house:
        totals = summary(house.state, settings)
        identifier = best_connected(house.state)
        example = read_one(house.state, settings, house.keys, identifier) if identifier else None
    if json:
        show_json(
            RunReport(
                outcome.well, round(seconds, 2), outcome.run_id, outcome.failed_checks, outcome.error, totals
            )
        )
    else:
        _print(settings, outcome, totals, example, seconds)
    if not outcome.well:
        raise typer.Exit(1)


def _print(
    settings: Settings, outcome: RunOutcome, totals: Summary, example: ServedProfile | None, seconds: float
) -> None:
    out.print()
    if outcome.error:
        say(("Stopped: ", "bold red"), outcome.error)
        say("Nothing is lost: mend it and run the same command again; it goes on where it was.")
        return
    say(
        (f"{settings.company}: {totals.customers:,} customers", "bold"),
        f" from {totals.records:,} records of {len(settings.sources)} sources, "
        f"{totals.interactions:,} interactions, in {seconds:.0f} s",
    )
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("received so far", f"{totals.received:,}")
    table.add_row("applied", f"{totals.applied:,}")
    table.add_row("unchanged, duplicate", f"{totals.unchanged:,}, {totals.duplicate:,}")
    table.add_row("quarantined", f"{totals.quarantined:,} (see: customer-profiles quarantine list)")
    table.add_row("ledger", "adds up" if totals.ledger_adds_up else "[red]does not add up[/red]")
    if totals.accuracy is not None:
        truth = totals.accuracy
        table.add_row(
            "against the truth",
            f"precision {truth.precision:.4f}, recall {truth.recall:.4f}, F1 {truth.f1:.4f}\n"
            f"over pairs of records; B-cubed F1 {truth.b_cubed_f1:.4f}",
        )
    for check in outcome.failed_checks:
        table.add_row("[red]check failed[/red]", cell(check))
    out.print(table)
    if example is not None:
        out.print()
        show_profile(example)
    say(("\nNext", "bold"))
    steps = {
        **_to_be_found(),
        "customer-profiles ui": "runs, checks and the graph in Dagster's web UI",
        "edit customer_profiles.yaml": "and it is your own data",
    }
    for step, what in steps.items():
        say(f"  {step:<30} ", (what, "dim"))
    if example is not None:
        say(f"  customer-profiles profile show {example.customer_id} -p {example.purpose}")


def _to_be_found() -> dict[str, str]:
    """The step without which a shell does not find the commands, where it does not."""
    activate = Path(sys.prefix, "bin", "activate")
    if shutil.which("customer-profiles") or not activate.exists():
        return {}
    here = Path.cwd()
    shown = activate.relative_to(here) if activate.is_relative_to(here) else activate
    return {f"source {shown}": "so that this shell finds the commands"}
