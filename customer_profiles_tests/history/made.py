"""A state with a history, and what its tests do with it again and again."""

from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from customer_profiles.cleaning.interactions import every_interaction, interactions_of
from customer_profiles.cleaning.seal import DAY, SealStage
from customer_profiles.cleaning.tables import interaction
from customer_profiles.encryption.aead import Aead
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.history import Kept, accumulated_until, keep_history
from customer_profiles.state.engine import State
from customer_profiles.state.generations import begin_generation
from customer_profiles.state.history.history import History
from customer_profiles.state.history.manifest import segments
from customer_profiles_tests.marts.made import drain
from customer_profiles_tests.marts.made import settings as company

NOW = 1_793_450_000_000_000
COLUMNS = tuple(column.name for column in interaction.columns)
MARTS = ("bucket", "purchase", "support_matter", "record_activity")


def history_in(folder: Path) -> History:
    return History(folder, Aead(sha256(b"history").digest()))


def sealing(state: State, history: History, after_days: int = 90, now: int = NOW) -> SealStage:
    return SealStage(state, history, after_days, accumulated_until, clock=lambda: now)


def accumulate(state: State, history: History | None, generation: int | None = None) -> AccumulateStage:
    """The stage, over a state that knows its history."""
    state.history = history
    return AccumulateStage(state, company(), generation)


def seal(
    state: State,
    history: History,
    limit: int = 1_000,
    after_days: int = 90,
    progress: Callable[[StageResult], None] | None = None,
) -> Kept:
    """Everything that is older than so many days, in batches, compacted."""
    return keep_history(state, history, sealing(state, history, after_days), progress, limit)


def pages(numbers: Iterable[int], days_ago: float = 200, records: int = 40) -> list[dict[str, Any]]:
    """Page views, one a minute, of several records in turn."""
    first = NOW - int(days_ago * DAY)
    return [
        {
            "record_no": 1 + number % records,
            "type": "page",
            "channel": "web",
            "occurred_at": first + number * 60_000_000,
            "properties": {"path": f"/{number}"},
        }
        for number in numbers
    ]


def everything(state: State, history: History, records: int = 40) -> list[tuple[Any, ...]]:
    """All interactions, sealed or not, in order of arrival."""

    with state.reading() as connection:
        return sorted(interactions_of(connection, history, range(1, records + 1), COLUMNS))


def exported(state: State, history: History) -> list[tuple[Any, ...]]:
    """The same as an export has it."""
    with state.reading() as connection:
        rows = [row for batch in every_interaction(connection, history) for row in batch.to_pylist()]
    return sorted(tuple(row[name] for name in COLUMNS) for row in rows)


def in_database(state: State) -> int:
    with state.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(interaction)).scalar_one()


def files_of(history: History) -> set[Path]:
    return set(history.folder.rglob("*.parquet")) | set(history.folder.rglob("*.part"))


def named(state: State, history: History) -> set[Path]:
    with state.reading() as connection:
        return {history.path(one.segment) for one in segments(connection)}


def marts(state: State, generation: int) -> Mapping[str, list[tuple[Any, ...]]]:
    """What was folded into a generation, but for what numbers the work."""
    held = {}
    with state.reading() as connection:
        for table in MARTS:
            rows = connection.execute(
                sa.text(f"SELECT * FROM {table} WHERE generation = :generation"), {"generation": generation}
            )
            left_out = {"generation", "changed_no"}
            held[table] = sorted(
                tuple(value for name, value in row._mapping.items() if name not in left_out)
                for row in rows
                if row._mapping.get("last_at", 0) is not None  # a record that nothing is left of
            )
    return held


def begun(state: State) -> int:
    """A generation that is being built."""
    with state.writing() as connection:
        return begin_generation(connection)


def rebuilt(state: State, history: History, limit: int = 1_000) -> Mapping[str, list[tuple[Any, ...]]]:
    """What another generation is folded to, from all interactions there are."""
    generation = begun(state)
    drain(accumulate(state, history, generation), limit)
    return marts(state, generation)
