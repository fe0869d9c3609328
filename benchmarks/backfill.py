"""A first load, from the files of a company to its profiles: python -m benchmarks.backfill.

The demo company of so many customers is generated (not counted), then everything runs on the embedded state, or on Postgres, as
`customer-profiles run` does it: every source is read, a model trained, who is who found, interactions counted, traits and
segments made. Seconds by stage are those of its batches added up, some of them done in a second process meanwhile; beside them
stands how long after the start it was through.
"""

from __future__ import annotations

import argparse
import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path

from benchmarks.company import settings_in
from benchmarks.on_postgres import at
from customer_profiles import demo
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.ahead import with_a_second_process
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.pipeline.overview import rows_in

BATCH = 50_000
LINE = "| {:<29} | {:>11,} | {:>8,.1f} s | {:>8,.1f} s |"


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run it and print a row a stage."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.backfill",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--customers", type=int, default=1_000_000, help="[%(default)s]")
    parser.add_argument("--batch", type=int, default=BATCH, help="envelopes in a batch [%(default)s]")
    parser.add_argument("--alone", action="store_true", help="without the second process")
    parser.add_argument("--postgres", metavar="URL", help="the state in this Postgres database, an empty one")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        backfill(Path(made), given.customers, given.batch, alone=given.alone, url=given.postgres)


def backfill(
    folder: Path, customers: int, batch: int = BATCH, *, alone: bool = False, url: str | None = None
) -> None:
    """Make a company and its profiles in a folder; a row a stage is printed."""
    say(f"generating {customers:,} customers")
    demo.generate(folder / ".data" / "demo", customers=customers)
    print("| stage | received | took | through after |\n|---|---|---|---|")
    second = _SecondProcess()
    settings = at(settings_in(folder), url) if url else settings_in(folder)
    started = time.perf_counter()
    with (
        open_pipeline(settings, _progress(second), batch) as opened,
        nullcontext(opened) if alone else with_a_second_process(opened) as house,
    ):
        for ingest in house.ingests():
            _row(f"{ingest.name} of {ingest.source}", house.drain(ingest), started)
        trained = house.train()
        _row("train the model", StageResult("train", seconds=trained.seconds), started)
        for stage in house.derived():
            _row(stage.name, house.drain(stage), started)
        took = time.perf_counter() - started
        records, interactions, profiles = (
            rows_in(house.state, table) for table in ("member", "interaction", "profile")
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"\n{records:,} records and {interactions:,} interactions became {profiles:,} profiles in {took / 60:.1f} minutes; "
        f"{peak:.1f} GB at the peak, and {second.gigabytes:.1f} GB at that of the second process",
        flush=True,
    )


def _row(name: str, result: StageResult, started: float) -> None:
    print(
        LINE.format(name, result.received, result.seconds, time.perf_counter() - started),
        flush=True,
    )


class _SecondProcess:
    """What the second process took of memory at most."""

    def __init__(self) -> None:
        self.gigabytes = 0.0

    def look(self) -> None:
        """Look once more; it may be gone."""
        for child in multiprocessing.active_children():
            with suppress(OSError):
                status = Path(f"/proc/{child.pid}/status").read_text()
                for line in status.splitlines():
                    if line.startswith("VmHWM:"):
                        self.gigabytes = max(self.gigabytes, int(line.split()[1]) * 1024 / 1e9)


def _progress(second: _SecondProcess) -> Callable[[StageResult], None]:
    done: dict[str, int] = {}

    def tell(result: StageResult) -> None:
        second.look()
        before = done.get(result.stage, 0)
        done[result.stage] = before + result.received
        if done[result.stage] // 500_000 > before // 500_000:
            say(f"  {result.stage}: {done[result.stage]:,}")

    return tell


if __name__ == "__main__":
    main()
