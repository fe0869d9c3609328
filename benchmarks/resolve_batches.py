"""What resolving a batch costs beside a large graph: python -m benchmarks.resolve_batches.

A company is ingested, trained and resolved once, and kept. Then batches arrive in one warm process, through the record book
as ingest does; what is timed is the resolve stage from reading the log to its commit, everything included. Of a batch's
records 70 % are new records of persons who are known, with a slip of the pen or a field missing, 20 % are of
persons who are not, and 10 % change a record that is there.
"""

import argparse
import json
import random
import resource
import shutil
import statistics
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks import plain_splink
from benchmarks.company import company_of, settings_in
from benchmarks.on_postgres import copied_to
from customer_profiles.cleaning.record_book import Put, RecordBook
from customer_profiles.cleaning.tables import CONTRACT_COLUMNS
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.identity.model.models import promote
from customer_profiles.identity.model.training import train
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State

SOURCE = "benchmark"
FIELDS = (
    "given_name",
    "family_name",
    "full_name",
    "birth_date",
    "address_line",
    "city",
    "region",
    "postcode",
    "country",
)


def say(text: str) -> None:
    """A line of progress."""
    print(text, file=sys.stderr, flush=True)


def main() -> None:
    """Run what is asked for and print a line of figures a size of batch."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.resolve_batches",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--records", type=int, default=1_000_000, help="about so many are there [%(default)s]"
    )
    parser.add_argument("--batch", type=int, action="append", help="records in a batch [1000 and 100]")
    parser.add_argument("--times", type=int, default=15, help="batches of each size that count [%(default)s]")
    parser.add_argument("--warm", type=int, default=3, help="batches before them [%(default)s]")
    parser.add_argument(
        "--splink",
        type=int,
        default=0,
        metavar="TIMES",
        help="so many batches of each size with Splink alone, in the same run: predict_between, predict_within, clusters",
    )
    parser.add_argument(
        "--postgres",
        metavar="URL",
        help="copy the state into this Postgres database, which is emptied, and measure there",
    )
    given = parser.parse_args()
    folder = graph_of(given.records)
    settings = settings_in(folder)
    if given.postgres:
        settings = copied_to(given.postgres, settings, say)
    sizes = given.batch or (1_000, 100)
    arrivals = made(folder / "records.parquet", sizes, given.warm + given.times)
    ours: dict[int, float] = {}
    for size, seconds, busy, facts in measured(settings, arrivals, given.warm):
        ours[size] = statistics.median(seconds)
        print(line(given.records, size, seconds, busy, facts), flush=True)
    if given.splink:
        for size, seconds in splink_alone(folder.parent, settings, sizes, given.splink).items():
            alone = statistics.median(seconds)
            print(
                f"Splink alone, {size:,} rows: median {alone:.2f} s of {len(seconds)}, {alone / ours[size]:.1f} times ours"
            )
    shutil.rmtree(folder)


def measured(
    settings: Settings, arrivals: Mapping[int, Sequence[Sequence[dict[str, Any]]]], warm: int
) -> Iterator[tuple[int, list[float], list[float], list[dict[str, Any]]]]:
    """By size of batch the seconds of each after the first ones, on the clock and of the processor, and what each read."""
    with open_pipeline(settings) as pipeline:
        stage = ResolveStage(pipeline.state, settings)
        number = 0
        for size, batches in arrivals.items():
            seconds, busy, facts = [], [], []
            for turn, rows in enumerate(batches):
                take_in(pipeline.state, rows, number := number + 1)
                started, worked = time.perf_counter(), time.process_time()
                read = stage.rows_read
                result = stage.advance(size)
                took, worked = time.perf_counter() - started, time.process_time() - worked
                assert not result.more and result.received == size, result
                say(f"  {took * 1000:.0f} ms {json.dumps(dict(result.facts))}")
                if turn >= warm:
                    seconds.append(took)
                    busy.append(worked)
                    facts.append({**result.facts, "rows_read": stage.rows_read - read})
            yield size, seconds, busy, facts


def made(file: Path, sizes: Sequence[int], times: int) -> dict[int, list[list[dict[str, Any]]]]:
    """The batches, made before anything is measured, so that the table they come from is no part of the memory."""
    records, chance = pq.read_table(file), random.Random(1)
    batches = {
        size: [
            [
                arrival(row, chance)
                for row in records.take(pa.array(chance.sample(range(records.num_rows), size))).to_pylist()
            ]
            for _ in range(times)
        ]
        for size in sizes
    }
    del records
    pa.default_memory_pool().release_unused()
    return batches


def splink_alone(
    folder: Path, settings: Settings, sizes: Sequence[int], times: int
) -> dict[int, list[float]]:
    """By size the seconds of batches beside the same records with the same model, columns and keys made for nothing."""
    bundle = ModelBundle.from_bytes((folder / "bundle.zip").read_bytes())
    prepared, frequencies = folder / "prepared.parquet", folder / "frequencies"
    if not frequencies.exists():
        say("preparing columns and keys for Splink")
        records = pq.read_table(folder / "records.parquet")
        plain_splink.write_prepared(records, bundle, settings.identity, prepared)
        frequencies.mkdir()
        plain_splink.write_frequencies(records, bundle, settings.identity, frequencies)
    return plain_splink.batches(prepared, bundle.model, frequencies, bundle.edge_threshold, sizes, times, say)


def line(
    records: int,
    size: int,
    seconds: Sequence[float],
    busy: Sequence[float],
    facts: Sequence[dict[str, Any]],
) -> str:
    """A row of the table in the documentation."""
    ordered = sorted(seconds)
    mean = {
        name: statistics.fmean(float(one[name]) for one in facts)
        for name in ("candidates", "rows_read", "region_loaded")
    }
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
    return (
        f"| {records:,} | {size:,} | {statistics.median(ordered) * 1000:.0f} ms | {ordered[-1] * 1000:.0f} ms | "
        f"{statistics.median(busy) * 1000:.0f} ms | {mean['candidates']:,.0f} | {mean['rows_read']:,.0f} | "
        f"{mean['region_loaded']:,.0f} | {peak:.2f} GB |"
    )


def graph_of(records: int) -> Path:
    """A copy of a company's state with its graph, made once."""
    folder = company_of(records, say)
    kept, copy = folder / "graph", folder / "graph_in_use"
    if not (kept / "done").exists():
        shutil.rmtree(kept, ignore_errors=True)
        kept.mkdir()
        shutil.copytree(folder / ".data", kept / ".data")
        settings = settings_in(kept)
        bundle = folder / "bundle.zip"
        if not bundle.exists():
            say("training a model")
            table = pq.read_table(folder / "records.parquet")
            bundle.write_bytes(train(table, settings.identity, settings.identity.training.seed).to_bytes())
        with open_pipeline(settings) as pipeline:
            with pipeline.state.writing() as connection:
                promote(connection, ModelBundle.from_bytes(bundle.read_bytes()), time.time_ns() // 1000)
            say("resolving everything, once")
            result = pipeline.drain(pipeline.resolve())
            say(f"  {result.seconds:.0f} s")
        (kept / "done").touch()
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(kept / ".data", copy / ".data")
    shutil.copy(folder / "records.parquet", copy)
    return copy


def arrival(row: dict[str, Any], chance: random.Random) -> dict[str, Any]:
    """A record that arrives: of a person who is known, or of one made up of several."""
    fields = {name: row[name] for name in FIELDS if row[name]}
    fields |= {name: list(row[name]) for name in ("emails", "phones") if row[name]}
    if chance.random() < 0.2:
        for name in ("emails", "phones", "full_name", "address_line"):
            fields.pop(name, None)
        fields["birth_date"] = (
            f"{chance.randint(1940, 2005)}-{chance.randint(1, 12):02}-{chance.randint(1, 28):02}"
        )
        fields["family_name"] = chance.choice(
            ["Abel", "Brook", "Carver", "Dunmore", "Ellery", "Fenn"]
        ) + fields.get("family_name", "")
        return fields
    if chance.random() < 0.5 and len(fields.get("family_name", "")) > 3:
        at = chance.randrange(1, len(fields["family_name"]) - 1)
        fields["family_name"] = fields["family_name"][:at] + fields["family_name"][at + 1 :]
        fields.pop("full_name", None)
    else:
        fields.pop(chance.choice(sorted(fields)), None)
    return fields


def take_in(state: State, arrivals: Sequence[dict[str, Any]], number: int) -> None:
    """Take in a batch; one in ten changes a record of the batch before."""
    at = time.time_ns() // 1000
    keys = [
        f"{number - 1}-{place}" if place % 10 == 9 and number > 1 else f"{number}-{place}"
        for place in range(len(arrivals))
    ]
    with state.writing() as connection:
        book = RecordBook(connection, SOURCE, ("contacts",), at)
        book.load(keys)
        for key, fields in zip(keys, arrivals, strict=True):
            book.put(
                Put(
                    feed="contacts",
                    source_key=key,
                    values={**dict.fromkeys(CONTRACT_COLUMNS), **fields},
                    version=at,
                    deletes=False,
                    present=True,
                    seen={},
                    raw=orjson.dumps(fields),
                )
            )
        book.flush()


if __name__ == "__main__":
    main()
