"""Steward decisions as the clustering reads them: who must be together, who must be apart. Pure; storing is `decisions.py`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

Tag = tuple[int, int]
"""The number of an *apart* and the side (0 or 1) that a record stands on."""


@dataclass(frozen=True)
class Together:
    """Every record of one side is the same person as every record of the other."""

    decision_id: str
    decided_at: int
    side_a: frozenset[int]
    side_b: frozenset[int]


@dataclass(frozen=True)
class Apart:
    """No customer holds records of both sides."""

    decision_id: str
    decided_at: int
    side_a: frozenset[int]
    side_b: frozenset[int]


@dataclass(frozen=True)
class Rulings:
    """The decisions in force at one moment."""

    togethers: tuple[Together, ...] = ()
    aparts: tuple[Apart, ...] = ()
    _empty: frozenset[Tag] = field(default=frozenset(), repr=False)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs to join, the newest decision first, ties by decision ID and then by record."""
        ordered = sorted(self.togethers, key=lambda together: (-together.decided_at, together.decision_id))
        return tuple(pair for together in ordered for pair in _pairs(together.side_a, together.side_b))

    @cached_property
    def partners(self) -> dict[int, frozenset[int]]:
        """For each record named in a *together*, the records that it is to be joined with."""
        partners: dict[int, set[int]] = {}
        for one, other in self.pairs:
            partners.setdefault(one, set()).add(other)
            partners.setdefault(other, set()).add(one)
        return {record: frozenset(others) for record, others in partners.items()}

    @cached_property
    def tags(self) -> dict[int, frozenset[Tag]]:
        """For each record named in an *apart*, which and on which side."""
        tags: dict[int, set[Tag]] = {}
        for number, apart in enumerate(self.aparts):
            for side, records in enumerate((apart.side_a, apart.side_b)):
                for record in records:
                    tags.setdefault(record, set()).add((number, side))
        return {record: frozenset(of_record) for record, of_record in tags.items()}

    @cached_property
    def named(self) -> frozenset[int]:
        """Every record that any decision names."""
        return frozenset(self.partners) | frozenset(self.tags)

    def apart(self, one: int, other: int) -> bool:
        """Whether two records must not be one customer."""
        return keeps_apart(self.tags.get(one, self._empty), self.tags.get(other, self._empty))


def keeps_apart(one: Iterable[Tag], other: frozenset[Tag] | set[Tag]) -> bool:
    """Whether two sets of tags stand on two sides of the same *apart*."""
    return any((number, 1 - side) in other for number, side in one)


def _pairs(side_a: frozenset[int], side_b: frozenset[int]) -> Iterator[tuple[int, int]]:
    yield from sorted({(min(a, b), max(a, b)) for a in side_a for b in side_b if a != b})
