"""A first load, from the files of a company to its profiles: python -m benchmarks.backfill.

The demo company of so many customers is generated (not counted), then everything runs in one process on the embedded state: every
source is read, a model trained, who is who found, interactions counted, traits and segments made. Seconds by stage.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.company import settings_in
from customer_profiles import demo
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.pipeline.overview import rows_in

BATCH = 50_000
LINE = "| {:<28} | {:>11,} | {:>8,.1f} s | {:>9,.0f} |"


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
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        backfill(Path(made), given.customers, given.batch)


def backfill(folder: Path, customers: int, batch: int = BATCH) -> None:
    """Make a company and its profiles in a folder; a row a stage is printed."""
    say(f"generating {customers:,} customers")
    demo.generate(folder / ".data" / "demo", customers=customers)
    print("| stage | received | took | a second |\n|---|---|---|---|")
    started = time.perf_counter()
    with open_pipeline(settings_in(folder), _progress(), batch) as house:
        for ingest in house.ingests():
            _row(f"{ingest.name} of {ingest.source}", house.drain(ingest))
        trained = house.train()
        print(LINE.format("train the model", 0, trained.seconds, 0), flush=True)
        for stage in house.derived():
            _row(stage.name, house.drain(stage))
        took = time.perf_counter() - started
        records, interactions, profiles = (
            rows_in(house.state, table) for table in ("member", "interaction", "profile")
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    print(
        f"\n{records:,} records and {interactions:,} interactions became {profiles:,} profiles in {took / 60:.1f} minutes; "
        f"{peak:.1f} GB at the peak",
        flush=True,
    )


def _row(name: str, result: StageResult) -> None:
    print(
        LINE.format(name, result.received, result.seconds, result.received / max(result.seconds, 1e-9)),
        flush=True,
    )


def _progress() -> Callable[[StageResult], None]:
    done: dict[str, int] = {}

    def tell(result: StageResult) -> None:
        before = done.get(result.stage, 0)
        done[result.stage] = before + result.received
        if done[result.stage] // 500_000 > before // 500_000:
            say(f"  {result.stage}: {done[result.stage]:,}")

    return tell


if __name__ == "__main__":
    main()
