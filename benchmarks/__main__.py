"""Runs the benchmarks of docs/benchmarks.md, one after the other: python -m benchmarks.

Quick by default: small sizes, minutes altogether, to see that nothing has become much slower. `--full` takes the sizes
that the documentation speaks of. Trust ratios more than absolute times: whatever else runs on the machine counts too.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Benchmark:
    """One benchmark: a module of this folder and the arguments of its two sizes."""

    module: str
    purpose: str
    quick: Sequence[str]
    full: Sequence[str]


BENCHMARKS = {
    "accumulate": Benchmark(
        "benchmarks.accumulate",
        "interactions a second that are folded into buckets",
        ("--interactions", "40000", "--records", "20000"),
        (),
    ),
    "accuracy": Benchmark(
        "benchmarks.identity_accuracy", "precision, recall and F1 on every labelled set", (), ()
    ),
    "collector": Benchmark(
        "benchmarks.collector",
        "events a second that the collector accepts, durably",
        ("--events", "20000"),
        (),
    ),
    "history": Benchmark(
        "benchmarks.history",
        "sealing old interactions, and reading them back",
        ("--interactions", "100000", "--records", "10000"),
        (),
    ),
    "identity": Benchmark(
        "benchmarks.identity_million",
        "train, score and cluster beside plain Splink, and writing the graph",
        ("--records", "5260"),
        ("--records", "1000000"),
    ),
    "batches": Benchmark(
        "benchmarks.resolve_batches",
        "resolving a batch of changed records beside a large graph",
        ("--records", "20000", "--times", "5"),
        (),
    ),
    "backfill": Benchmark(
        "benchmarks.backfill",
        "a first load, from files to profiles",
        ("--customers", "2000"),
        (),
    ),
    "stream": Benchmark(
        "benchmarks.stream",
        "the worker beside a large state: interactions a second, latency, one batch, an outage",
        ("--customers", "2000", "--seconds", "10", "--minutes", "0.5", "--times", "3"),
        ("--customers", "1000000"),
    ),
    "guards": Benchmark("benchmarks.identity_guards", "what each guard does to precision and recall", (), ()),
    "behaviour": Benchmark(
        "benchmarks.identity_behaviour",
        "what shared devices and patterns of visits say about who is whom",
        (),
        (),
    ),
    "watch": Benchmark(
        "benchmarks.watch",
        "seconds from a broken SLA to its page, and what metrics and freshness cost",
        ("--times", "5", "--events", "10000", "--pairs", "3"),
        (),
    ),
    "steps": Benchmark("benchmarks.identity_steps", "what each step does to precision and recall", (), ()),
}


def main() -> int:
    """Run what is asked for; 0 when all went well, 1 when one failed, 2 for wrong use."""
    listed = "\n".join(f"  {name:<12} {one.purpose}" for name, one in BENCHMARKS.items())
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        epilog=f"benchmarks:\n{listed}\n\nexamples:\n  python -m benchmarks\n  python -m benchmarks identity --full\n"
        "  python -m benchmarks.identity_million --help    (each has more options of its own)",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("which", nargs="*", metavar="BENCHMARK", help="which to run [all]")
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="small sizes, minutes altogether; the default")
    size.add_argument(
        "--full", action="store_true", help="the sizes of the documentation, up to an hour or two"
    )
    parser.add_argument("--list", action="store_true", help="list the benchmarks and run none")
    given = parser.parse_args()
    if given.list:
        print(listed)
        return 0
    if unknown := [name for name in given.which if name not in BENCHMARKS]:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    chosen = given.which or list(BENCHMARKS)
    failed = [
        name for number, name in enumerate(chosen, 1) if not _run(name, number, len(chosen), given.full)
    ]
    if failed:
        print(f"\nFailed: {', '.join(failed)}. Run one alone to see why: python -m benchmarks {failed[0]}")
        return 1
    if not given.full:
        print("\nNext: python -m benchmarks --full for the sizes of docs/benchmarks.md.")
    else:
        print("\nNext: write the figures and the commands into docs/benchmarks.md.")
    return 0


def _run(name: str, number: int, of: int, full: bool) -> bool:
    one = BENCHMARKS[name]
    command = ["-m", one.module, *(one.full if full else one.quick)]
    print(f"\n[{number}/{of}] {name}: {one.purpose}\n      python {' '.join(command)}", flush=True)
    started = time.perf_counter()
    well = subprocess.run([sys.executable, *command], check=False).returncode == 0
    print(f"[{number}/{of}] {name}: {'done' if well else 'FAILED'} in {time.perf_counter() - started:.0f} s")
    return well


if __name__ == "__main__":
    sys.exit(main())
