"""How a run shows that it gets on: a table that grows in a terminal, a line now and then in a log."""

from __future__ import annotations

import io
import os
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from rich.console import Console, Group
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from customer_profiles.cli.output import cell, text

if TYPE_CHECKING:
    from customer_profiles.monitoring.ledger import StageResult

_SILENCE = 10.0
"""Seconds after which a log hears of a stage that is still at work."""

_COUNTS = ("received", "applied", "unchanged", "duplicate", "quarantined")
_HEADERS = ("received", "applied", "un-\nchanged", "dupli-\ncate", "quaran-\ntined")
"""In two lines where need be, so that a table of eighty columns has room for the names of stages."""


class Progress:
    """The stages so far, one line each, their batches added up. A context manager; call it with each result."""

    def __init__(self, console: Console, *, keep: bool = True) -> None:
        """Show progress.

        Args:
            console: Where to; a terminal gets the table, anything else a line for each stage that ends.
            keep: Whether the table stays when all is done.
        """
        self._console = _beside_capture(console)
        self._draws = self._console.is_terminal
        self._lines: dict[tuple[str, str], StageResult] = {}
        self._notes: list[str] = []
        self._told_at = time.monotonic()
        self._at_work = Spinner("dots")
        self._live = Live(self._at_work, console=self._console, refresh_per_second=8, transient=not keep)

    def __call__(self, result: StageResult) -> None:
        """Take in what one batch did."""
        from customer_profiles.monitoring.ledger import total_of

        key = (result.stage, result.source)
        held = self._lines.get(key)
        total = total_of([held, result] if held else [result]) or result
        self._lines[key] = total
        self._take_note(str(result.facts.get("notes", "")))
        if self._draws:
            self._live.update(Group(self.table(), *self._told_notes(), self._at_work))
        elif not result.more or time.monotonic() - self._told_at > _SILENCE:
            self._told_at = time.monotonic()
            self._console.print(line(total), soft_wrap=True, markup=False)

    def _take_note(self, note: str) -> None:
        """What a source has to say, such as that a changed mapping has it read again: once, and not only to Dagster."""
        if note and note not in self._notes:
            self._notes.append(note)
            if not self._draws:
                self._console.print(note, soft_wrap=True, markup=False)

    def _told_notes(self) -> list[Text]:
        return [cell(note) for note in self._notes]

    def table(self) -> Table:
        """Everything so far."""
        table = Table(box=None, header_style="dim", pad_edge=False, collapse_padding=True)
        table.add_column("stage", no_wrap=True)
        table.add_column("source", overflow="fold")
        for header in (*_HEADERS, "seconds"):
            table.add_column(header, justify="right", no_wrap=True, vertical="bottom")
        for total in self._lines.values():
            counts = [getattr(total, term) for term in _COUNTS]
            table.add_row(
                cell(total.stage),
                cell(total.source),
                *[text(count) if count else "" for count in counts],
                f"{total.seconds:.1f}",
            )
        return table

    def __enter__(self) -> Self:
        """Begin to draw, in a terminal."""
        if self._draws:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Draw for the last time."""
        if self._draws:
            self._live.update(Group(self.table(), *self._told_notes()))
            self._live.stop()
        self._console.file.flush()


def _beside_capture(console: Console) -> Console:
    """The same console on a file descriptor of its own.

    Dagster turns standard error of a running step away, into its log of that step; progress belongs to whoever waits.
    """
    try:
        descriptor = os.dup(console.file.fileno())
    except (OSError, io.UnsupportedOperation):
        return console  # no real file, so Dagster cannot turn it away
    return Console(file=os.fdopen(descriptor, "w"), highlight=False)


def line(total: StageResult) -> str:
    """One stage for a log: what happened, without what did not."""
    counts = [f"{getattr(total, term):,} {term}" for term in _COUNTS if getattr(total, term)]
    told = ", ".join(counts) or "nothing new"
    so_far = " so far" if total.more else ""
    return f"{total.stage} {total.source}".rstrip() + f": {told}{so_far} ({total.seconds:.1f} s)"
