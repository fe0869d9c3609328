"""Generations: everything derived is built anew beside the live one, compared, and switched by one row.

A table whose key holds the generation is derived, and its rows go with their generation. Facts may name a generation too, but
are never of one.
"""

import time
from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from customer_profiles.state.bulk import delete_rows
from customer_profiles.state.engine import State
from customer_profiles.state.errors import StateError
from customer_profiles.state.schema import STATE, to_json
from customer_profiles.state.tables import cursor
from customer_profiles.state.tables import generation as table

FIRST = 1
"""The generation that is live before any was rebuilt."""

_LIVE = sa.select(table.c.generation).where(table.c.status == "live")

_CLEARED_AT_ONCE = 10_000
"""Rows deleted in one transaction: other writers get their turn several times a second."""


def live_generation(connection: sa.Connection) -> int:
    """The generation that is served."""
    live = connection.execute(_LIVE).scalar_one_or_none()
    return FIRST if live is None else int(live)


def begin_generation(connection: sa.Connection) -> int:
    """Start the next generation; one that was begun and never promoted is given up."""
    connection.execute(table.update().where(table.c.status == "building").values(status="abandoned"))
    newest = connection.execute(sa.select(sa.func.max(table.c.generation))).scalar_one()
    number = max(newest or 0, FIRST) + 1
    connection.execute(table.insert().values(generation=number, status="building", begun_at=_now()))
    return number


def abandon_generation(connection: sa.Connection, number: int) -> None:
    """Give up a generation that is being built; one that is live stays."""
    connection.execute(
        table.update()
        .where(table.c.generation == number, table.c.status == "building")
        .values(status="abandoned")
    )


def check_building(connection: sa.Connection, number: int) -> None:
    """Make sure that a generation is still being built.

    Raises:
        StateError: it is not: a newer one was begun, or it is live already.
    """
    status = connection.execute(
        sa.select(table.c.status).where(table.c.generation == number)
    ).scalar_one_or_none()
    if status != "building":
        raise StateError(
            f"Generation {number} is not being built any more: another rebuild began meanwhile. The live one "
            "stays as it was; let the other rebuild finish, then start again if need be."
        )


def promote_generation(connection: sa.Connection, number: int, comparison: Any) -> None:
    """Make a generation that was built the live one.

    Args:
        connection: of `State.writing`.
        number: what `begin_generation` gave.
        comparison: JSON-able; how it differs from the one it replaces.

    Raises:
        StateError: that generation is not being built (a newer one was begun, or it is live already).
    """
    check_building(connection, number)
    connection.execute(table.update().where(table.c.status == "live").values(status="retired"))
    connection.execute(
        table.update()
        .where(table.c.generation == number)
        .values(status="live", promoted_at=_now(), comparison=to_json(comparison))
    )


def derived_tables() -> list[sa.Table]:
    """The tables whose rows belong to a generation and go with it: those whose key holds one beside other columns."""
    return [
        one
        for one in STATE.sorted_tables
        if "generation" in one.primary_key.columns and len(one.primary_key.columns) > 1
    ]


def clear_generations(state: State, stages: Collection[str], at_once: int = _CLEARED_AT_ONCE) -> int:
    """Delete everything derived of generations that are neither live nor being built.

    In many small transactions, so that nobody waits for long. Killed on the way, the next call goes on.

    Args:
        state: The open state.
        stages: The stages that fill a generation, whose cursors in it are deleted with it.
        at_once: How many rows one transaction deletes at most.

    Returns:
        How many rows of derived tables were deleted.
    """
    cleared = 0
    for derived in derived_tables():
        for number in _dead_generations(state, derived.c.generation):
            cleared += _clear(state, derived, number, at_once)
    with state.writing() as connection:
        kept = {source for number in _kept(connection) for source in _cursor_sources(number)}
        newest = connection.execute(sa.select(sa.func.max(table.c.generation))).scalar_one() or FIRST
        dead = {source for number in range(FIRST, newest) for source in _cursor_sources(number)} - kept
        delete_rows(
            connection, cursor, ("stage", "source"), [(stage, one) for stage in stages for one in dead]
        )
    return cleared


def _kept(connection: sa.Connection) -> set[int]:
    """The live generation, and the one that is being built."""
    building = connection.execute(sa.select(table.c.generation).where(table.c.status == "building"))
    return {live_generation(connection), *building.scalars()}


def _cursor_sources(number: int) -> tuple[str, str]:
    """What a stage calls a generation in its cursor."""
    return str(number), f"generation {number}"


def _dead_generations(state: State, column: sa.Column[Any]) -> list[int]:
    """The generations that a derived table has rows of and that are not kept; a look into its index for each."""
    dead: list[int] = []
    with state.reading() as connection:
        kept, number = _kept(connection), -1
        while following := connection.execute(
            sa.select(sa.func.min(column)).where(column > number)
        ).scalar_one():
            number = int(following)
            if number not in kept:
                dead.append(number)
    return dead


def _clear(state: State, derived: sa.Table, number: int, at_once: int) -> int:
    """Delete the rows of one generation from one table."""
    key = list(derived.primary_key.columns)
    rows = sa.select(*key).where(derived.c.generation == number).order_by(*key).limit(at_once)
    last: Any = None
    cleared = 0
    while True:
        with state.writing() as connection:
            # From where the last transaction ended: what it deleted is still in the index for a while.
            after = rows if last is None else rows.where(sa.tuple_(*key) > sa.tuple_(*last))
            found = [tuple(row) for row in connection.execute(after)]
            cleared += delete_rows(connection, derived, [column.name for column in key], found)
        if len(found) < at_once:
            return cleared
        last = found[-1]


def _now() -> int:
    return time.time_ns() // 1000
