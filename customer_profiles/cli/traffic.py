"""`customer-profiles demo traffic`: visitors of the demo company's site, played to the collector as they come."""

from __future__ import annotations

import random
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from customer_profiles.cli.live_line import LiveLine
from customer_profiles.cli.output import JsonOption, err, say, show_json

if TYPE_CHECKING:
    from customer_profiles.demo.traffic import Sent
    from customer_profiles.demo.visitors import Login
    from customer_profiles.settings import Settings

_WINDOW = 5.0
"""Seconds that the rate on the line looks back."""
_SECONDS_BETWEEN = 10.0
"""Between two things that one visitor does."""
_FEWEST_VISITORS, _MOST_VISITORS = 20, 20_000


def traffic(
    rate: Annotated[float, typer.Option(min=0.1, max=20_000, help="Events a second.")] = 20,
    seconds: Annotated[
        float | None, typer.Option(min=0.1, help="Stop after so long. [default: until Ctrl-C]")
    ] = None,
    source: Annotated[
        str | None, typer.Option(help="Which source of the collector. [default: the first]")
    ] = None,
    url: Annotated[
        str | None, typer.Option(help="Where the collector listens. [default: collector of the settings]")
    ] = None,
    orders: Annotated[
        bool, typer.Option("--orders", help="Also put what is bought into the demo's orders database.")
    ] = False,
    seed: Annotated[
        int | None, typer.Option(help="The same seed gives the same visits. [default: by chance]")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Play visitors of the demo company's site to the collector, as a client of Segment sends them.

    They look around, log in as customers of the demo company, some only after a while, choose in the cookie banner,
    buy. As in its files a few events are late, out of order, told twice, or broken. Where the collector says 429
    it is asked again when it said so. With --orders what customers buy is also in the orders database, as from a till.

    On a terminal it shows one line that lives; otherwise it writes lines `key=value` to standard error. Stop it with Ctrl-C.

    Example: customer-profiles demo traffic --rate 100 --seconds 60

    Next: customer-profiles top
    """
    from customer_profiles.demo.till import Till
    from customer_profiles.demo.traffic import Traffic, look_for_a_collector
    from customer_profiles.demo.visitors import Crowd
    from customer_profiles.settings import load_settings

    settings = load_settings()
    address = url or _address(settings)
    look_for_a_collector(address)
    dice = random.Random(seed)
    visitors = min(_MOST_VISITORS, max(_FEWEST_VISITORS, round(rate * _SECONDS_BETWEEN)))
    crowd = Crowd(_accounts(settings, dice), dice, visitors, f"{time.time_ns() // 1_000_000:x}")
    playing = Traffic(crowd, address, _write_key(settings, source), rate)
    till = Till(settings.folder / ".data" / "demo") if orders else None
    began = time.monotonic()
    with ExitStack() as stack:
        shown = stack.enter_context(Shown(err))

        def tick(sent: Sent) -> None:
            bought = crowd.orders()
            if till is not None:
                till.take(bought)
            shown.sent(sent)

        stop = stack.enter_context(_stopped_by_signals(shown))
        sent = playing.play(stop, seconds, tick)
        tick(sent)
    if json:
        show_json({"seconds": time.monotonic() - began, "orders": till.written if till else 0, "sent": sent})
        return
    _say_the_end(sent, time.monotonic() - began)


def _address(settings: Settings) -> str:
    host = settings.collector.host
    return f"http://{'127.0.0.1' if host in ('0.0.0.0', '::') else host}:{settings.collector.port}"


def _accounts(settings: Settings, dice: random.Random) -> list[Login]:
    """Of the company that is there; of the default one, which any later run makes, where none is."""
    from customer_profiles import demo
    from customer_profiles.demo.visitors import logins

    there = demo.read_summary(settings.folder / ".data" / "demo")
    return logins(there.customers if there else 2_000, there.seed if there else 1, dice)


def _write_key(settings: Settings, source: str | None) -> str:
    """The write key of a source of the collector.

    Raises:
        WriteKeyError: There is no such source.
    """
    from customer_profiles.encryption.keys import open_keys
    from customer_profiles.web.write_keys import WriteKeyError, load_write_keys

    found = load_write_keys(settings, open_keys(settings.state.key, settings.folder))
    for key, of in found.items():
        if source in (None, of):
            return key
    raise WriteKeyError(
        f"{source} is no source of the collector: choose {' or '.join(sorted(set(found.values())))}."
    )


@contextmanager
def _stopped_by_signals(shown: Shown) -> Iterator[threading.Event]:
    stop = threading.Event()

    def ask(_number: int, _frame: FrameType | None) -> None:
        shown.say("stops", "letting what is on its way arrive")
        stop.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_the_end(sent: Sent, seconds: float) -> None:
    say(
        ("Stopped", "bold"),
        f" after {seconds:,.0f} s: {sent.made:,} events, of which {sent.accepted:,} accepted and {sent.duplicate:,} known "
        f"already; {sent.broken:,} broken on purpose, to be found in the quarantine.",
    )
    if sent.refused:
        say(f"Turned away for a while and sent again: {sent.refused:,}.")
    if sent.unsent:
        say(("Given up: ", "yellow"), f"{sent.unsent:,} were never accepted. {sent.trouble}".rstrip())
    say("Next: ", ("customer-profiles top", "bold"))


class Shown(LiveLine):
    """How the traffic gets on. A context manager."""

    def __init__(self, console: Console) -> None:
        """Show on a console."""
        super().__init__(console, "the first visitors come")
        self._recent: deque[tuple[float, int]] = deque()
        self._trouble = ""

    def sent(self, sent: Sent) -> None:
        """Take in what became of the traffic so far."""
        now, arrived = time.monotonic(), sent.accepted + sent.duplicate
        self._recent.append((now, arrived))
        while self._recent[0][0] < now - _WINDOW:
            self._recent.popleft()
        if sent.trouble != self._trouble:
            self._trouble = sent.trouble
            if sent.trouble:
                self.say("waits", sent.trouble)
            else:
                self.say("recovered", "the collector takes events again")
        since, before = self._recent[0]
        facts = [
            f"accepted={sent.accepted:,}",
            f"a_second={(arrived - before) / max(1.0, now - since):,.0f}",
            f"duplicate={sent.duplicate:,}",
            f"broken={sent.broken:,}",
        ]
        if sent.refused:
            facts.append(f"refused={sent.refused:,}")
        if sent.waiting:
            facts.append(f"waiting={sent.waiting:,}")
        self.show("traffic", facts)
