"""Generations: everything derived is built anew beside the live one, compared, and switched by one row."""

import time
from typing import Any

import sqlalchemy as sa

from customer_profiles.state.errors import StateError
from customer_profiles.state.schema import to_json
from customer_profiles.state.tables import generation as table

FIRST = 1
"""The generation that is live before any was rebuilt."""


def live_generation(connection: sa.Connection) -> int:
    """The generation that is served."""
    live = connection.execute(
        sa.select(table.c.generation).where(table.c.status == "live")
    ).scalar_one_or_none()
    return FIRST if live is None else int(live)


def begin_generation(connection: sa.Connection) -> int:
    """Start the next generation; one that was begun and never promoted is given up."""
    connection.execute(table.update().where(table.c.status == "building").values(status="abandoned"))
    newest = connection.execute(sa.select(sa.func.max(table.c.generation))).scalar_one()
    number = max(newest or 0, FIRST) + 1
    connection.execute(table.insert().values(generation=number, status="building", begun_at=_now()))
    return number


def promote_generation(connection: sa.Connection, number: int, comparison: Any) -> None:
    """Make a generation that was built the live one.

    Args:
        connection: of `State.writing`.
        number: what `begin_generation` gave.
        comparison: JSON-able; how it differs from the one it replaces.

    Raises:
        StateError: that generation is not being built (a newer one was begun, or it is live already).
    """
    connection.execute(table.update().where(table.c.status == "live").values(status="retired"))
    promoted = connection.execute(
        table.update()
        .where((table.c.generation == number) & (table.c.status == "building"))
        .values(status="live", promoted_at=_now(), comparison=to_json(comparison))
    ).rowcount
    if promoted != 1:
        raise StateError(
            f"Generation {number} is not being built, so it cannot be promoted. Start the rebuild again."
        )


def _now() -> int:
    return time.time_ns() // 1000
