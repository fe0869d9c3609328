"""One line that lives on a terminal, lines `key=value` in a log: how what goes on for ever shows that it gets on."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from customer_profiles.cli.output import moment

SILENCE = 10.0
"""Seconds between two lines of a log in which nothing else happens."""


class LiveLine:
    """A line on a console. A context manager."""

    def __init__(self, console: Console, text: str) -> None:
        """Show on a console; `text` stands there until there are facts."""
        self._draws = console.is_terminal
        self._console = console
        self._spinner = Spinner("dots", text=text)
        self._live = Live(self._spinner, console=console, refresh_per_second=8, transient=True)
        self._told_at = float("-inf")

    def __enter__(self) -> Self:
        """Begin to draw, on a terminal."""
        if self._draws:
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        if self._draws:
            self._live.stop()

    def show(self, event: str, facts: Sequence[str]) -> None:
        """Facts `key=value` of now: at once on a terminal, every ten seconds in a log."""
        if self._draws:
            self._spinner.update(text=Text("  ".join(facts)))
        elif time.monotonic() - self._told_at >= SILENCE:
            self._told_at = time.monotonic()
            self._log(event, "  ".join(facts).replace(",", ""))

    def say(self, event: str, told: str, of: str = "") -> None:
        """Something that happened, which stays to be read."""
        if self._draws:
            self._live.console.print(f"{of}: {told}" if of else told, markup=False, soft_wrap=True)
        else:
            self._log(event, (f"of={of} " if of else "") + f'told="{told}"')

    def _log(self, event: str, rest: str) -> None:
        at = moment(time.time_ns() // 1_000).replace(" ", "T")
        self._console.print(f"at={at}Z event={event} {rest}", markup=False, soft_wrap=True)
