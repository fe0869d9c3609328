"""What changes for customers when another generation becomes the live one: appended as one commit, with its events.

While a generation is built nothing happens to anybody, however often it catches up with batches that go on. What it
does to customers is told once, when it is switched to: the difference between the two generations at that moment.
"""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.graph.events import Causes, events_between, write_events
from customer_profiles.identity.graph.graph_store import read_columns, read_members
from customer_profiles.identity.graph.membership_history import Moved, write_membership_history
from customer_profiles.identity.tables import claim, edge, member
from customer_profiles.state.bulk import rows_by_key

Numbers = NDArray[np.int64]
_NOBODY = -1


def write_switch(
    connection: sa.Connection, live: int, promoted: int, committed_at: int, cause: str
) -> dict[int, int]:
    """Append what changes when another generation becomes the live one.

    Args:
        connection: Writing to the state store, in the transaction of the switch.
        live: The generation that was live.
        promoted: The one that is from now on.
        committed_at: When (micros).
        cause: Why it was built: `rebuild` or `model`.

    Returns:
        By customer to whom something happened the number of its last identity event.
    """
    moved = Moved(
        *(
            np.concatenate(columns)
            for columns in zip(
                read_columns(connection, _differing(live, promoted)),
                read_columns(connection, _missing(live, promoted)),
                strict=True,
            )
        )
    )
    came_or_went = moved.records[(moved.came_from == _NOBODY) | (moved.customers == _NOBODY)]
    claims = rows_by_key(connection, claim, "record_no", came_or_went.tolist(), ("claim_no",))
    write_membership_history(connection, promoted, committed_at, moved, {claim_no for (claim_no,) in claims})
    if not len(moved.records):
        return {}
    joining = _accepted_edges(connection, promoted, moved.records)
    causes = Causes(cause, np.zeros(0, dtype=np.int64), (), *joining)
    events = events_between(read_members(connection, live), read_members(connection, promoted), causes)
    first = write_events(connection, promoted, events, committed_at)
    return {event.customer_no: event_no for event_no, event in enumerate(events, first)}


def _accepted_edges(
    connection: sa.Connection, generation: int, records: Numbers
) -> tuple[Numbers, Numbers, Numbers]:
    """The accepted edges that begin or end at records: smaller record, larger record, weight."""
    keys = [(generation, record_no) for record_no in records.tolist()]
    names = ("left_no", "right_no", "weight", "accepted")
    rows = {
        row[:3]
        for end in ("left_no", "right_no")
        for row in rows_by_key(connection, edge, ("generation", end), keys, names)
        if row[3]
    }
    left, right, weight = np.array(sorted(rows), dtype=np.int64).reshape(-1, 3).T
    return left, right, weight


def _differing(live: int, promoted: int) -> sa.Select[tuple[int, int, int]]:
    """Records whose customer in the promoted generation is another than in the live one, or that it alone has."""
    new, old = member.alias("new"), member.alias("old")
    same_record = sa.and_(old.c.generation == live, old.c.record_no == new.c.record_no)
    return (
        sa.select(new.c.record_no, new.c.customer_no, sa.func.coalesce(old.c.customer_no, _NOBODY))
        .select_from(new.outerjoin(old, same_record))
        .where(new.c.generation == promoted, old.c.customer_no.is_distinct_from(new.c.customer_no))
    )


def _missing(live: int, promoted: int) -> sa.Select[tuple[int, int, int]]:
    """Records that only the live generation has."""
    new, old = member.alias("new"), member.alias("old")
    same_record = sa.and_(new.c.generation == promoted, new.c.record_no == old.c.record_no)
    return (
        sa.select(old.c.record_no, sa.literal(_NOBODY, sa.BigInteger), old.c.customer_no)
        .select_from(old.outerjoin(new, same_record))
        .where(old.c.generation == live, new.c.record_no.is_(None))
    )
