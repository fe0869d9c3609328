"""How many interactions a second the accumulate stage folds: python benchmarks/accumulate.py."""

import argparse
import random
import tempfile
import time

from customer_profiles.cleaning.tables import interaction
from customer_profiles.identity import tables as _identity  # noqa: F401  registers the tables
from customer_profiles.marts import tables as _marts  # noqa: F401
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.buckets import DAY, HOUR
from customer_profiles.monitoring import tables as _monitoring  # noqa: F401
from customer_profiles.settings import Settings, Windows
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.engine import State
from customer_profiles.state.schema import METADATA, Store, to_json

NOW = 1_700_000_000_000_000
KINDS = (
    ("page", "web"),
    ("page", "app"),
    ("email_opened", "email"),
    ("purchase", "web"),
    ("message", "chat"),
)


def fill(state: State, interactions: int, records: int) -> None:
    """Interactions of the last 60 days, half of them of the last day, of random records."""
    dice = random.Random(1)
    rows = []
    for number in range(1, interactions + 1):
        kind, channel = dice.choices(KINDS, (60, 15, 15, 7, 3))[0]
        at = NOW - (dice.randrange(DAY) if dice.random() < 0.5 else dice.randrange(60 * DAY))
        value, currency, properties = None, None, None
        if kind == "purchase":
            value, currency = dice.randrange(100, 20_000), "GBP"
            properties = to_json({"order_id": f"o{number}", "category": dice.choice(["hats", "shoes"])})
        elif kind == "message":
            properties = to_json({"matter_id": f"m{number // 40}", "status": dice.choice(["open", "closed"])})
        record_no = dice.randrange(records) + 1
        rows.append(
            (
                number,
                "web",
                f"e{number}",
                record_no,
                kind,
                channel,
                at,
                at + HOUR,
                value,
                currency,
                properties,
            )
        )
    with state.writing() as conn:
        insert_rows(conn, interaction, [column.name for column in interaction.columns], rows)


def main() -> None:
    """Fill a new state, fold everything, print the rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--interactions", type=int, default=200_000)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=20_000)
    parser.add_argument(
        "--property", action="append", default=[], help="count by this property too: category"
    )
    given = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        State.open(f"sqlite:{folder}/state", lambda name: name.encode().ljust(32, b"x")) as state,
    ):
        with state.writing() as conn:
            METADATA[Store.STATE].create_all(conn)
        fill(state, given.interactions, given.records)
        stage = AccumulateStage(state, Settings(windows=Windows(properties=tuple(given.property))))
        started = time.perf_counter()
        while True:
            batch = time.perf_counter()
            result = stage.advance(given.batch)
            print(f"{result.received:>8} in {time.perf_counter() - batch:.2f} s")
            if not result.more:
                break
        seconds = time.perf_counter() - started
        print(
            f"{given.interactions} interactions of {given.records} records: "
            f"{given.interactions / seconds:,.0f} a second"
        )


if __name__ == "__main__":
    main()
