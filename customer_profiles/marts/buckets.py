"""Buckets: a record's interactions counted and summed by minute, hour, day and for its lifetime. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
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

# An hour and a day longer than the longest window read from the grain, so that an edge never falls into a
# hole.
KEPT: Mapping[Grain, int] = {Grain.MINUTE: 25 * HOUR, Grain.HOUR: 31 * DAY}


@dataclass(frozen=True, slots=True)
class Interaction:
    """The part of an interaction that buckets need."""

    record_no: int
    type: str
    channel: str
    occurred_at: int
    value: int | None = None
    currency: str = ""


@dataclass(frozen=True, slots=True)
class Bucket:
    """One row: what a record did of one kind in one stretch of time.

    `currency` is empty where interactions carry no value; `property` is empty unless the bucket is kept for
    one value of a property that the settings chose.
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


def first_kept(grain: Grain, last_at: int) -> int:
    """Start of the oldest bucket of a grain that a record keeps whose newest interaction was at `last_at`.

    It follows the record's own newest interaction, not the clock: so what is kept depends on what was
    received alone, not on when or in which batches, and dropping the rest costs only the records of the
    batch.
    """
    return grain.start(last_at - KEPT[grain]) if grain in KEPT else 0


def bucketed(interactions: Iterable[Interaction], last_at: Mapping[int, int]) -> list[Bucket]:
    """Fold interactions into buckets; see :func:`cells`."""
    return [Bucket(cell[0], Grain(cell[1]), *cell[2:]) for cell in cells(interactions, last_at)]


def cells(interactions: Iterable[Interaction], last_at: Mapping[int, int]) -> list[Cell]:
    """Fold interactions into buckets, as plain rows: this is the hot path.

    Args:
        interactions: In any order; each counts once.
        last_at: The newest interaction of each record, those of this call included (micros).

    Returns:
        One row for each key; buckets past their keep are left out.
    """
    sums: dict[tuple[int, str, int, str, str, str, str], list[int]] = {}
    minute_kept, hour_kept = KEPT[Grain.MINUTE], KEPT[Grain.HOUR]
    minute_name, hour_name, day_name, lifetime_name = (str(grain) for grain in Grain)
    for one in interactions:
        record_no, at, value = one.record_no, one.occurred_at, one.value or 0
        kind, channel, currency, newest = one.type, one.channel, one.currency, last_at[one.record_no]
        starts = [(lifetime_name, 0), (day_name, at - at % DAY)]
        if at - at % HOUR >= newest - hour_kept - (newest - hour_kept) % HOUR:
            starts.append((hour_name, at - at % HOUR))
        if at - at % MINUTE >= newest - minute_kept - (newest - minute_kept) % MINUTE:
            starts.append((minute_name, at - at % MINUTE))
        for grain, start in starts:
            key = (record_no, grain, start, kind, channel, currency, "")
            cell = sums.get(key)
            if cell is None:
                sums[key] = [1, value, at]
            else:
                cell[0] += 1
                cell[1] += value
                if at > cell[2]:
                    cell[2] = at
    return [(*key, count, value_sum, newest) for key, (count, value_sum, newest) in sums.items()]
