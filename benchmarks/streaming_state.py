"""A state of many customers with their profiles, made once and kept, for the benchmarks of streaming."""

import shutil
import time
from pathlib import Path

from benchmarks.company import KEPT, RECORDS_A_CUSTOMER, Say, settings_in
from benchmarks.resolve_batches import graph_of
from customer_profiles.pipeline.build import open_pipeline


def state_of(customers: int, say: Say) -> Path:
    """The folder of a state with the records, the graph, the traits and the segments of a demo company.

    It is used as it is, and so grows by what a benchmark sends into it.

    Args:
        customers: About how many.
        say: Told how the making gets on.
    """
    folder = KEPT / f"stream_{customers}"
    if (folder / "done").exists():
        return folder
    began = time.perf_counter()
    graph = graph_of(round(customers * RECORDS_A_CUSTOMER))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    shutil.move(graph / ".data", folder / ".data")
    shutil.rmtree(graph)
    with open_pipeline(settings_in(folder)) as pipeline:
        for stage in pipeline.derived():
            result = pipeline.drain(stage)
            say(f"  {stage.name}: {result.received:,} in {result.seconds:.0f} s")
    (folder / "done").touch()
    say(f"a state of {customers:,} customers was made in {time.perf_counter() - began:.0f} s")
    return folder
