"""Rebuild: a new generation from stored records beside the live one, compared, then switched with one pointer."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.graph.switch import write_switch
from customer_profiles.marts.promotion import carry_over
from customer_profiles.pipeline.stage import Stage
from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import (
    abandon_generation,
    begin_generation,
    check_building,
    clear_generations,
    live_generation,
    promote_generation,
)

_CATCH_UPS = 5
"""So often a new generation catches up with batches that went on; then it is switched to, and the next batch brings the rest."""


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


def rebuild(
    state: State,
    stages_of: Callable[[int], Sequence[Stage]],
    drain: Callable[[Stage], object],
    switching: Callable[[sa.Connection, int, int], None] | None = None,
    cause: str = "rebuild",
) -> Rebuilt:
    """Build a generation, compare it with the live one, switch, and clear away what is no longer served.

    Args:
        state: The open state.
        stages_of: Gives every stage after ingest, in order, bound to a generation.
        drain: Advances a stage until nothing is left.
        switching: What else has to switch in the same transaction, just before; gets the live generation and the new one.
        cause: Why, as identity events tell it: `rebuild` or `model`.

    Raises:
        StateError: Another rebuild began meanwhile; this one is given up and the live generation stays.
    """
    started = time.monotonic()
    with state.writing() as connection:
        number = begin_generation(connection)
    stages = stages_of(number)
    names = [stage.name for stage in stages]
    clear_generations(state, names)  # what a rebuild that was killed left
    try:
        rebuilt: Rebuilt | None = None
        # Batches go on meanwhile, so the new generation may have to catch up before it is switched to.
        for attempt in range(_CATCH_UPS):
            for stage in stages:
                with state.reading() as connection:
                    check_building(connection, number)
                drain(stage)
            rebuilt = _promote(
                state, number, started, switching, cause, even_behind=attempt == _CATCH_UPS - 1
            )
            if rebuilt is not None:
                break
        assert rebuilt is not None  # the last attempt switches whatever came in
    except CustomerProfilesError:
        # The rebuild that took over may have cleared before this one stopped writing.
        with state.writing() as connection:
            abandon_generation(connection, number)
        clear_generations(state, names)
        raise
    clear_generations(state, names)
    return rebuilt


def _promote(
    state: State,
    number: int,
    started: float,
    switching: Callable[[sa.Connection, int, int], None] | None,
    cause: str,
    *,
    even_behind: bool,
) -> Rebuilt | None:
    """Compare a generation with the live one and switch to it, in one transaction; None when it has to catch up first."""
    with state.writing() as connection:
        check_building(connection, number)
        live = live_generation(connection)
        if not even_behind and _is_behind(connection, live, number):
            return None
        if switching is not None:
            switching(connection, live, number)
        now = time.time_ns() // 1000
        events = write_switch(connection, live, number, now, cause)
        changed = carry_over(connection, live, number, now, events)
        before, after = (
            int(connection.execute(_CUSTOMERS, {"generation": generation}).scalar_one())
            for generation in (live, number)
        )
        moved = int(connection.execute(_MOVED, {"live": live, "rebuilt": number}).scalar_one())
        rebuilt = Rebuilt(number, before, after, moved, changed, round(time.monotonic() - started, 3))
        promote_generation(connection, number, asdict(rebuilt))
    return rebuilt


def _is_behind(connection: sa.Connection, live: int, number: int) -> bool:
    """Whether the live generation has taken in records or interactions that the new one does not know yet."""
    places = (
        ("resolve", "change_no", "", f"generation {number}"),
        ("accumulate", "interaction_no", str(live), str(number)),
    )
    return any(
        _position(connection, stage, of_live, term) > _position(connection, stage, of_new, term)
        for stage, term, of_live, of_new in places
    )


def _position(connection: sa.Connection, stage: str, source: str, term: str) -> int:
    position = read_cursor(connection, stage, source).position
    return int(position[term]) if position else 0
