"""As of: which records made up a customer at a commit, and which customer a record belonged to. Reads; never writes.

Defined at commits, whatever happened since: merges, splits, deletions, rebuilds. Answers come through indexes, and cost
what the history of the records asked about costs.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.claims.claims import incarnation_of, record_of
from customer_profiles.identity.tables import claim_history, identity_commit, member, membership_history
from customer_profiles.state.bulk import rows_by_key
from customer_profiles.state.generations import live_generation


class AsOfError(CustomerProfilesError):
    """A moment that no history is kept of."""


@dataclass(frozen=True)
class Commit:
    """A moment at which it is defined who belongs to whom.

    Attributes:
        commit_no: Its number, from 1.
        committed_at: When (micros).
        generation: The generation that was live from then on.
        moved: How many records belonged to another customer than before.
    """

    commit_no: int
    committed_at: int
    generation: int
    moved: int


@dataclass(frozen=True)
class Stay:
    """A time that a record belonged to a customer.

    Attributes:
        record_no: The record.
        customer_no: The customer.
        since: The commit that brought it there.
        until: The commit that took it away, None while it is there.
    """

    record_no: int
    customer_no: int
    since: int
    until: int | None


def latest_commit(connection: sa.Connection) -> Commit:
    """The last commit there is.

    Raises:
        AsOfError: Nothing was resolved yet.
    """
    return _commit(connection, sa.true(), "Nothing was resolved yet: run `customer-profiles run` first.")


def commit_numbered(connection: sa.Connection, commit_no: int) -> Commit:
    """The commit of this number.

    Raises:
        AsOfError: There is none.
    """
    newest = latest_commit(connection).commit_no
    return _commit(
        connection,
        identity_commit.c.commit_no == commit_no,
        f"There is no commit {commit_no}: they go from 1 to {newest}.",
    )


def commit_at(connection: sa.Connection, moment: int) -> Commit:
    """The last commit at or before a moment (micros).

    Raises:
        AsOfError: The history begins later.
    """
    latest_commit(connection)
    return _commit(
        connection,
        identity_commit.c.committed_at <= moment,
        "The history begins later than this moment: its first commit is 1.",
    )


def customers_at(connection: sa.Connection, commit_no: int, record_nos: Collection[int]) -> dict[int, int]:
    """The customer that each record belonged to at a commit; a record that was not there then is left out."""
    columns = ("record_no", "commit_no", "customer_no")
    rows = rows_by_key(connection, membership_history, "record_no", record_nos, columns)
    return {
        record_no: customer_no
        for record_no, customer_no in _last(rows, commit_no).items()
        if customer_no is not None
    }


def members_at(connection: sa.Connection, commit_no: int, customer_no: int) -> tuple[int, ...]:
    """The records that made up a customer at a commit, rising; none when it did not exist then.

    Args:
        connection: A connection that sees the state store.
        commit_no: The commit.
        customer_no: The customer, by the number that it had then: see `customer_of_claim_at`.
    """
    then = customers_at(connection, commit_no, records_ever_in(connection, customer_no))
    return tuple(sorted(record_no for record_no, customer in then.items() if customer == customer_no))


def records_ever_in(connection: sa.Connection, customer_no: int) -> set[int]:
    """The records that belong to a customer, by the number that it had then, or ever did."""
    here = rows_by_key(
        connection,
        member,
        "customer_no",
        [customer_no],
        ("record_no",),
        within={"generation": live_generation(connection)},
    )
    left = rows_by_key(connection, membership_history, "came_from_no", [customer_no], ("record_no",))
    return {record_no for (record_no,) in (*here, *left)}


def customer_of_claim_at(connection: sa.Connection, commit_no: int, claim_no: int) -> int | None:
    """The customer that an ID led to at a commit, by the claim that the ID is of; None when it led to nobody."""
    columns = ("claim_no", "commit_no", "record_no")
    rows = rows_by_key(connection, claim_history, "claim_no", [claim_no], columns)
    holders = _last(rows, commit_no)
    # A first life leads to its own record until told otherwise; a later one is told of when it begins.
    own = record_of(claim_no) if incarnation_of(claim_no) == 1 else None
    holder = holders.get(claim_no, own)
    return None if holder is None else customers_at(connection, commit_no, [holder]).get(holder)


def stays_of(connection: sa.Connection, record_nos: Collection[int]) -> list[Stay]:
    """Where records belonged since the history began, record by record, in order of time."""
    columns = ("record_no", "commit_no", "customer_no")
    of_record: dict[int, list[tuple[int | None, int | None]]] = {}
    for record_no, commit_no, customer_no in sorted(
        rows_by_key(connection, membership_history, "record_no", record_nos, columns), key=lambda row: row[:2]
    ):
        of_record.setdefault(record_no, []).append((commit_no, customer_no))
    return [
        Stay(record_no, customer_no, since, until)
        for record_no, rows in of_record.items()
        for (since, customer_no), (until, _) in pairwise([*rows, (None, None)])
        if customer_no is not None and since is not None
    ]


def stays_in(connection: sa.Connection, customer_no: int) -> list[Stay]:
    """Which records ever belonged to a customer, by the number that it had then, record by record."""
    return [
        stay
        for stay in stays_of(connection, records_ever_in(connection, customer_no))
        if stay.customer_no == customer_no
    ]


def commits(connection: sa.Connection, commit_nos: Collection[int]) -> dict[int, Commit]:
    """These commits by number."""
    columns = ("commit_no", "committed_at", "generation", "moved")
    rows = rows_by_key(connection, identity_commit, "commit_no", commit_nos, columns)
    return {row[0]: Commit(*row) for row in rows}


def _commit(connection: sa.Connection, which: sa.ColumnElement[bool], otherwise: str) -> Commit:
    table = identity_commit
    row = connection.execute(
        sa.select(table.c.commit_no, table.c.committed_at, table.c.generation, table.c.moved)
        .where(which)
        .order_by(table.c.commit_no.desc())
        .limit(1)
    ).one_or_none()
    if row is None:
        raise AsOfError(otherwise)
    return Commit(*row)


def _last(rows: Iterable[tuple[Any, ...]], commit_no: int) -> dict[int, int | None]:
    """By the first column the third of the last row up to a commit, the second column."""
    return {key: value for key, at, value in sorted(rows, key=lambda row: row[:2]) if at <= commit_no}
