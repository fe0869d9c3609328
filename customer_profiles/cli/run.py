"""`customer-profiles run`: every stage through Dagster, with progress, and a summary that says what to do next."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer
from rich.live import Live
from rich.table import Table

from customer_profiles.cli.output import JsonOption, err, out, show_json, text
from customer_profiles.cli.profile import read_one, show_profile

if TYPE_CHECKING:
    from customer_profiles.monitoring.ledger import StageResult
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
    """
    from customer_profiles.orchestration.run import run_job
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.pipeline.overview import best_connected, summary
    from customer_profiles.settings import load_settings

    settings = load_settings()
    started = time.monotonic()
    board = _Board()
    with Live(
        board.table(), console=err, refresh_per_second=8, transient=json or not err.is_terminal
    ) as live:

        def report(result: StageResult) -> None:
            board.add(result)
            live.update(board.table())

        outcome = run_job(settings, progress=report, limit=batch)
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


class _Board:
    """The stages so far, one line each, their batches added up."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, str], StageResult] = {}

    def add(self, result: StageResult) -> None:
        from customer_profiles.monitoring.ledger import total_of

        key = (result.stage, result.source)
        held = self._lines.get(key)
        total = self._lines[key] = total_of([held, result] if held else [result]) or result
        if not result.more and not err.is_terminal:
            # In a log nothing can be drawn over: a line for each stage that ends.
            err.print(
                f"{total.stage} {total.source}".rstrip()
                + f": {total.received:,} received, {total.applied:,} applied, "
                f"{total.quarantined:,} quarantined, {total.seconds:.1f} s"
            )

    def table(self) -> Table:
        table = Table(box=None, header_style="dim", pad_edge=False)
        for column in ("stage", "source"):
            table.add_column(column, no_wrap=True)
        for column in ("received", "applied", "unchanged", "duplicate", "broken", "s"):
            table.add_column(column, justify="right", no_wrap=True)
        for (stage, source), line in self._lines.items():
            counts = (line.received, line.applied, line.unchanged, line.duplicate, line.quarantined)
            table.add_row(
                stage, source, *[text(count) if count else "" for count in counts], f"{line.seconds:.1f}"
            )
        return table


def _print(
    settings: Settings, outcome: RunOutcome, totals: Summary, example: ServedProfile | None, seconds: float
) -> None:
    out.print()
    if outcome.error:
        out.print(f"[bold red]Stopped:[/bold red] {outcome.error.replace('[', chr(92) + '[')}")
        out.print("Nothing is lost: mend it and run the same command again; it goes on where it was.")
        return
    out.print(
        f"[bold]{settings.company}: {totals.customers:,} customers[/bold] from {totals.records:,} records "
        f"of {len(settings.sources)} sources, {totals.interactions:,} interactions, in {seconds:.0f} s"
    )
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="dim")
    table.add_column()
    table.add_row("this far received", f"{totals.received:,}")
    table.add_row("applied", f"{totals.applied:,}")
    table.add_row("unchanged, duplicate", f"{totals.unchanged:,}, {totals.duplicate:,}")
    table.add_row("quarantined", f"{totals.quarantined:,} (look: customer-profiles quarantine list)")
    table.add_row("ledger", "adds up" if totals.ledger_adds_up else "[red]does not add up[/red]")
    if totals.accuracy is not None:
        truth = totals.accuracy
        table.add_row(
            "against the truth",
            f"precision {truth.precision:.4f}, recall {truth.recall:.4f}, F1 {truth.f1:.4f} (pairs of records)",
        )
    for check in outcome.failed_checks:
        table.add_row("[red]check failed[/red]", check)
    out.print(table)
    if example is not None:
        out.print()
        show_profile(example)
    out.print()
    out.print("[bold]Next[/bold]")
    out.print(
        "  make ui                                         runs, checks and the graph in Dagster's web UI"
    )
    if example is not None:
        out.print(f"  customer-profiles profile show {example.customer_id} --purpose support")
    out.print("  edit customer_profiles.yaml                     and it is your own data")
