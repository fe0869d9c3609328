"""How long after the SLA is broken on-call is paged, and what metrics and freshness cost: python -m benchmarks.watch.

A stall is made by a watermark that stands still; the receiver is a web server on loopback. The cost is measured in pairs, one
after the other in the same process: a backlog taken in with metrics, watermarks and somebody who watches, and the same without,
in seconds of the processor, for whatever else runs on the machine changes those least.
"""

import argparse
import json
import os
import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from unittest.mock import patch

from customer_profiles.monitoring.alarms.receivers.build import build_receivers
from customer_profiles.monitoring.freshness import note_watermarks
from customer_profiles.orchestration.sla import POLL_SECONDS, Desk
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.pipeline.metrics import WorkerMetrics
from customer_profiles.pipeline.watch import LOOK_SECONDS, Watch
from customer_profiles.pipeline.worker import Worker
from customer_profiles.settings import Settings, settings_from_text
from customer_profiles.state.engine import Store

KEY = "BENCHMARK_KEY"
SLA = 3.0
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


def write_visits(folder: Path, count: int) -> None:
    (folder / "web").mkdir()
    with (folder / "web/visits.jsonl").open("w") as file:
        for number in range(count):
            at = f"2026-06-{1 + number % 28:02}T10:{number % 60:02}:00Z"
            file.write(
                json.dumps({"id": f"v{number}", "who": f"u{number % 997}", "kind": "page", "at": at}) + "\n"
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
            looks: list[float] = []
            thread = threading.Thread(target=watch.run, args=(lambda look: looks.append(look.seconds),))
            thread.start()
            paged, over = delays(house, heard, times)
            watch.stop()
            thread.join()
            show("watch: SLA broken to page", paged)
            show("watch: recovery to the word that it is over", over)
            print(
                f"watch: a look takes {statistics.median(looks) * 1_000:.1f} ms, every {LOOK_SECONDS} s",
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


def take_in(folder: Path, name: str, observed: bool) -> float:
    """Processor seconds of a worker for the whole backlog."""
    settings = settings_of(folder, name)
    with open_pipeline(settings) as house:
        metrics = WorkerMetrics()
        worker = Worker(house, metrics.passed) if observed else Worker(house)
        began = time.process_time()
        if observed:
            worker.run(until_quiet=True)
        else:
            with patch.object(Worker, "_note_watermarks", lambda *_, **__: None):
                worker.run(until_quiet=True)
        return time.process_time() - began


def measure_cost(folder: Path, events: int, pairs: int) -> None:
    take_in(folder, "warm", True)  # imports and first uses are nobody's cost
    ratios, seconds = [], []
    for number in range(pairs):
        order = (True, False) if number % 2 else (False, True)
        took = {observed: take_in(folder, f"cost_{number}_{observed}", observed) for observed in order}
        ratios.append(took[True] / took[False] - 1)
        seconds.append(took[True])
        print(
            f"pair {number + 1}: {took[False]:.2f} s without, {took[True]:.2f} s with: {ratios[-1]:+.1%}",
            flush=True,
        )
    rate = events / statistics.median(seconds)
    print(
        f"metrics and watermarks cost {statistics.median(ratios):+.1%} of processor time ({events:,} events, {rate:,.0f} a second)"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=20, help="stalls to be paged")
    parser.add_argument("--events", type=int, default=40_000, help="interactions of the backlog")
    parser.add_argument("--pairs", type=int, default=8, help="times that it is taken in with and without")
    given = parser.parse_args()
    os.environ.setdefault(KEY, "a5" * 32)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_visits(folder, given.events)
        measure_cost(folder, given.events, given.pairs)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_visits(folder, 10)
        measure_paging(folder, given.times)


if __name__ == "__main__":
    main()
