"""Where each stage stands in what it reads: a row that is also the lock, moved by compare and swap."""

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from customer_profiles.state.errors import CursorMoved
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.tables import cursor as table

__all__ = ["Cursor", "CursorMoved", "move_cursor", "read_cursor"]


# Made once: every stage reads its cursor several times a second.
_READ = sa.select(table.c.position, table.c.version).where(
    table.c.stage == sa.bindparam("stage"), table.c.source == sa.bindparam("source")
)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A stage's place in one source as it was when read."""

    stage: str
    source: str
    position: Any
    """JSON-able; None before the first move."""
    version: int
    """How often it was moved."""


def read_cursor(connection: sa.Connection, stage: str, source: str = "") -> Cursor:
    """Where a stage stands; at the very beginning when it never moved."""
    row = connection.execute(_READ, {"stage": stage, "source": source}).one_or_none()
    return Cursor(stage, source, None, 0) if row is None else Cursor(stage, source, from_json(row[0]), row[1])


def move_cursor(connection: sa.Connection, cursor: Cursor, position: Any) -> Cursor:
    """Move a cursor on from where it was read, in the transaction of the work it stands for.

    Raises:
        CursorMoved: it is not any more where it was read, so the same work was done by another.
    """
    values = {"position": to_json(position), "version": cursor.version + 1}
    if cursor.version == 0:
        insert = table.insert().values(stage=cursor.stage, source=cursor.source, **values)
        try:
            with connection.begin_nested():
                connection.execute(insert)
            moved = 1
        except sa.exc.IntegrityError:
            moved = 0
    else:
        where = (
            (table.c.stage == cursor.stage)
            & (table.c.source == cursor.source)
            & (table.c.version == cursor.version)
        )
        moved = connection.execute(table.update().where(where).values(**values)).rowcount
    if moved != 1:
        of = f" of {cursor.source}" if cursor.source else ""
        raise CursorMoved(
            f"Another run moved the cursor of {cursor.stage}{of} meanwhile. Nothing was lost: run it again."
        )
    return Cursor(cursor.stage, cursor.source, position, cursor.version + 1)
