"""`customer-profiles stream`: the worker that keeps every profile up to date as events come."""

from __future__ import annotations

import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Annotated, ParamSpec

import typer
from rich.console import Console

from customer_profiles.cli.live_line import LiveLine
from customer_profiles.cli.new_key import telling_of_a_new_key
from customer_profiles.cli.output import err, say

if TYPE_CHECKING:
    from customer_profiles.pipeline.build import Pipeline
    from customer_profiles.pipeline.latency import Latency
    from customer_profiles.pipeline.worker import Pass, Told, Worker

P = ParamSpec("P")
_WINDOW = 10.0
"""Seconds that rates and latency on the progress line look back."""


def stream(
    until_quiet: Annotated[
        bool, typer.Option("--until-quiet", help="End when everything that is there is in the profiles.")
    ] = False,
) -> None:
    """Take in what is new as it comes: events are in the profiles a moment after they were received.

    Runs the same stages as `customer-profiles run`, in one warm process that looks for new data many times a second.
    Batches are small while it is quiet and grow with the backlog. A source that is down is tried again after growing
    waits and holds nobody up; a row that breaks its contract goes to the quarantine.

    One worker drives. Start a second one and it waits, to take over within 15 seconds when the first one is gone; so does the
    sensor in Dagster. Stop it with Ctrl-C or SIGTERM: it finishes its batch. Killed, it loses nothing either.

    On a terminal it shows one line that lives; otherwise it writes lines `key=value` to standard error, for a log.

    Examples: customer-profiles stream

    customer-profiles stream --until-quiet

    Next: customer-profiles top in another terminal; `streaming` in the settings says how often it looks and how large batches are.
    """
    # Read when Arrow is imported, so before all that does. Its own allocator keeps what many threads let go of.
    os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
    from customer_profiles.monitoring.metrics import showing
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.pipeline.metrics import WorkerMetrics
    from customer_profiles.pipeline.worker import Worker
    from customer_profiles.settings import load_settings

    settings = load_settings()
    began = time.monotonic()
    metrics, on = WorkerMetrics(), settings.metrics
    with (
        telling_of_a_new_key(settings),
        open_pipeline(settings) as house,
        Shown(err) as shown,
        showing(metrics.registry, on.host, on.worker_port),
    ):
        worker = Worker(
            house,
            _both(shown.passed, metrics.passed),
            _both(shown.waits, metrics.waits),
            _both(shown.leads, metrics.leads),
        )
        with _reporting(house, worker, shown), _stopped_by_signals(worker, shown):
            told = worker.run(until_quiet)
    _say_the_end(told, time.monotonic() - began)


def _both(one: Callable[P, None], other: Callable[P, None]) -> Callable[P, None]:
    def both(*args: P.args, **kw: P.kwargs) -> None:
        one(*args, **kw)
        other(*args, **kw)

    return both


@contextmanager
def _reporting(house: Pipeline, worker: Worker, shown: Shown) -> Iterator[None]:
    if not house.settings.streaming.report_to_dagster:
        yield
        return
    from customer_profiles.orchestration.reporter import Reporter

    with Reporter(house.settings, house.state, lambda: worker.driving, shown.reports):
        yield


@contextmanager
def _stopped_by_signals(worker: Worker, shown: Shown) -> Iterator[None]:
    def stop(_number: int, _frame: FrameType | None) -> None:
        shown.stopping()
        worker.stop()

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _say_the_end(told: Told, seconds: float) -> None:
    say(
        ("Stopped", "bold"),
        f" after {seconds:,.0f} s: {told.received:,} received in {told.passes:,} passes, "
        f"{told.quarantined:,} of them quarantined. Nothing is lost: the next start goes on from here.",
    )
    for failure in told.failures:
        say(("does not get on: ", "yellow"), f"{failure.of}: {failure.reason}")


class Shown(LiveLine):
    """How the worker gets on. A context manager."""

    def __init__(self, console: Console) -> None:
        """Show on a console."""
        super().__init__(console, "looking for what is new")
        self._recent: deque[tuple[float, int, Latency]] = deque()
        self._received = 0
        self._failing: dict[str, str] = {}

    def waits(self) -> None:
        """Another worker drives."""
        self.say("waits", "another worker drives; this one takes over when it is gone")

    def leads(self) -> None:
        """This worker drives."""
        self.say("leads", "this worker drives")

    def reports(self, trouble: str) -> None:
        """Dagster could not be told, or could again."""
        if trouble:
            self.say("unreported", f"Dagster cannot be told ({trouble}); it will be told everything later")
        else:
            self.say("reported", "Dagster was told everything that it missed")

    def stopping(self) -> None:
        """It was told to stop."""
        self.say("stops", "finishing the batch")

    def passed(self, one: Pass) -> None:
        """Take in what a pass did."""
        now = time.monotonic()
        received = sum(result.received for result in one.results if result.source)
        self._received += received
        self._recent.append((now, received, one.latency))
        while self._recent[0][0] < now - _WINDOW:
            self._recent.popleft()
        self._tell_of_failures(one)
        self.show("pass", self._facts(one))

    def _facts(self, one: Pass) -> list[str]:
        span = max(1.0, min(_WINDOW, time.monotonic() - self._recent[0][0]))
        rate = sum(received for _, received, _ in self._recent) / span
        latency = sum((found for *_, found in self._recent), start=type(one.latency)())
        facts = [f"received={self._received:,}", f"a_second={rate:,.0f}"]
        if (half := latency.quantile(0.5)) is not None and (most := latency.quantile(0.99)) is not None:
            facts += [f"p50={half:.2f}s", f"p99={most:.2f}s"]
        if waiting := sum(one.waiting.values()):
            facts.append(f"waiting={waiting:,}")
        if one.unread:
            facts.append(f"unread={one.unread:,}")
        facts.append(f"batch={max(one.batch_sizes.values(), default=0):,}")
        if one.failures:
            facts.append("failing=" + ",".join(failure.of for failure in one.failures))
        return facts

    def _tell_of_failures(self, one: Pass) -> None:
        """A failure and its end once each, not with every attempt."""
        failing = {failure.of: failure for failure in one.failures}
        for name, failure in failing.items():
            if self._failing.get(name) != failure.reason:
                self.say("failing", f"{failure.reason} (tried again in {failure.retry_seconds:.0f} s)", name)
        for name in self._failing.keys() - failing.keys():
            self.say("recovered", "gets on again", name)
        self._failing = {name: failure.reason for name, failure in failing.items()}
