"""Claims and estates: why an ID stays with its customer through deletions and returns. Pure; storing is in the stage.

A claim is a record in one of its lives. The most senior claim that resolves into a customer gives it its ID.
When a record that shares its customer is deleted, the others are its estate: its claim resolves to the first
of them that is not *apart* from it, and on from there; never to the first that lives, which would move an ID
onto another person.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping, Sequence
from dataclasses import dataclass, field
from typing import overload

import numpy as np
from numpy.typing import NDArray

from customer_profiles.identity.decisions.rulings import Rulings

Numbers = NDArray[np.int64]
_LIVES = 40
"""Bits of a claim number that hold the record number; what is above counts the lives before this one."""


def claim_number(record_no: int, incarnation: int) -> int:
    """The number of a claim; that of a first incarnation is the record's own."""
    return record_no | (incarnation - 1) << _LIVES


@overload
def record_of(claim_no: int) -> int: ...
@overload
def record_of(claim_no: Numbers) -> Numbers: ...
def record_of(claim_no: int | Numbers) -> int | Numbers:
    """The record that a claim is of."""
    return claim_no & ((1 << _LIVES) - 1)


@overload
def incarnation_of(claim_no: int) -> int: ...
@overload
def incarnation_of(claim_no: Numbers) -> Numbers: ...
def incarnation_of(claim_no: int | Numbers) -> int | Numbers:
    """Which life of its record a claim is, from 1."""
    return (claim_no >> _LIVES) + 1


def holder_of(
    claim_no: int,
    holds: Callable[[int], bool],
    heirs_of: Callable[[int], Sequence[int]],
    apart: Callable[[int, int], bool],
) -> int | None:
    """The living record that holds a claim, or None when it is gone.

    Args:
        claim_no: The claim.
        holds: Whether the record of a claim lives in the life that the claim is of.
        heirs_of: The estate of a dead claim, in order of seniority.
        apart: Whether two records are ruled apart.
    """
    while not holds(claim_no):
        record_no = record_of(claim_no)
        heir = next((heir for heir in heirs_of(claim_no) if not apart(record_no, record_of(heir))), None)
        if heir is None:
            return None
        claim_no = heir
    return record_of(claim_no)


@dataclass
class Claims:
    """The claims at one moment of the log, as far as they are needed.

    Attributes:
        seniority: By claim number the log position at which it was made.
        incarnation: By record the number of its latest life; none when it never lived.
        estates: By number of a dead claim its heirs, in order of seniority.
        lives: Whether a record is alive at this moment.
        made: Claims made since this was loaded.
        rewritten: Dead claims whose estate was written or opened again since this was loaded.
    """

    seniority: MutableMapping[int, int]
    incarnation: MutableMapping[int, int]
    estates: MutableMapping[int, tuple[int, ...]]
    lives: Callable[[int], bool]
    made: list[int] = field(default_factory=list)
    rewritten: set[int] = field(default_factory=set)

    def current(self, record_no: int) -> int:
        """The claim of a record's latest life."""
        return claim_number(record_no, self.incarnation[record_no])

    def resolve(self, claim_no: int, rulings: Rulings) -> int | None:
        """The living record that holds a claim, or None when it is gone."""

        def holds(claim_no: int) -> bool:
            record_no = record_of(claim_no)
            return self.incarnation.get(record_no) == incarnation_of(claim_no) and self.lives(record_no)

        return holder_of(claim_no, holds, lambda dead: self.estates.get(dead, ()), rulings.apart)

    def arrive(self, record_no: int, position: int, rulings: Rulings) -> None:
        """A record that was not alive comes, or comes back. To be told before it counts as alive.

        Args:
            record_no: The record.
            position: Its log position: how senior a claim made now is.
            rulings: The decisions in force at this position.
        """
        if record_no not in self.incarnation:
            self._make(record_no, 1, position)
            return
        claim_no = self.current(record_no)
        if self.resolve(claim_no, rulings) is not None:
            self._make(record_no, self.incarnation[record_no] + 1, position)
        elif self.estates.pop(claim_no, None) is not None:
            self.rewritten.add(claim_no)

    def depart(self, record_no: int, co_members: Iterable[int]) -> None:
        """A living record is deleted.

        Args:
            record_no: The record.
            co_members: The other live records of its customer, just before.
        """
        heirs = sorted((self.current(member) for member in co_members), key=self.seniority.__getitem__)
        claim_no = self.current(record_no)
        if heirs:
            self.estates[claim_no] = tuple(heirs)
            self.rewritten.add(claim_no)

    def _make(self, record_no: int, incarnation: int, position: int) -> None:
        claim_no = claim_number(record_no, incarnation)
        self.incarnation[record_no] = incarnation
        self.seniority[claim_no] = position
        self.made.append(claim_no)


def founders(
    claims: Claims, numbers: Numbers, seniority: Numbers, records: Numbers, labels: Numbers, rulings: Rulings
) -> Numbers:
    """The claim that gives each living record's cluster its ID: the most senior one that resolves into it.

    Args:
        claims: The claims at the moment of the clusters.
        numbers: The numbers of all claims.
        seniority: The seniority of each.
        records: The living records, rising.
        labels: For each of them one record that stands for its cluster.
        rulings: The decisions in force.

    Returns:
        For each living record the number of the claim.
    """
    holders = record_of(numbers)
    latest = np.zeros(len(records), dtype=np.int64)
    places = np.searchsorted(records, holders)
    alive = np.isin(holders, records)
    np.maximum.at(latest, places[alive], numbers[alive])
    held = alive.copy()
    held[alive] = latest[places[alive]] == numbers[alive]
    for at in np.flatnonzero(
        ~held & np.isin(numbers, np.array(list(claims.estates), dtype=np.int64))
    ).tolist():
        holder = claims.resolve(int(numbers[at]), rulings)
        if holder is not None:
            places[at] = np.searchsorted(records, holder)
            held[at] = True
    order = np.flatnonzero(held)
    order = order[np.argsort(-seniority[order], kind="stable")]
    by_cluster = np.zeros(len(records), dtype=np.int64)
    cluster = np.searchsorted(records, labels)
    # The last of several values for one place stays: the most senior is written last.
    by_cluster[cluster[places[order]]] = numbers[order]
    founder: Numbers = by_cluster[cluster]
    return founder
