"""Who is who among a million records, beside plain Splink on the same rows: python -m benchmarks.identity_million.

Both get the same blocking keys and the same comparisons, one after the other, each in a process of its own, so that
peak memory is each one's own. Ours starts from records as they are stored and normalises them, twice: to train and
to score. Splink gets what that gave, columns normalised, identifiers sifted, keys made, for nothing, and only one
row where several records have the same content. So the ratio errs against us, except that Splink evaluates a costly
comparison again for every level: that is what plain Splink does with these comparisons, and a team that knows
may do better. Ours also joins records by shared identifiers and clusters under constraints, which connected components
do not; so the clusters differ. A check at the end gives Splink our model: then the edges must be the same.

Writing the graph is measured by itself: the resolve stage over the encrypted state with a promoted model, from reading
the records to the last row committed. It finds the edges and clusters again, so the time is that of a first run.
"""

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from benchmarks import plain_splink
from benchmarks.company import company_of, settings_in
from customer_profiles.identity.clusters.clusters import cluster
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.edges.edges import PROBABILISTIC, find_edges
from customer_profiles.identity.edges.features import load_content
from customer_profiles.identity.edges.workbench import workbench
from customer_profiles.identity.graph.records import facts_of
from customer_profiles.identity.linking import linkage_of
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.identity.model.models import promote
from customer_profiles.identity.model.training import train
from customer_profiles.pipeline.build import open_pipeline

ENGINES = ("ours", "splink", "graph", "check")
AIM, AIM_WRITTEN, AIM_GB = 1.5, 4.0, 4.0
_RECORDS, _BUNDLE, _PREPARED, _EDGES = "records.parquet", "bundle.zip", "prepared.parquet", "edges.npz"


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run what is asked for, each engine in a process of its own; print the figures."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.identity_million",
        description=__doc__,
        epilog="examples:\n  python -m benchmarks.identity_million --records 100000\n"
        "  python -m benchmarks.identity_million --engine ours --engine splink\n\n"
        "The first run with a size makes its company (10 minutes for a million) and keeps it in .data/bench.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--records", type=int, default=1_000_000, help="about so many [%(default)s]")
    parser.add_argument(
        "--engine",
        action="append",
        choices=ENGINES,
        help="one of the parts; several times for several; all by default",
    )
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    parser.add_argument("--alone", choices=ENGINES, help=argparse.SUPPRESS)
    given = parser.parse_args()
    folder = company_of(given.records, say)
    if given.alone:
        print(json.dumps(_PARTS[given.alone](folder) | {"peak_gb": _peak_gb()}))
        return
    parts = given.engine or ENGINES
    if not (folder / _BUNDLE).exists() and "ours" not in parts:
        parser.error("the others need the model that ours trains: run it with --engine ours first")
    found = {part: _in_a_process(part, given.records) for part in ENGINES if part in parts}
    if given.json:
        print(json.dumps(found, indent=2))
    else:
        _report(found, given.records, pq.read_metadata(folder / _RECORDS).num_rows)


def _in_a_process(part: str, records: int) -> dict[str, float]:
    say(f"{part}: started")
    command = [
        sys.executable,
        "-m",
        "benchmarks.identity_million",
        "--records",
        str(records),
        "--alone",
        part,
    ]
    started = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    figures: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    say(f"{part}: {time.perf_counter() - started:.0f} s, {figures['peak_gb']:.2f} GB at its peak")
    return figures


@contextmanager
def _timed(seconds: dict[str, float], phase: str) -> Iterator[None]:
    started = time.perf_counter()
    yield
    seconds[phase] = time.perf_counter() - started
    say(f"  {phase}: {seconds[phase]:.1f} s")


def _ours(folder: Path) -> dict[str, float]:
    settings = settings_in(folder).identity
    records = pq.read_table(folder / _RECORDS)
    seconds: dict[str, float] = {}
    with _timed(seconds, "train"):
        bundle = train(records, settings, settings.training.seed)
    with _timed(seconds, "score"):
        edges = find_edges(records, bundle, settings)
    with _timed(seconds, "cluster"):
        pairs = edges.pairs
        facts = facts_of(records, edges.hubs, settings, bundle.conflict_veto)
        found = cluster(pairs.left, pairs.right, pairs.weight, facts, Rulings(), linkage_of(settings))
    (folder / _BUNDLE).write_bytes(bundle.to_bytes())
    scored = np.array(edges.kinds)[pairs.kind] == PROBABILISTIC
    np.savez(folder / _EDGES, left=pairs.left, right=pairs.right, weight=pairs.weight, scored=scored)
    counts = {"edges": len(pairs), "clusters": len(np.unique(found.labels)), "candidates": edges.candidates}
    return seconds | counts


def _splink(folder: Path) -> dict[str, float]:
    bundle, settings = _bundle(folder), settings_in(folder).identity
    _prepare_in_a_process(folder)
    return plain_splink.run(folder / _PREPARED, bundle.model, bundle.edge_threshold, say) | {
        "cap": settings.blocking_cap
    }


def _prepare_in_a_process(folder: Path) -> None:
    """Prepare beside, so that the preparation's memory is not counted as Splink's."""
    if pid := os.fork():
        if os.waitpid(pid, 0)[1]:
            raise SystemExit("preparing the rows for Splink failed")
        return
    status = 1
    try:
        records = pq.read_table(folder / _RECORDS)
        plain_splink.write_prepared(
            records, _bundle(folder), settings_in(folder).identity, folder / _PREPARED
        )
        status = 0
    finally:
        os._exit(status)


