"""What forbids that two groups of records are one customer, however strong the edges between them.

Two rules look at every pair of groups across (a group is what *together* decisions formed, mostly a single
record): sets of an exclusive identifier that are both filled and share nothing, and first name and birth date
that differ in every pair that can be compared. *Apart* decisions are in `decisions.py`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Verdict(IntEnum):
    """What became of an edge when it was its turn."""

    ACCEPTED = 0
    LINKAGE = 1
    APART = 2
    EXCLUSIVE = 3
    NAMES = 4


class Facts(NamedTuple):
    """What the vetoes look at of one record; hub values are left out before.

    Attributes:
        first_name: The first name as normalised, or None.
        birth_date: `YYYY-MM-DD`, or None.
        exclusive: Values by exclusive kind of identifier, kinds in alphabetical order, none of them empty.
    """

    first_name: str | None
    birth_date: str | None
    exclusive: tuple[tuple[str, frozenset[str]], ...] = ()

    @property
    def comparable(self) -> bool:
        """Whether the record can take part in any veto."""
        return bool(self.exclusive) or (self.first_name is not None and self.birth_date is not None)


NO_FACTS = Facts(None, None)
Group = frozenset[Facts]


@lru_cache(maxsize=1 << 18)
def first_names_differ(one: str, other: str) -> bool:
    """Whether two first names are plainly two names: not spelled alike, and neither short for the other."""
    one, other = one.casefold().strip(), other.casefold().strip()
    if one == other:
        return False
    short, long = sorted((one, other), key=len)
    if not short or long.startswith(short):
        return False
    if set(one.split()) & set(other.split()):
        return False
    return _edits(short, long) > (1 if len(short) < 6 else 2)


@lru_cache(maxsize=1 << 18)
def birth_dates_differ(one: str, other: str) -> bool:
    """Whether two birth dates are plainly two dates: more than one part differs, and not by a slip of the pen."""
    if one == other:
        return False
    parts, others = one.split("-"), other.split("-")
    if len(parts) == len(others) == 3:
        if sum(a == b for a, b in zip(parts, others, strict=True)) >= 2:
            return False
        if parts[0] == others[0] and parts[1] == others[2] and parts[2] == others[1]:
            return False
    return _edits(one, other) > 1


def _edits(one: str, other: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours from one text to the other (optimal alignment)."""
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, a in enumerate(one, 1):
        before_that, before, row = before, row, [i]
        for j, b in enumerate(other, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (a != b))
            if i > 1 and j > 1 and a == other[j - 2] and one[i - 2] == b:
                cost = min(cost, before_that[j - 2] + 1)
            row.append(cost)
    return row[-1]


def names_conflict(one: Facts, other: Facts) -> bool | None:
    """Whether two records differ in both first name and birth date; None when they cannot be compared."""
    if None in (one.first_name, one.birth_date, other.first_name, other.birth_date):
        return None
    assert one.first_name and one.birth_date
    assert other.first_name and other.birth_date
    return birth_dates_differ(one.birth_date, other.birth_date) and first_names_differ(
        one.first_name, other.first_name
    )


def groups_conflict(one: Group, other: Group) -> Verdict:
    """What forbids that two groups are one customer, `Verdict.ACCEPTED` when nothing does."""
    exclusive, others = _exclusive(one), _exclusive(other)
    for kind in exclusive.keys() & others.keys():
        if exclusive[kind].isdisjoint(others[kind]):
            return Verdict.EXCLUSIVE
    compared = [names_conflict(a, b) for a in one for b in other]
    if True in compared and False not in compared:
        return Verdict.NAMES
    return Verdict.ACCEPTED


def _exclusive(group: Group) -> dict[str, frozenset[str]]:
    values: dict[str, frozenset[str]] = {}
    for facts in group:
        for kind, of_kind in facts.exclusive:
            values[kind] = values.get(kind, frozenset()) | of_kind
    return values


@dataclass(frozen=True)
class FactColumns(Mapping[int, Facts]):
    """The facts of many records in columns, read as a mapping from record number to facts.

    Attributes:
        records: Record numbers, rising.
        first_name: For each record a code of its first name, -1 when it has none.
        birth_date: For each record a code of its birth date, -1 when it has none.
        first_names: The first name of each code.
        birth_dates: The birth date of each code.
        exclusive: Exclusive identifiers of the records that have any.
    """

    records: NDArray[np.int64]
    first_name: NDArray[np.int32]
    birth_date: NDArray[np.int32]
    first_names: Sequence[str]
    birth_dates: Sequence[str]
    exclusive: Mapping[int, tuple[tuple[str, frozenset[str]], ...]]

    @classmethod
    def of(cls, facts: Mapping[int, Facts]) -> FactColumns:
        """Columns from a plain mapping."""
        records = sorted(facts)
        names: dict[str, int] = {}
        dates: dict[str, int] = {}
        first_name = [_code(names, facts[record].first_name) for record in records]
        birth_date = [_code(dates, facts[record].birth_date) for record in records]
        return cls(
            np.array(records, dtype=np.int64),
            np.array(first_name, dtype=np.int32),
            np.array(birth_date, dtype=np.int32),
            list(names),
            list(dates),
            {record: facts[record].exclusive for record in records if facts[record].exclusive},
        )

    def __getitem__(self, record: int) -> Facts:
        at = int(np.searchsorted(self.records, record))
        if at == len(self.records) or self.records[at] != record:
            raise KeyError(record)
        return self.at(at)

    def __iter__(self) -> Iterator[int]:
        yield from self.records.tolist()

    def __len__(self) -> int:
        return len(self.records)

    def at(self, index: int) -> Facts:
        """The facts of the record at a place in the columns."""
        name, date = int(self.first_name[index]), int(self.birth_date[index])
        return Facts(
            self.first_names[name] if name >= 0 else None,
            self.birth_dates[date] if date >= 0 else None,
            self.exclusive.get(int(self.records[index]), ()),
        )

    def has_exclusive(self) -> NDArray[np.bool_]:
        """For each place in the columns, whether its record has an exclusive identifier."""
        result = np.zeros(len(self.records), dtype=np.bool_)
        if self.exclusive:
            result[np.searchsorted(self.records, np.array(sorted(self.exclusive), dtype=np.int64))] = True
        return result


def _code(codes: dict[str, int], value: str | None) -> int:
    return -1 if value is None else codes.setdefault(value, len(codes))
