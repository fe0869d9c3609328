"""Buckets: a record's interactions counted and summed by minute, hour, day and for its lifetime. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

MINUTE = 60_000_000
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class Grain(StrEnum):
    """How much time one bucket covers."""

    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"
    LIFETIME = "lifetime"

    def start(self, at: int) -> int:
        """Start of the bucket that holds a moment, micros."""
        return at - at % LENGTH[self] if self in LENGTH else 0


LENGTH: Mapping[Grain, int] = {Grain.MINUTE: MINUTE, Grain.HOUR: HOUR, Grain.DAY: DAY}

SLACK: Mapping[Grain, int] = {Grain.MINUTE: HOUR, Grain.HOUR: DAY}
"""So much longer than the longest window read from a grain its buckets are kept: a window may end a little before the
record's newest interaction, which can be ahead of our clock, and an edge must never fall into a hole."""


@dataclass(frozen=True, slots=True)
class Counting:
    """What is counted: how long buckets are kept, and which properties have buckets of their own.

    Days are kept as long as the record.

    Attributes:
        kept: Of minutes and hours, how long before the record's newest interaction they are kept, micros; a grain that
            is missing is not counted at all.
        properties: Names of the properties whose values are counted by themselves too.
    """

    kept: Mapping[Grain, int] = field(hash=False)
    properties: tuple[str, ...] = ()

    def first_kept(self, grain: Grain, last_at: int) -> int:
        """Start of the oldest bucket of a grain that a record keeps whose newest interaction was at `last_at`.

        It follows the record's own newest interaction, not the clock: so what is kept depends on what was received
        alone, not on when or in which batches, and dropping the rest costs only the records of the batch.
        """
        return grain.start(last_at - self.kept[grain])

    def to_json(self) -> dict[str, object]:
        """As a cursor keeps it."""
        return {
            "kept": {str(grain): length for grain, length in self.kept.items()},
            "properties": list(self.properties),
        }


@dataclass(frozen=True, slots=True)
class Interaction:
    """The part of an interaction that buckets need.

    `properties` holds what is counted by itself, as `name=value`, each once.
    """

    record_no: int
    type: str
    channel: str
    occurred_at: int
    value: int | None = None
    currency: str = ""
    properties: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bucket:
    """One row: what a record did of one kind in one stretch of time.

    `currency` is empty where interactions carry no value; `property` is empty where all are counted, else `name=value`:
    then only those are that have this value of the property.
    """

    record_no: int
    grain: Grain
    start: int
    type: str
    channel: str
    currency: str
    property: str
    count: int
    value_sum: int
    last_at: int


Cell = tuple[int, str, int, str, str, str, str, int, int, int]
"""A bucket as a plain row: the fields of :class:`Bucket` in order, the grain by its name."""


def bucketed(
    interactions: Iterable[Interaction], last_at: Mapping[int, int], counting: Counting
) -> list[Bucket]:
    """Fold interactions into buckets; see :func:`cells`."""
    return [Bucket(cell[0], Grain(cell[1]), *cell[2:]) for cell in cells(interactions, last_at, counting)]


def cells(interactions: Iterable[Interaction], last_at: Mapping[int, int], counting: Counting) -> list[Cell]:
    """Fold interactions into buckets, as plain rows: this is the hot path.

    Args:
        interactions: In any order; each counts once.
        last_at: The newest interaction of each record, those of this call included (micros).
        counting: What is counted.

    Returns:
        One row for each key; buckets past their keep are left out.
    """
    sums: dict[tuple[int, str, int, str, str, str, str], list[int]] = {}
    finer = [(str(grain), LENGTH[grain], kept) for grain, kept in counting.kept.items()]
    day_name, lifetime_name = str(Grain.DAY), str(Grain.LIFETIME)
    for one in interactions:
        record_no, at, value = one.record_no, one.occurred_at, one.value or 0
        kind, channel, currency, newest = one.type, one.channel, one.currency, last_at[one.record_no]
        starts = [(lifetime_name, 0), (day_name, at - at % DAY)]
        for name, length, kept in finer:
            start, oldest = at - at % length, newest - kept
            if start >= oldest - oldest % length:
                starts.append((name, start))
        for of in ("", *one.properties):
            for grain, start in starts:
                key = (record_no, grain, start, kind, channel, currency, of)
                cell = sums.get(key)
                if cell is None:
                    sums[key] = [1, value, at]
                else:
                    cell[0] += 1
                    cell[1] += value
                    if at > cell[2]:
                        cell[2] = at
    return [(*key, count, value_sum, newest) for key, (count, value_sum, newest) in sums.items()]
