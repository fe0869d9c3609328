"""How long after the SLA is broken on-call is paged, and what metrics and freshness cost: python -m benchmarks.watch.

A stall is made by a watermark that stands still; the receiver is a web server on loopback. The cost is measured in many short
pairs, one after the other into the same state in the same process: some events taken in with metrics, watermarks and the
latency of each batch, and as many without, in seconds of the processor, for whatever else runs on the machine changes those
least. Which of the two comes first alternates. Beside that it tells what these parts take of their own threads' time, which no
neighbour changes.
"""

import argparse
import gc
import itertools
import json
import os
import random
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

from prometheus_client import generate_latest

from customer_profiles.monitoring.alarms.receivers.build import build_receivers
from customer_profiles.monitoring.freshness import note_watermarks
from customer_profiles.orchestration.sla import POLL_SECONDS, Desk
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.pipeline.latency import Latency, Meter
from customer_profiles.pipeline.metrics import WorkerMetrics
from customer_profiles.pipeline.watch import LOOK_SECONDS, Watch
from customer_profiles.pipeline.worker import Worker
from customer_profiles.settings import Settings, settings_from_text
from customer_profiles.state.engine import Store

KEY = "BENCHMARK_KEY"
SLA = 3.0
LOOKS = 200
PARTS = (
    (Meter, "measure", "latency"),
    (Worker, "_note_watermarks", "watermarks"),
    (WorkerMetrics, "passed", "counting"),
)
"""What tells of the work: where it is, and what it is called in the figures."""
TICK = 5.0
"""Dagster starts a tick of a sensor every five seconds."""
SETTINGS = """
state: {url: "sqlite:STATE", key: {provider: environment, variable: BENCHMARK_KEY}}
sources:
  web:
    connector: {type: files, folder: web}
    feeds:
      visits:
        contract: interaction
        files: "*.jsonl"
        fields: {event_id: id, identifiers: {user_id: who}, record_key: who, type: kind, occurred_at: at}
sla: {seconds: 3}
"""


def settings_of(folder: Path, state: str, more: str = "") -> Settings:
    return settings_from_text(SETTINGS.replace("STATE", state) + more, folder / "customer_profiles.yaml", {})


def write_visits(folder: Path, count: int, name: str = "visits") -> None:
    (folder / "web").mkdir(exist_ok=True)
    with (folder / f"web/{name}.jsonl").open("w") as file:
        for number in range(count):
            at = f"2026-06-{1 + number % 28:02}T10:{number % 60:02}:00Z"
            file.write(
                json.dumps({"id": f"{name} {number}", "who": f"u{number % 997}", "kind": "page", "at": at})
                + "\n"
            )


