"""Rebuild: a new generation from stored records beside the live one, compared, then switched with one pointer."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from customer_profiles.marts.promotion import carry_over
from customer_profiles.state.engine import State
from customer_profiles.state.generations import begin_generation, live_generation, promote_generation


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuild did, counted.

    Attributes:
        generation: The number of the generation that is live now.
        customers_before: Customers of the generation that was live.
        customers_after: Customers of the new one.
        moved: Records that belong to another customer than before; 0 when nothing but the rebuild happened.
        changed_traits: Traits that have another value than before.
        seconds: How long it took.
    """

    generation: int
    customers_before: int
    customers_after: int
    moved: int
    changed_traits: int
    seconds: float


_CUSTOMERS = sa.text("SELECT count(DISTINCT customer_no) FROM member WHERE generation = :generation")

_MOVED = sa.text(
    """
    SELECT count(*)
    FROM member AS new
    LEFT JOIN member AS old ON old.generation = :live AND old.record_no = new.record_no
    WHERE new.generation = :rebuilt AND (old.customer_no IS NULL OR old.customer_no <> new.customer_no)
    """
)


def rebuild(state: State, fill: Callable[[int], object]) -> Rebuilt:
    """Build a generation, compare it with the live one, and switch.

    Args:
        state: The open state.
        fill: Runs every stage after ingest for the given generation until nothing is left.

    Raises:
        StateError: Another rebuild began meanwhile; this one is given up and the live generation stays.
    """
    started = time.monotonic()
    with state.writing() as connection:
        number = begin_generation(connection)
    fill(number)
    with state.writing() as connection:
        live = live_generation(connection)
        changed = carry_over(connection, live, number, time.time_ns() // 1000)
        before, after = (
            int(connection.execute(_CUSTOMERS, {"generation": generation}).scalar_one())
            for generation in (live, number)
        )
        moved = int(connection.execute(_MOVED, {"live": live, "rebuilt": number}).scalar_one())
        rebuilt = Rebuilt(number, before, after, moved, changed, round(time.monotonic() - started, 3))
        promote_generation(connection, number, asdict(rebuilt))
    return rebuilt
