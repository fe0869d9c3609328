"""A state of many customers with their profiles, made once and kept, for the benchmarks of streaming."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.backfill import backfill
from benchmarks.company import KEPT, Say


def state_of(customers: int, say: Say) -> Path:
    """The folder of a state with the whole of a demo company: records, interactions, the graph, traits and segments.

    Args:
        customers: About how many.
        say: Told how the making gets on.
    """
    folder = KEPT / f"stream_{customers}"
    if (folder / "done").exists():
        return folder
    began = time.perf_counter()
    shutil.rmtree(folder, ignore_errors=True)
    backfill(folder, customers)
    shutil.rmtree(folder / ".data" / "demo")
    (folder / "done").touch()
    say(f"a state of {customers:,} customers was made in {time.perf_counter() - began:.0f} s")
    return folder


@contextmanager
def copy_of(folder: Path) -> Iterator[Path]:
    """A copy to send events into, gone afterwards: every measurement begins with the same state, and has one of its own."""
    for left in folder.parent.glob(f"{folder.name}_in_use_by_*"):
        if not Path("/proc", left.name.rpartition("_")[2]).exists():
            shutil.rmtree(left)  # of a measurement that was killed
    copy = folder.with_name(f"{folder.name}_in_use_by_{os.getpid()}")
    shutil.copytree(folder, copy)
    try:
        yield copy
    finally:
        shutil.rmtree(copy)
