"""How a customer came to be: which records came and went, commit by commit, and why. Reads; never writes.

Who moved comes from the history of membership, which is exact; why, from the identity events of the same commit.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.identity.graph.as_of import (
    Commit,
    Stay,
    commits,
    members_at,
    records_ever_in,
    stays_of,
)
from customer_profiles.identity.graph.events import EventKind, StoredEvent, events_of


@dataclass(frozen=True)
class Move:
    """Records that changed their customer together.

    Attributes:
        records: Their numbers, rising.
        came_from: The customer that they belonged to before; None when they were new, or came back.
        went_to: The customer that they belong to from then on; None when they were deleted.
    """

    records: tuple[int, ...]
    came_from: int | None
    went_to: int | None


@dataclass(frozen=True)
class Step:
    """What one commit did to the records of a customer.

    Attributes:
        commit: The commit.
        moves: Who moved.
        events: What this was for the customers between which they moved, and its causes.
    """

    commit: Commit
    moves: tuple[Move, ...]
    events: tuple[StoredEvent, ...]


@dataclass(frozen=True)
class CustomerHistory:
    """How a customer came to be.

    Attributes:
        customer_no: The customer.
        commit: The commit up to which this is told.
        members: The records that made it up then, rising.
        steps: What happened to them, and to those that left, from their arrival on; the oldest first.
    """

    customer_no: int
    commit: Commit
    members: tuple[int, ...]
    steps: tuple[Step, ...]


def history_of(connection: sa.Connection, customer_no: int, commit: Commit) -> CustomerHistory:
    """How a customer came to be, up to a commit.

    A record's way is told from its arrival, also through customers that were merged into this one, until it left this
    one for the last time.

    Args:
        connection: Reading the state store.
        customer_no: The customer, by the number that it had at the commit.
        commit: The commit.
    """
    stays: dict[int, list[Stay]] = defaultdict(list)
    for stay in stays_of(connection, records_ever_in(connection, customer_no)):
        if stay.since <= commit.commit_no:
            stays[stay.record_no].append(stay)
    moved: dict[int, dict[tuple[int | None, int | None], list[int]]] = defaultdict(lambda: defaultdict(list))
    for record_no, of_record in sorted(stays.items()):
        for commit_no, came_from, went_to in _way(of_record, customer_no, commit.commit_no):
            moved[commit_no][came_from, went_to].append(record_no)
    known = commits(connection, set(moved))
    customers = {one for ways in moved.values() for way in ways for one in way if one is not None}
    events = events_of(connection, customers)
    return CustomerHistory(
        customer_no=customer_no,
        commit=commit,
        members=members_at(connection, commit.commit_no, customer_no),
        steps=tuple(
            _step(known[commit_no], [Move(tuple(who), *way) for way, who in ways.items()], events)
            for commit_no, ways in sorted(moved.items())
        ),
    )


def _way(stays: list[Stay], customer_no: int, until: int) -> Iterable[tuple[int, int | None, int | None]]:
    """The moves of one record up to a commit, as far as they lead to a customer or out of it."""
    ways: list[tuple[int, int | None, int | None]] = []
    last = 0
    before: Stay | None = None
    for stay in stays:
        follows = before is not None and before.until == stay.since
        if before is not None and before.until is not None and not follows:
            ways.append((before.until, before.customer_no, None))
        ways.append((stay.since, before.customer_no if before and follows else None, stay.customer_no))
        before = stay
    if before is not None and before.until is not None and before.until <= until:
        ways.append((before.until, before.customer_no, None))
    for place, (_, came_from, went_to) in enumerate(ways, start=1):
        if customer_no in (came_from, went_to):
            last = place
    return ways[:last]


def _step(commit: Commit, moves: list[Move], events: Iterable[StoredEvent]) -> Step:
    told = [
        event
        for event in events
        if event.generation == commit.generation
        and event.committed_at == commit.committed_at
        and any(_tells_of(event, move) for move in moves)
    ]
    return Step(commit, tuple(moves), tuple(told))


def _tells_of(event: StoredEvent, move: Move) -> bool:
    return {
        EventKind.CREATE: (None, event.customer_no) == (move.came_from, move.went_to),
        EventKind.DELETE: (event.customer_no, None) == (move.came_from, move.went_to),
        EventKind.MERGE: event.customer_no == move.went_to and move.came_from in event.others,
        EventKind.SPLIT: event.customer_no == move.came_from and move.went_to in event.others,
    }[event.kind]
