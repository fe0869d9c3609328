"""What plain Dagster does without the worker, its web server and daemon being real: python -m benchmarks.dagster_alone.

`customer-profiles ui` runs in a process of its own over a small company. Rows arrive in a file, and are looked for in the
buckets that profiles are summed from: seconds from the file being there to the row being counted. Then the folder of a source
is taken away and put back, with nothing new in it: seconds from the SLA being broken to the page at a web server on loopback,
and from the recovery to its word.
"""

import argparse
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from benchmarks.watch import KEY, SETTINGS, receiver, write_visits
from customer_profiles.monitoring.alarms.book import open_alarms
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.settings import load_settings
from customer_profiles.state.engine import Store

SLA = 15.0
"""Longer than a run takes, or the SLA would be broken by nothing but Dagster."""
PATIENCE = 300.0
SETTLED = 120.0
"""The files are as old as that many seconds: one that was written to in the last minute is read again once it is settled."""


def main() -> None:
    """Run both and print a line each."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.dagster_alone",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rows", type=int, default=20, help="rows, one after the other [%(default)s]")
    parser.add_argument("--stalls", type=int, default=5, help="times the source goes [%(default)s]")
    given = parser.parse_args()
    os.environ.setdefault(KEY, "a5" * 32)
    with tempfile.TemporaryDirectory() as made, receiver() as (url, heard):
        folder = Path(made)
        write_visits(folder, 50)
        for file in (folder / "web").iterdir():
            _settle(file)
        text = SETTINGS.replace("STATE", str(folder / "state")).replace("seconds: 3", f"seconds: {SLA:.0f}")
        text += "streaming: {files_seconds: 0.2}\n"
        text += f"alarms: {{receivers: {{hook: {{type: webhook, url: '{url}'}}}}}}\n"
        (folder / "customer_profiles.yaml").write_text(text)
        settings = load_settings(folder / "customer_profiles.yaml")
        with _web_ui(folder), open_pipeline(settings) as house:
            _wait(lambda: _counted(house) == 50)
            _show("a row in a file to its profile", [_row(house, folder, at) for at in range(given.rows)])
            paged, over = [], []
            for _ in range(given.stalls):
                _wait(lambda: not _open(house))  # or it would be another alarm that is heard of
                heard.clear()
                gone, away = folder / "web", folder / "away"
                broken_at = time.time()
                gone.rename(away)
                paged.append(_heard(heard, "open", broken_at) - broken_at - SLA)
                mended_at = time.time()
                away.rename(gone)
                over.append(_heard(heard, "resolve", mended_at) - mended_at)
            _show("a source gone: SLA broken to page", paged)
            _show("the source back to the word that it is over", over)


@contextmanager
def _web_ui(folder: Path) -> Iterator[None]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    command = [Path(sys.executable).with_name("customer-profiles"), "-s", folder / "customer_profiles.yaml"]
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in ("DAGSTER_HOME", "CUSTOMER_PROFILES_SETTINGS")
    }
    process = subprocess.Popen(
        [*command, "ui", "--port", port],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _row(house: Pipeline, folder: Path, number: int) -> float:
    before = _counted(house)
    (folder / "web" / f"row{number}.part").write_text(
        f'{{"id": "r{number}", "who": "u1", "kind": "page", "at": "2026-06-02T10:00:00Z"}}\n'
    )
    _settle(folder / "web" / f"row{number}.part")
    began = time.perf_counter()
    (folder / "web" / f"row{number}.part").rename(folder / "web" / f"row{number}.jsonl")
    _wait(lambda: _counted(house) > before)
    return time.perf_counter() - began


def _settle(file: Path) -> None:
    then = time.time() - SETTLED
    os.utime(file, (then, then))


def _counted(house: Pipeline) -> int:
    query = "SELECT coalesce(sum(count), 0) FROM bucket WHERE grain = 'lifetime'"
    with house.state.reading() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())


def _open(house: Pipeline) -> bool:
    with house.state.reading(Store.INBOX) as connection:
        return bool(open_alarms(connection))


def _heard(heard: list[tuple[float, str, str]], event: str, since: float) -> float:
    found: list[float] = []

    def there() -> bool:
        found[:] = [at for at, *what in heard if what == ["sla_broken", event] and at >= since]
        return bool(found)

    _wait(there)
    return found[0]


def _wait(until: Callable[[], bool]) -> None:
    pause, ends = threading.Event(), time.monotonic() + PATIENCE
    while not until():
        if time.monotonic() > ends:
            raise SystemExit(f"Nothing happened for {PATIENCE:.0f} s.")
        pause.wait(0.05)


def _show(what: str, found: list[float]) -> None:
    ordered = sorted(found)
    slow = ordered[min(len(ordered) - 1, round(0.95 * len(ordered)))]
    print(
        f"{what:<46} p50 {statistics.median(ordered):5.1f} s   p95 {slow:5.1f} s   most {ordered[-1]:5.1f} s   "
        f"({len(ordered)} times)",
        flush=True,
    )


if __name__ == "__main__":
    main()