@contextmanager
def receiver() -> Iterator[tuple[str, list[tuple[float, str, str]]]]:
    """A web server that notes what it hears, and when."""
    heard: list[tuple[float, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            heard.append((time.time(), body["alarm"], body["event"]))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", heard
    server.shutdown()


def note(house: Pipeline, at: float) -> None:
    with house.state.writing(Store.INBOX) as connection:
        note_watermarks(connection, {("ingest_interaction", "web"): int(at * 1_000_000)})


def delays(
    house: Pipeline, heard: list[tuple[float, str, str]], times: int
) -> tuple[list[float], list[float]]:
    """Seconds from the SLA being broken to the page, and from the recovery to the word that it is over."""
    pause = threading.Event()

    def when(alarm: str, event: str, meanwhile: Callable[[], None] = lambda: None) -> float:
        while not (found := [at for at, *what in heard if what == [alarm, event]]):
            meanwhile()
            pause.wait(0.02)
        return found[0]

    paged, over = [], []
    for number in range(times):
        heard.clear()
        pause.wait(0.137 * number % 0.5)  # at another moment between two looks each time
        stalled_at = time.time()
        note(house, stalled_at)
        paged.append(when("sla_broken", "open") - stalled_at - SLA)
        recovered_at = time.time()
        over.append(when("sla_broken", "resolve", lambda: note(house, time.time())) - recovered_at)
        when("sla_at_risk", "resolve", lambda: note(house, time.time()))
    return paged, over


def show(what: str, found: list[float]) -> None:
    ordered = sorted(found)
    print(
        f"{what:<44} p50 {statistics.median(ordered):6.2f} s   most {ordered[-1]:6.2f} s   ({len(ordered)} times)",
        flush=True,
    )


def measure_paging(folder: Path, times: int) -> None:
    with receiver() as (url, heard):
        settings = settings_of(
            folder, "paging", f"alarms: {{receivers: {{hook: {{type: webhook, url: '{url}'}}}}}}\n"
        )
        with open_pipeline(settings) as house:
            house.run()
            watch = Watch(house.state, settings, build_receivers(settings))
            thread = threading.Thread(target=watch.run)
            thread.start()
            paged, over = delays(house, heard, times)
            watch.stop()
            thread.join()
            show("watch: SLA broken to page", paged)
            show("watch: recovery to the word that it is over", over)
            began = time.process_time()
            for _ in range(LOOKS):
                watch.look()
            look = (time.process_time() - began) / LOOKS
            print(
                f"watch: a look takes {look * 1_000:.1f} ms of the processor, every {LOOK_SECONDS} s: "
                f"{look / LOOK_SECONDS:.1%} of one",
                flush=True,
            )
            desk, ending = Desk(settings), threading.Event()

            def tick() -> None:
                while not ending.wait(TICK - POLL_SECONDS):
                    desk.tick(None, POLL_SECONDS)

            thread = threading.Thread(target=tick)
            thread.start()
            paged, over = delays(house, heard, max(3, times // 3))
            ending.set()
            thread.join()
            show("Dagster alone: SLA broken to page", paged)
            show("Dagster alone: recovery to its word", over)


@contextmanager
def counting_own_time(own: dict[str, float]) -> Iterator[None]:
    """Adds up by part the processor seconds that its own threads spend in it."""

    def counted(part: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kw: Any) -> Any:
            began = time.thread_time()
            try:
                return real(*args, **kw)
            finally:
                own[part] = own.get(part, 0.0) + time.thread_time() - began

        return call

    with ExitStack() as patched:
        for of, name, part in PARTS:
            patched.enter_context(patch.object(of, name, counted(part, getattr(of, name))))
        yield


def take_in(
    house: Pipeline, folder: Path, number: int, events: int, observed: bool, own: dict[str, float]
) -> float:
    """Processor seconds of a worker for some new events, with what tells of them or without."""
    write_visits(folder, events, f"part{number:04}")
    gc.collect()
    with ExitStack() as told:
        if not observed:
            told.enter_context(patch.object(Worker, "_note_watermarks", lambda *_, **__: None))
            told.enter_context(patch.object(Meter, "measure", lambda *_: Latency()))
        else:
            told.enter_context(counting_own_time(own))
        metrics = WorkerMetrics()
        worker = Worker(house, metrics.passed if observed else None)
        began = time.process_time()
        worker.run(until_quiet=True)
        if observed:
            generate_latest(metrics.registry)
        return time.process_time() - began


def middle(ratios: list[float], dice: random.Random) -> tuple[float, float, float]:
    """The median, and the interval in which 95 of 100 medians of as many pairs drawn from these lie."""
    drawn = sorted(statistics.median(dice.choices(ratios, k=len(ratios))) for _ in range(4_000))
    return statistics.median(ratios), drawn[100], drawn[-101]


def measure_cost(folder: Path, events: int, pairs: int) -> None:
    settings = settings_of(folder, "cost")
    ratios, seconds = [], []
    with open_pipeline(settings) as house:
        numbers = itertools.count()
        for _ in range(4):  # imports and first uses are nobody's cost
            take_in(house, folder, next(numbers), events, True, {})
        own: dict[str, float] = {}
        for pair in range(pairs):
            order = (True, False) if pair % 2 else (False, True)
            took = {
                observed: take_in(house, folder, next(numbers), events, observed, own) for observed in order
            }
            ratios.append(took[True] / took[False] - 1)
            seconds.append(took[True])
    found, low, high = middle(ratios, random.Random(1))
    spread = statistics.quantiles(ratios, n=10)
    print(
        f"metrics and freshness cost {found:+.2%} of processor time, 95 % interval {low:+.2%} to {high:+.2%} "
        f"({pairs} pairs of {events:,} events, {statistics.median(seconds):.2f} s each; "
        f"eight of ten pairs between {spread[0]:+.1%} and {spread[-1]:+.1%})",
        flush=True,
    )
    shares = {part: spent / sum(seconds) for part, spent in own.items()}
    told = ", ".join(f"{part} {share:.2%}" for part, share in shares.items())
    print(f"of their own threads' time {sum(shares.values()):.2%}: {told}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="stalls to be paged")
    parser.add_argument("--events", type=int, default=2_000, help="interactions of one half of a pair")
    parser.add_argument("--pairs", type=int, default=60, help="pairs with and without")
    given = parser.parse_args()
    os.environ.setdefault(KEY, "a5" * 32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        measure_cost(folder, given.events, given.pairs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_visits(folder, 10)
        measure_paging(folder, given.times)


if __name__ == "__main__":
    main()
