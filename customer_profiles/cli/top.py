"""`customer-profiles top`: how the stream gets on, live in a terminal."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Group, RenderableType
from rich.live import Live as Screen
from rich.table import Table
from rich.text import Text

from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, cell, out, show_json

if TYPE_CHECKING:
    from customer_profiles.pipeline.live import Live, StageNow

_COLOURS = {"within": "green", "at risk": "yellow", "broken": "red"}
_SLA = {"within": "within the SLA", "at risk": "the SLA is at risk", "broken": "the SLA is broken"}
_BEATS_WITHIN = 8.0
"""Seconds after which a driver that was not heard of is doubted."""


def top(
    once: Annotated[
        bool, typer.Option("--once", help="Show it once and end, as where there is no terminal.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.2, max=60, help="Seconds between two looks.")] = 1.0,
    json: JsonOption = False,
) -> None:
    """Watch the stream: what comes in and goes out, what waits, how late it is, who drives, which alarms are open.

    Rates are of the last 10 seconds, latency of the last minute: from the moment an event was received until every stage
    had taken it in. The lag of a source is how long ago it was last read to its end; that of a stage, how long what
    waits for it has waited. It only reads, and looks at newest rows and ends of indexes, however large the state is.
    With --json it prints one document and ends. Stop it with Ctrl-C.

    Examples: customer-profiles top

    customer-profiles top --once --json
    """
    from customer_profiles.cleaning.ingest import now_micros
    from customer_profiles.pipeline.live import live

    with open_to_read() as opened:

        def look() -> Live:
            return live(opened.state, opened.settings, now_micros())

        if json:
            show_json(look())
        elif once or not out.is_terminal:
            out.print(picture(look(), opened.settings.company))
        else:
            _watch(look, opened.settings.company, every)


def _watch(look: Callable[[], Live], company: str, every: float) -> None:
    """Draw until Ctrl-C; a state that is busy for a moment does not end it."""
    with (
        contextlib.suppress(KeyboardInterrupt),
        Screen(picture(look(), company), console=out, screen=True, auto_refresh=False) as screen,
    ):
        while True:
            time.sleep(every)
            screen.update(picture(look(), company), refresh=True)


def picture(now: Live, company: str) -> RenderableType:
    """Everything in eighty columns."""
    told: list[RenderableType] = [_heading(now, company), Text(), _stages(now), Text(), _counts(now)]
    return Group(*told, *_alarms(now), *_failures(now))


def _heading(now: Live, company: str) -> Text:
    driver = now.driver
    if driver.holder is None:
        told = ("nobody drives", "yellow")
        hint = "" if driver.run else ": start customer-profiles stream"
    else:
        ago = driver.beat_seconds or 0.0
        told = (f"worker {driver.holder[:8]} drives", "green" if ago < _BEATS_WITHIN else "red")
        hint = f", last heard of {ago:.0f} s ago"
    run = ", a run of Dagster is at work" if driver.run else ""
    sla = (f"{now.lag_seconds:,.1f} s behind, {_SLA[now.sla.value]}", _COLOURS[now.sla.value])
    line = Text.assemble((f"{company}  ", "bold"), told, hint, run, "\n", sla)
    line.append(f"   in {now.received:,.0f}/s   served {now.latency.served:,.0f}/s   backlog {now.backlog:,}")
    return line


def _stages(now: Live) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, collapse_padding=True)
    table.add_column("stage", no_wrap=True)
    table.add_column("source", overflow="fold")
    for header in ("in/s", "applied/s", "busy", "waits", "lag", "through", "batch"):
        table.add_column(header, justify="right", no_wrap=True)
    for one in now.stages:
        table.add_row(cell(one.stage), cell(one.source), *_figures(one, now))
    return table


def _figures(one: StageNow, now: Live) -> list[Text]:
    batch = now.driver.batch_sizes.get(one.source) if one.source else None
    return [
        Text(_rate(one.received)),
        Text(_rate(one.applied)),
        Text(f"{one.busy:.0%}" if one.busy else ""),
        cell(one.waiting) if one.waiting else Text(),
        Text("" if one.lag_seconds is None else _span(one.lag_seconds)),
        Text(
            "never" if one.watermark is None else time.strftime("%H:%M:%S", time.gmtime(one.watermark / 1e6))
        ),
        Text("" if batch is None else f"{batch:,}"),
    ]


def _counts(now: Live) -> Text:
    latency = now.latency
    if latency.p50 is None or latency.p99 is None or latency.slowest is None:
        told = "nothing served in the last minute"
    else:
        told = f"p50 {latency.p50:.2f} s   p99 {latency.p99:.2f} s   slowest {latency.slowest:.2f} s"
    from customer_profiles.pipeline.live import MOST_COUNTED

    more = " or more" if now.quarantine >= MOST_COUNTED else ""
    adds_up = (
        ("adds up", "green")
        if now.adds_up
        else ("DOES NOT ADD UP: customer-profiles state check", "bold red")
    )
    return Text.assemble(
        ("received to served  ", "dim"),
        told,
        ("\nledger              ", "dim"),
        adds_up,
        f", {now.batches:,} batches in the last seconds",
        ("\nquarantine          ", "dim"),
        f"{now.quarantine:,}{more}",
    )


def _alarms(now: Live) -> list[Text]:
    if now.alarms:
        told = (f"{len(now.alarms)} open", "red")
    else:
        told = ("none", "green") if now.watched else ("none known: nobody watches", "yellow")
    lines = [Text.assemble(("alarms              ", "dim"), told)]
    for one in now.alarms:
        of = f" of {one.subject}" if one.subject else ""
        colour = "bold red" if one.severity == "critical" else "yellow"
        ago = _span(max(0.0, (now.at - one.since) / 1e6))
        lines.append(Text.assemble((f"  {one.alarm}{of}", colour), f" for {ago}: {one.summary}"))
    return lines


def _failures(now: Live) -> list[Text]:
    return [
        Text.assemble(
            (f"\n{failure['of']} does not get on", "yellow"),
            f" ({failure['times']:,} times, again in {failure['retry_seconds']:.0f} s): {failure['reason']}",
        )
        for failure in now.driver.failures
    ]


def _rate(a_second: float) -> str:
    return "" if not a_second else f"{a_second:,.1f}" if a_second < 10 else f"{a_second:,.0f}"


def _span(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.1f} s"
    if seconds < 6_000:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3_600:,.0f} h"
