"""Moving old interactions to the history and reading them back: python -m benchmarks.history.

Seals everything in batches as the nightly job does, merges, then folds a new generation from history and reads single records.
Bytes of the database are those of pages in use.
"""

import argparse
import random
import tempfile
import time
import uuid
from hashlib import sha256
from pathlib import Path

from customer_profiles.cleaning.interactions import interactions_of
from customer_profiles.cleaning.seal import SEALED_AT_ONCE, SealStage
from customer_profiles.cleaning.tables import interaction
from customer_profiles.encryption.aead import Aead
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.pipeline.history import accumulated_until, keep_history
from customer_profiles.settings import Settings
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.engine import State
from customer_profiles.state.generations import begin_generation
from customer_profiles.state.history.history import History
from customer_profiles.state.history.manifest import totals
from customer_profiles.state.migrate import migrate
from customer_profiles.state.schema import to_json
from customer_profiles.state.sequences import reserve

DAY = 24 * 60 * 60 * 1_000_000
NOW = 1_793_450_000_000_000
COLUMNS = [column.name for column in interaction.columns]


def fill(state: State, count: int, records: int) -> None:
    dice, made = random.Random(7), 0
    while made < count:
        size = min(50_000, count - made)
        with state.writing() as connection:
            first = reserve(connection, "interaction", size)
            rows = []
            for number in range(first, first + size):
                kind = dice.choices(["page", "email_open", "purchase", "message"], [80, 12, 5, 3])[0]
                at = NOW - 700 * DAY + number * (600 * DAY // count) + dice.randrange(DAY)
                bought = kind == "purchase"
                said = {
                    "category": dice.choice(["hats", "shoes", "coats"]),
                    "path": f"/p/{dice.randrange(5_000)}",
                }
                if bought:
                    said["order_id"] = f"o{number}"
                rows.append(
                    (
                        number,
                        "web",
                        str(uuid.UUID(int=dice.getrandbits(128))),
                        dice.randrange(records) + 1,
                        kind,
                        "web",
                        at,
                        at + 60_000_000,
                        dice.randrange(500, 20_000) if bought else None,
                        "GBP" if bought else None,
                        to_json(said),
                    )
                )
            insert_rows(connection, interaction, COLUMNS, rows)
        made += size


def in_use(state: State) -> int:
    """Bytes of the database's pages in use."""
    with state.reading() as connection:
        pages, free, size = (
            int(connection.exec_driver_sql(f"PRAGMA {name}").scalar_one())
            for name in ("page_count", "freelist_count", "page_size")
        )
    return (pages - free) * size


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=1_000_000)
    parser.add_argument("--records", type=int, default=100_000)
    given = parser.parse_args()
    count = given.interactions
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:{folder}/state"
        with State.open(url, lambda name: sha256(name.encode()).digest()) as state:
            migrate(state)
            history = state.history = History(Path(folder) / "history", Aead(bytes(32)))
            empty = in_use(state)
            fill(state, count, given.records)
            there = (in_use(state) - empty) / count
            print(f"in the database: {there:.0f} bytes an interaction")
            settings = Settings()
            began = time.perf_counter()
            stage = AccumulateStage(state, settings)
            while stage.advance(20_000).more:
                pass
            print(f"folded from the database: {count / (time.perf_counter() - began):,.0f} a second")
            before = in_use(state)

            slowest, began = [0.0, time.perf_counter()], time.perf_counter()

            def lap(_result: object) -> None:
                now = time.perf_counter()
                slowest[0], slowest[1] = max(slowest[0], now - slowest[1]), now

            kept = keep_history(
                state, history, SealStage(state, history, 90, accumulated_until, lambda: NOW), lap
            )
            took = time.perf_counter() - began
            assert kept.sealed.applied == count
            sealing = kept.sealed.seconds
            print(
                f"sealed: {count / sealing:,.0f} a second, in batches of {SEALED_AT_ONCE:,}, slowest {slowest[0]:.1f} s"
            )
            merged = kept.compacted
            print(
                f"merged: {merged.merged:,} segments into {merged.into:,}, {merged.rows:,} rows, in {took - sealing:.1f} s"
            )
            with state.reading() as connection:
                whole = totals(connection)
            print(f"in segments: {whole.bytes / count:.0f} bytes an interaction, {whole.segments} segments")
            left = there - (before - in_use(state)) / count
            print(f"left in the database, to know the events by: {left:.0f} bytes an interaction")
            with state.writing() as connection:
                generation = begin_generation(connection)
            began = time.perf_counter()
            stage = AccumulateStage(state, settings, generation)
            while stage.advance(20_000).more:
                pass
            print(f"folded from history: {count / (time.perf_counter() - began):,.0f} a second")
            began = time.perf_counter()
            assert history.verify(state) == []
            print(
                f"read and decrypted, nothing done with it: {count / (time.perf_counter() - began):,.0f} a second"
            )
            times = []
            for record_no in range(1, 51):
                began = time.perf_counter()
                with state.reading() as connection:
                    interactions_of(connection, history, [record_no], COLUMNS)
                times.append(time.perf_counter() - began)
            times.sort()
            print(
                f"all of one record: {times[25] * 1000:.0f} ms (median), {times[-1] * 1000:.0f} ms (slowest of 50)"
            )


if __name__ == "__main__":
    main()