def _graph(folder: Path) -> dict[str, float]:
    """The resolve stage over a copy of the encrypted state."""
    with tempfile.TemporaryDirectory(dir=folder) as copied:
        shutil.copytree(folder / ".data", Path(copied) / ".data")
        seconds: dict[str, float] = {}
        with open_pipeline(settings_in(Path(copied))) as pipeline:
            with pipeline.state.writing() as connection:
                promote(connection, _bundle(folder), time.time_ns() // 1000)
            with _timed(seconds, "resolve"):
                result = pipeline.drain(pipeline.resolve())
        rows = result.facts["edges_written"] + result.facts["records"] + result.facts["customers"]
        return seconds | {"rows": rows, "customers": result.facts["customers"]}


def _check(folder: Path) -> dict[str, float]:
    """Whether Splink with our model finds our edges, with our weights."""
    bundle, settings = _bundle(folder), settings_in(folder).identity
    records = pq.read_table(folder / _RECORDS)
    with tempfile.TemporaryDirectory(dir=folder) as kept:
        plain_splink.write_frequencies(records, bundle, settings, Path(kept))
        left, right, weight = plain_splink.weights_by_pair(
            folder / _PREPARED, bundle.model, Path(kept), bundle.edge_threshold
        )
    first = _first_records(records, bundle)
    a, b = first[left], first[right]
    splinks = dict(
        zip(
            zip(np.minimum(a, b).tolist(), np.maximum(a, b).tolist(), strict=True),
            weight.tolist(),
            strict=True,
        )
    )
    ours = np.load(folder / _EDGES)
    pairs = zip(ours["left"].tolist(), ours["right"].tolist(), strict=True)
    held: dict[tuple[int, int], tuple[int, bool]] = dict(
        zip(pairs, zip(ours["weight"].tolist(), ours["scored"].tolist(), strict=True), strict=True)
    )
    missing = sum(pair not in held for pair in splinks)
    single = set(first.tolist())
    scored = {pair: w for pair, (w, by_score) in held.items() if by_score and single.issuperset(pair)}
    return {
        "splink_edges": len(splinks),
        "edges_we_lack": missing,
        "edges_splink_lacks": sum(pair not in splinks for pair in scored),
        "largest_difference": max((abs(w - splinks.get(pair, w)) for pair, w in scored.items()), default=0),
    }


def _first_records(records: Any, bundle: ModelBundle) -> Any:
    """By content number the first record that has the content."""
    with workbench() as connection:
        load_content(connection, records, bundle.extras)
        rows = connection.execute(
            "select record_no from member where copy_no = 1 order by content_no"
        ).fetchnumpy()
    return np.asarray(rows["record_no"], dtype=np.int64)


def _bundle(folder: Path) -> ModelBundle:
    return ModelBundle.from_bytes((folder / _BUNDLE).read_bytes())


def _peak_gb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _total(figures: dict[str, float]) -> float:
    return figures["train"] + figures["score"] + figures["cluster"]


def _report(found: dict[str, dict[str, float]], asked: int, records: int) -> None:
    for part in ("ours", "splink"):
        if part in found:
            one = found[part]
            print(
                f"{part:>6}: train {one['train']:.1f} s, score {one['score']:.1f} s, cluster {one['cluster']:.1f} s, "
                f"together {_total(one):.1f} s; peak {one['peak_gb']:.2f} GB; "
                f"{one['edges']:,} edges, {one['clusters']:,} clusters"
            )
    if "graph" in found:
        graph = found["graph"]
        print(
            f" graph: {graph['resolve']:.1f} s from stored records to the stored graph, {graph['rows']:,} rows; "
            f"peak {graph['peak_gb']:.2f} GB"
        )
    if "check" in found:
        check = found["check"]
        print(
            f" check: Splink with our model has {check['splink_edges']:,} edges; we lack {check['edges_we_lack']:,}, "
            f"it lacks {check['edges_splink_lacks']:,}; weights differ by {check['largest_difference']}/1024 bit at most"
        )
    if {"ours", "splink", "graph"} <= found.keys():
        ours, splink, graph = (found[part] for part in ("ours", "splink", "graph"))
        ratio = _total(ours) / _total(splink)
        written = (ours["train"] + graph["resolve"]) / _total(splink)
        peak = max(ours["peak_gb"], graph["peak_gb"])
        well = ratio <= AIM and written <= AIM_WRITTEN and peak <= AIM_GB
        print(
            f"{'Within' if well else 'NOT within'} the aims: {AIM} times, {AIM_WRITTEN} times with writing, {AIM_GB} GB."
        )
        print(
            f"\n| {records:,} records: train + score + cluster; plain Splink; ratio | "
            f"`python -m benchmarks.identity_million --records {asked}` | "
            f"{_total(ours):.0f} s; {_total(splink):.0f} s; {ratio:.2f} |\n"
            f"| the same with the graph written; ratio to plain Splink; peak memory | | "
            f"{ours['train'] + graph['resolve']:.0f} s; {written:.2f}; {peak:.1f} GB |"
        )


_PARTS = {"ours": _ours, "splink": _splink, "graph": _graph, "check": _check}

if __name__ == "__main__":
    main()
