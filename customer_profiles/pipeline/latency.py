"""How long interactions took from received to served: measured batch by batch, kept as histograms that add up."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import sqlalchemy as sa

from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.pipeline.tables import served_batch
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.cursors import Cursor, CursorMoved, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve

NAME = "measure_latency"
"""Its cursor."""
KEPT_MICROS = 86_400_000_000
_STEP = math.log(1.1)
_AT_ONCE = 50_000
KEPT_EVERY_SECONDS = 2.0
_CLEARED_EVERY = 100
"""Batches."""
_COLUMNS = ("batch_no", "served_at", "events", "slowest", "histogram")
_RECEIVED = sa.text(
    """
    SELECT received_at, count(*)
    FROM interaction
    WHERE interaction_no > :since AND interaction_no <= :until
    GROUP BY received_at
    """
)


@dataclass(frozen=True, slots=True)
class Latency:
    """Times from received to served, counted by steps of a tenth.

    Attributes:
        counts: Interactions by step; step n holds times up to 1.1 to the n milliseconds.
        slowest: The longest time, in micros.
    """

    counts: Mapping[int, int] = field(default_factory=dict)
    slowest: int = 0

    @classmethod
    def of(cls, micros: Iterable[int]) -> Latency:
        """Of these times; one below zero, after a clock was set back, counts as none."""
        return cls.counted(Counter(micros))

    @classmethod
    def counted(cls, times: Mapping[int, int]) -> Latency:
        """Of so many interactions each.

        Args:
            times: Interactions by their time in micros.
        """
        counts: Counter[int] = Counter()
        for micros, count in times.items():
            counts[_step(micros)] += count
        return cls(counts, max(0, max(times, default=0)))

    @property
    def events(self) -> int:
        """How many."""
        return sum(self.counts.values())

    def __add__(self, other: Latency) -> Latency:
        return Latency(Counter(self.counts) + Counter(other.counts), max(self.slowest, other.slowest))

    def quantile(self, share: float) -> float | None:
        """Seconds within which this share of them was served, a tenth too long at most; None when there are none."""
        left = share * self.events
        for step in sorted(self.counts):
            left -= self.counts[step]
            if left <= 0:
                return min(1.1**step / 1_000, self.slowest / 1_000_000)
        return None


def _step(micros: int) -> int:
    return max(0, math.ceil(math.log(max(micros, 1) / 1_000) / _STEP))


class Meter:
    """Measures what is served, batch by batch, and keeps it every two seconds.

    A transaction for every batch would cost more than it tells. What was measured and not kept when the process is killed is
    measured again by the next one, as served later than it was.
    """

    def __init__(self, state: State) -> None:
        """Bind it to an open state."""
        self._state = state
        self._read: Cursor | None = None
        self._until = 0
        self._pending = Latency()
        self._keep_at = 0.0

    def measure(self, now: int, served_to: int | None = None) -> Latency:
        """Measure the interactions that were served since it was last measured.

        Args:
            now: Micros.
            served_to: The number up to which they were; None for all that are accumulated, when no stage is behind.

        Returns:
            What was measured; nothing when nothing was served.
        """
        total = Latency()
        while (found := self._next(now, served_to)) is not None:
            total = total + found
        self._pending = self._pending + total
        if time.monotonic() >= self._keep_at and not self.keep(now):
            return Latency()
        return total

    def keep(self, now: int) -> bool:
        """Write what was measured since it was last kept.

        Args:
            now: Micros.

        Returns:
            Whether it was; a run that measured beside us has it otherwise.
        """
        read, pending, kept = self._read, self._pending, True
        if read is not None and (read.position or {}).get("interaction_no") != self._until:
            try:
                with self._state.writing() as connection:
                    move_cursor(connection, read, {"interaction_no": self._until})
                    if pending.events:
                        _keep(connection, pending, now)
            except CursorMoved:
                kept = False
        self._read, self._pending = None, Latency()
        self._keep_at = time.monotonic() + KEPT_EVERY_SECONDS
        return kept

    def _next(self, now: int, served_to: int | None) -> Latency | None:
        """The next part of what was served; None when there is none."""
        with self._state.reading() as connection:
            fresh = read_cursor(connection, NAME) if self._read is None else None
            served = read_cursor(connection, AccumulateStage.name, str(live_generation(connection))).position
            reached = (served or {"interaction_no": 0})["interaction_no"]
            reached = reached if served_to is None else min(reached, served_to)
            if fresh is not None:
                self._read = fresh
                # What was served before anybody measured is left out: its times would tell of the past.
                self._until = reached if fresh.position is None else fresh.position["interaction_no"]
            since, self._until = self._until, min(reached, self._until + _AT_ONCE)
            if self._until <= since:
                self._until = since
                return None
            rows = connection.execute(_RECEIVED, {"since": since, "until": self._until})
            return Latency.counted({now - received_at: count for received_at, count in rows})


def measure(state: State, now: int) -> Latency:
    """Measure once, and keep it at once; see `Meter.measure`."""
    return Meter(state).measure(now)


def _keep(connection: sa.Connection, found: Latency, now: int) -> None:
    """Write the row of a batch; now and then let go of those that are kept for long enough."""
    number = reserve(connection, "served_batch", 1)
    counts = to_json({str(step): count for step, count in found.counts.items()})
    row = (number, now, found.events, found.slowest, counts)
    insert_rows(connection, served_batch, _COLUMNS, [row])
    if number % _CLEARED_EVERY == 0:
        connection.execute(served_batch.delete().where(served_batch.c.served_at < now - KEPT_MICROS))


@dataclass(frozen=True, slots=True)
class ServedBatch:
    """The interactions of one batch.

    Attributes:
        served_at: When they were in the profiles (micros).
        latency: How long they took.
    """

    served_at: int
    latency: Latency


def served_batches(connection: sa.Connection, since: int, most: int = 10_000) -> list[ServedBatch]:
    """The newest batches, the oldest of them first.

    Args:
        connection: A connection that sees the state store.
        since: Those served from then on (micros).
        most: How many at most.
    """
    columns = (served_batch.c.served_at, served_batch.c.histogram, served_batch.c.slowest)
    rows = connection.execute(
        sa.select(*columns)
        .where(served_batch.c.served_at >= since)
        .order_by(served_batch.c.served_at.desc())
        .limit(most)
    ).all()
    return [
        ServedBatch(at, Latency({int(step): n for step, n in from_json(text).items()}, slowest))
        for at, text, slowest in reversed(rows)
    ]


def together(batches: Iterable[ServedBatch]) -> Latency:
    """The times of several batches."""
    return sum((one.latency for one in batches), start=Latency())
