"""Keeps who belonged to whom, commit by commit: appended in the transaction of each commit, never rewritten.

A row says from which commit on a record belonged to a customer; the record's next row ends it, so that no row is
ever touched again. Only records that moved get one: the cost is that of the batch. The same for claims: what an
ID led to changes only when its record died, came back, or was ruled apart from an heir. `as_of.py` reads it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.claims.claims import incarnation_of, record_of
from customer_profiles.identity.claims.customer_ids import records_of_claims
from customer_profiles.identity.claims.succession import Succession
from customer_profiles.identity.decisions.decisions import Decision
from customer_profiles.identity.graph.graph_store import Members
from customer_profiles.identity.tables import (
    claim,
    claim_history,
    estate,
    identity_commit,
    membership_history,
)
from customer_profiles.state.bulk import insert_rows, rows_by_key
from customer_profiles.state.sequences import reserve

Numbers = NDArray[np.int64]
_NOBODY = -1
_CHUNK = 100_000


@dataclass(frozen=True)
class Moved:
    """Records that belong to another customer than before.

    Attributes:
        records: Their numbers.
        customers: The customer of each now, -1 for one that is gone.
        came_from: The customer of each before, -1 for one that was not there.
    """

    records: Numbers
    customers: Numbers
    came_from: Numbers


def write_membership_history(
    connection: sa.Connection,
    generation: int,
    committed_at: int,
    moved: Moved,
    claims: Iterable[int] = (),
) -> int:
    """Append a commit, and what it changed.

    To be called after members, claims and estates were written, in the same transaction.

    Args:
        connection: Writing to the state store.
        generation: The generation that is live from this commit on.
        committed_at: When (micros).
        moved: The records that belong to another customer than before, those that are gone too.
        claims: The claims that may lead to another record than before, from `touched_claims`.

    Returns:
        The number of the commit.
    """
    commit_no = reserve(connection, "identity_commit")
    insert_rows(
        connection,
        identity_commit,
        ("commit_no", "committed_at", "generation", "moved"),
        [(commit_no, committed_at, generation, len(moved.records))],
    )
    for start in range(0, len(moved.records), _CHUNK):
        part = slice(start, start + _CHUNK)
        columns = (each[part].tolist() for each in (moved.records, moved.customers, moved.came_from))
        insert_rows(
            connection,
            membership_history,
            ("record_no", "commit_no", "customer_no", "came_from_no"),
            (
                (record_no, commit_no, _somebody(customer_no), _somebody(came_from_no))
                for record_no, customer_no, came_from_no in zip(*columns, strict=True)
            ),
        )
    _write_claims(connection, generation, commit_no, claims)
    return commit_no


def moved_between(old: Members, new: Members) -> Moved:
    """The records that belong to another customer than before."""
    before = old.of(new.records)
    moved = before != new.customers
    gone = ~np.isin(old.records, new.records)
    nobody = np.full(np.count_nonzero(gone), _NOBODY, dtype=np.int64)
    return Moved(
        np.concatenate([new.records[moved], old.records[gone]]),
        np.concatenate([new.customers[moved], nobody]),
        np.concatenate([before[moved], old.customers[gone]]),
    )


def touched_claims(
    connection: sa.Connection, succession: Succession, decisions: Iterable[Decision]
) -> set[int]:
    """The claims that a batch may have led elsewhere, besides those made by records that simply came.

    Args:
        connection: Reading the state store.
        succession: What the batch did to claims and estates.
        decisions: The decisions made or undone in it: an *apart* sends a claim to the next in line.
    """
    named = {record_no for decision in decisions for record_no in decision.records}
    of_named = rows_by_key(connection, claim, "record_no", named, ("claim_no",))
    later_lives = succession.made[incarnation_of(succession.made) > 1]
    return {
        *succession.estates,
        *later_lives.tolist(),
        *(claim_no for (claim_no,) in of_named),
    }


def _somebody(customer_no: int) -> int | None:
    return None if customer_no == _NOBODY else customer_no


def _write_claims(connection: sa.Connection, generation: int, commit_no: int, touched: Iterable[int]) -> None:
    """Append what each touched claim leads to, and each dead claim whose way leads over one of them."""
    claims = _with_testators(connection, touched)
    if not claims:
        return
    before = _last_holders(connection, claims)
    rows = []
    for claim_no, holder in records_of_claims(connection, generation, sorted(claims)).items():
        if claim_no in before:
            changed = before[claim_no] != holder
        else:
            # Without a row a first life leads to its own record while that lives, a later one was not there yet.
            changed = incarnation_of(claim_no) > 1 or holder not in (None, record_of(claim_no))
        if changed:
            rows.append((claim_no, commit_no, holder))
    insert_rows(connection, claim_history, ("claim_no", "commit_no", "record_no"), rows)


def _with_testators(connection: sa.Connection, touched: Iterable[int]) -> set[int]:
    """Claims, and every dead claim that has one of them for an heir, and so on."""
    reached = set(touched)
    new = reached
    while new:
        left = rows_by_key(connection, estate, "heir_claim_no", new, ("claim_no",))
        new = {claim_no for (claim_no,) in left} - reached
        reached |= new
    return reached


def _last_holders(connection: sa.Connection, claims: Collection[int]) -> dict[int, int | None]:
    """The record that each claim led to after the last commit that changed it."""
    rows = rows_by_key(connection, claim_history, "claim_no", claims, ("commit_no", "claim_no", "record_no"))
    return {claim_no: record_no for _, claim_no, record_no in sorted(rows, key=lambda row: row[:2])}
