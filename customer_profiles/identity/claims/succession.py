"""What a part of the log does to claims and estates, envelope by envelope: who arrives, who departs and leaves to whom, who
returns.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from customer_profiles.identity.claims.claims import Claims
from customer_profiles.identity.decisions.decisions import Decision, rulings_at
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.graph.changes import Changes

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Succession:
    """Claims and estates after a part of the log, and what of them is new.

    Attributes:
        claims: As they are after it.
        made: The numbers of the claims made.
        made_seniority: The seniority of each.
        made_at: When each arrived (micros).
        estates: Estates that were written; an empty one is a claim that lives again.
        died_at: When claims died (micros), None for one that lives again.
    """

    claims: Claims
    made: Numbers
    made_seniority: Numbers
    made_at: Numbers
    estates: dict[int, tuple[int, ...]]
    died_at: dict[int, int | None]


class Rulebook:
    """The decisions in force at any position of the log."""

    def __init__(self, decisions: Collection[Decision]) -> None:
        """Keep the decisions.

        Args:
            decisions: All there are, undone ones too.
        """
        self._decisions = decisions
        at = chain.from_iterable((one.change_no, one.undone_change_no) for one in decisions)
        self._turns = sorted(position for position in at if position is not None)
        self._known: dict[int, Rulings] = {}

    def at(self, position: int) -> Rulings:
        """The decisions in force once the log is read up to a position."""
        turn = bisect_right(self._turns, position)
        if turn not in self._known:
            self._known[turn] = rulings_at(self._decisions, position)
        return self._known[turn]


def simple_arrivals(changes: Changes, claimed: Numbers) -> Flags:
    """Which envelopes are the only one of a record that never lived: nearly all of a first load.

    Args:
        changes: The part of the log.
        claimed: The records that have a claim.
    """
    _, place, count = np.unique(changes.record_nos, return_index=True, return_counts=True)
    once = np.zeros(len(changes.record_nos), dtype=np.bool_)
    once[place[count == 1]] = True
    return once & ~changes.deletes & ~np.isin(changes.record_nos, claimed)


def succeed(
    changes: Changes,
    simple: Flags,
    claims: Claims,
    alive: set[int],
    left_to: Iterable[int],
    rulebook: Rulebook,
) -> Succession:
    """Take claims and estates through a part of the log.

    Args:
        changes: The part; no living record is deleted in it but by its first envelope.
        simple: From `simple_arrivals`: envelopes whose claims are among the claims already.
        claims: The claims before it; `claims.lives` must read `alive`.
        alive: The changed records that live, kept up to date on the way.
        left_to: The other members of the customer of the record that the first envelope deletes.
        rulebook: The decisions.
    """
    made_at: dict[int, int] = {}
    died_at: dict[int, int | None] = {}
    rest = np.flatnonzero(~simple)
    columns = changes.positions, changes.record_nos, changes.deletes, changes.received_at
    for position, record_no, deletes, received_at in zip(
        *(column[rest].tolist() for column in columns), strict=True
    ):
        if (record_no in alive) == (not deletes):
            continue
        if deletes:
            claims.depart(record_no, left_to)
            died_at[claims.current(record_no)] = received_at
            alive.discard(record_no)
            continue
        known = len(claims.made)
        claims.arrive(record_no, position, rulebook.at(position))
        if len(claims.made) > known:
            made_at[claims.made[-1]] = received_at
        else:
            died_at[claims.current(record_no)] = None
        alive.add(record_no)
    later = np.array(claims.made, dtype=np.int64)
    seniority = np.array([claims.seniority[number] for number in claims.made], dtype=np.int64)
    arrived = np.array([made_at[number] for number in claims.made], dtype=np.int64)
    return Succession(
        claims=claims,
        made=np.concatenate([changes.record_nos[simple], later]),
        made_seniority=np.concatenate([changes.positions[simple], seniority]),
        made_at=np.concatenate([changes.received_at[simple], arrived]),
        estates={number: tuple(claims.estates.get(number, ())) for number in claims.rewritten},
        died_at=died_at,
    )
