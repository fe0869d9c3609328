"""What others were not told of yet: the end of the ledger, behind a cursor that moves when they were.

The ledger gets its row in the transaction of each batch, so it is the queue: nothing is written twice, and nothing is lost
however long nobody can be told.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.monitoring.ledger import Stretch, newest_batch, stretches
from customer_profiles.state.cursors import Cursor, CursorMoved, move_cursor, read_cursor
from customer_profiles.state.engine import State

NAME = "report"
"""Its cursor."""


@dataclass(frozen=True, slots=True)
class Unreported:
    """What is to be told.

    Attributes:
        cursor: Where it begins.
        upto: The last batch of it.
        stretches: What the batches did, by stage and source.
    """

    cursor: Cursor
    upto: int
    stretches: Sequence[Stretch]

    @property
    def after(self) -> int:
        """The last batch that was told of before."""
        return int(self.cursor.position["batch_no"])


def begin_reporting(state: State) -> None:
    """Of what is in the ledger already, nobody is told; of everything from now on. Later calls do nothing."""
    with state.reading() as connection:
        cursor, newest = read_cursor(connection, NAME), newest_batch(connection)
    if cursor.position is not None:
        return
    with suppress(CursorMoved), state.writing() as connection:
        move_cursor(connection, cursor, {"batch_no": newest})


def reported_upto(connection: sa.Connection) -> int | None:
    """The last batch that was told of; None where nobody ever reported.

    Args:
        connection: A connection that sees the state store.
    """
    position = read_cursor(connection, NAME).position
    return None if position is None else int(position["batch_no"])


def unreported(state: State) -> Unreported | None:
    """What is to be told; None when there is nothing."""
    with state.reading() as connection:
        cursor = read_cursor(connection, NAME)
        newest = newest_batch(connection)
        if cursor.position is None or newest <= cursor.position["batch_no"]:
            return None
        return Unreported(cursor, newest, stretches(connection, cursor.position["batch_no"], newest))


def reported(state: State, told: Unreported) -> None:
    """Keep that it was told.

    Raises:
        CursorMoved: Another one told it meanwhile.
    """
    with state.writing() as connection:
        move_cursor(connection, told.cursor, {"batch_no": told.upto})
