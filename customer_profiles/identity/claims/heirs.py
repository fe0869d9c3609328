"""Who inherits the IDs of records that a part of the log deletes: what the rules of succession ask of the graph."""

from __future__ import annotations

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.claims.claim_store import StoredClaims
from customer_profiles.identity.claims.claims import Claims, record_of
from customer_profiles.identity.claims.succession import Rulebook, Succession, simple_arrivals, succeed
from customer_profiles.identity.graph.changes import Changes
from customer_profiles.identity.graph.graph_store import Members
from customer_profiles.identity.tables import member
from customer_profiles.state.bulk import rows_by_key

Numbers = NDArray[np.int64]


class Living:
    """Whether a record lives at this moment of a batch: told for those that change, looked up for others."""

    def __init__(
        self, connection: sa.Connection, generation: int, alive: set[int], changing: set[int]
    ) -> None:
        self._connection, self._generation = connection, generation
        self._alive, self._changing = alive, changing

    def __call__(self, record_no: int) -> bool:
        """Whether this record is alive."""
        if record_no in self._changing:
            return record_no in self._alive
        key = [(self._generation, record_no)]
        return bool(rows_by_key(self._connection, member, ("generation", "record_no"), key, ("record_no",)))


def succeed_whole(
    connection: sa.Connection,
    generation: int,
    changes: Changes,
    stored: StoredClaims,
    old: Members,
    rulebook: Rulebook,
) -> tuple[Succession, StoredClaims]:
    """Claims and estates through a part of the log, and all claims with those of records that simply came."""
    simple = simple_arrivals(changes, record_of(stored.numbers))
    stored = stored.with_arrivals(changes.record_nos[simple], changes.positions[simple])
    alive = set(changes.lived.tolist())
    arrived = changes.record_nos[simple]
    changing = set(changes.record_nos[~simple].tolist())

    def lives(record_no: int) -> bool:
        if record_no in changing:
            return record_no in alive
        return _in(old.records, record_no) or _in(arrived, record_no)

    claims: Claims = stored.claims(lives)
    left_to = co_members(connection, generation, changes)
    return succeed(changes, simple, claims, alive, left_to, rulebook), stored


def co_members(connection: sa.Connection, generation: int, changes: Changes) -> list[int]:
    """The other members of the customer of the record that the first envelope deletes."""
    if not changes.first_departs:
        return []
    gone = int(changes.record_nos[0])
    key = [(generation, gone)]
    rows = rows_by_key(connection, member, ("generation", "record_no"), key, ("customer_no",))
    members = rows_by_key(
        connection,
        member,
        ("generation", "customer_no"),
        [(generation, *row) for row in rows],
        ("record_no",),
    )
    return sorted(record_no for (record_no,) in members if record_no != gone)


def _in(numbers: Numbers, number: int) -> bool:
    place = int(np.searchsorted(numbers, number))
    return place < len(numbers) and int(numbers[place]) == number
