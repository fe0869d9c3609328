"""Lets go of buckets that no window reads any more, of records that have done nothing since.

Every batch drops the buckets past their keep of the records that it touches. A record that nothing more is heard of keeps its
last ones until they go from here: minutes a day after its last interaction, hours a month after it. Records are gone through in
the order in which they changed, behind a cursor, so that each pass costs what has expired since the one before. One that changed
before others and did something later than they did, as in a first load of several sources, holds them up until it is quiet for as
long itself: no bucket stays for longer than twice its keep.
"""

from collections.abc import Mapping
from itertools import takewhile
from typing import Any

from sqlalchemy import Connection, text

from customer_profiles.marts.buckets import Counting, Grain
from customer_profiles.marts.folding import drop_buckets
from customer_profiles.marts.recount import ACCUMULATE, Progress
from customer_profiles.marts.windows import counting_of
from customer_profiles.settings import Settings
from customer_profiles.state.cursors import Cursor, CursorMoved, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation

NAME = "expire_buckets"
"""Its cursor."""
RECORDS_AT_ONCE = 100
"""Records in one transaction: the stages wait for no more than that."""

_NEWEST = text(
    """
    SELECT max(last_at)
    FROM (
        SELECT last_at
        FROM record_activity
        WHERE generation = :generation
        ORDER BY changed_no DESC
        LIMIT 1000
    ) AS newest
    """
)

_NEXT = text(
    """
    SELECT changed_no, record_no, last_at
    FROM record_activity
    WHERE generation = :generation AND changed_no > :after
    ORDER BY changed_no
    LIMIT :limit
    """
)


def expire_buckets(state: State, settings: Settings, now: int) -> int:
    """Delete the buckets that have expired, many small transactions one after the other. Killed, the next call goes on.

    Nothing is deleted while records are counted anew for other settings: it comes when they are.

    Args:
        state: The open state.
        settings: Say how long buckets are kept.
        now: Micros.

    Returns:
        How many buckets went.
    """
    counting = counting_of(settings)
    gone = 0
    for grain in counting.kept:
        while (expired := _expire(state, counting, grain, now)) is not None:
            gone += expired
    return gone


def _expire(state: State, counting: Counting, grain: Grain, now: int) -> int | None:
    """Delete the expired buckets of the next records; None when there are none for now."""
    with state.reading() as conn:
        generation = live_generation(conn)
        cursor = read_cursor(conn, NAME)
        position = _position(conn, cursor, generation, counting)
        newest = conn.execute(_NEWEST, {"generation": generation}).scalar_one()
        if position is None or newest is None:
            return None
        # Not by the clock alone: one that is set forth for a moment must not cost what windows read once it is set back.
        first_kept = counting.first_kept(grain, min(now, newest))
        given = {"generation": generation, "after": position[grain], "limit": RECORDS_AT_ONCE}
        rows = conn.execute(_NEXT, given).all()
    quiet = list(takewhile(lambda row: row.last_at is None or row.last_at < first_kept, rows))
    if not quiet:
        return None
    expired = {row.record_no: first_kept for row in quiet}
    try:
        with state.writing() as conn:
            move_cursor(conn, cursor, {**position, grain: quiet[-1].changed_no})
            return drop_buckets(conn, generation, grain, expired)
    except CursorMoved:
        return None  # another one does it


def _position(
    conn: Connection, cursor: Cursor, generation: int, counting: Counting
) -> Mapping[str, Any] | None:
    """The change number of the last record that was done, by grain; None while records are counted anew."""
    progress = Progress.of(read_cursor(conn, ACCUMULATE, str(generation)).position)
    wanted = counting.to_json()
    if progress is None or progress.counting != wanted or progress.counted_to is not None:
        return None
    of = {"generation": generation, "counting": wanted}
    known = cursor.position or {}
    if any(known.get(name) != value for name, value in of.items()):
        known = {}  # every record was counted anew
    return {**of, **{str(grain): known.get(grain, 0) for grain in counting.kept}}
