"""The stages for which a second process looks while there is a backlog: whose turn it is, and what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline import aside
from customer_profiles.pipeline.aside import Aside, AsideFailed
from customer_profiles.pipeline.derived_lane import DerivedLane
from customer_profiles.pipeline.history import accumulated_until
from customer_profiles.pipeline.pace import Backoff
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State


@dataclass(frozen=True, slots=True)
class Turn:
    """A batch of a stage for which another process looked.

    Attributes:
        result: What it did; None when it failed.
        caught_up: Where it took in everything, when it was asked to look (micros).
        served_to: The number of the interaction up to which all are in the profiles since; None when that is not known.
    """

    stage: str
    result: StageResult | None
    caught_up: int | None
    served_to: int | None


IDLE_SECONDS = 60.0
"""So long the other process is kept when there is no backlog any more."""


class Helped:
    """The stages for which another process looks while there is a backlog, one after the other, round and round."""

    def __init__(self, state: State, settings: Settings, lanes: Sequence[DerivedLane], limit: int) -> None:
        """Bind it; the process is started when it is first asked.

        Args:
            state: The open state.
            settings: All settings: the other process opens the state by them.
            lanes: The stages in their order.
            limit: Of a look.
        """
        self._state = state
        self._settings = settings
        self._lanes = lanes
        self._limit = limit
        self._backoff = Backoff(1.0, 60.0)
        self._dice = random.Random()
        self._failures = 0
        self._again_at = 0.0
        self._asked_last = 0.0
        self._aside: Aside | None = None
        self._place = 0
        self._asked_at = 0
        self._reached = 0
        self._served_to: int | None = None

    @property
    def can_help(self) -> bool:
        """Whether the other process is there, or can be started, and its stages get on."""
        return time.monotonic() >= self._again_at and all(lane.looks for lane in self._lanes)

    def has(self, lane: DerivedLane) -> bool:
        """Whether the stage is one of them."""
        return lane in self._lanes

    def turn(self, wait: bool = False) -> Turn | None:
        """Write what the look under way found, if it is done, and ask for the next one; None when nothing was written.

        Args:
            wait: Wait for the look, and ask for no other one: the backlog is over.

        Raises:
            StateError: the state is away. So is a DBAPIError of the state.
        """
        done = None
        if self._aside is not None and self._aside.asked:
            hangs = time.monotonic() > self._asked_last + aside.LOOK_SECONDS
            if not (wait or hangs or self._aside.ready):
                return None
            done = self._take(self._aside, 0.0 if hangs else aside.LOOK_SECONDS)
        if not wait and self.can_help:
            self._ask()
        elif time.monotonic() > self._asked_last + IDLE_SECONDS:
            self.close()
        return done

    def close(self) -> None:
        """End the other process; a look under way is thrown away, and the stage does it again."""
        if self._aside is not None:
            self._aside.close()
            self._aside = None

    def _ask(self) -> None:
        lane = self._lanes[self._place]
        with self._state.reading() as connection:
            reached = accumulated_until(connection)
        if self._place == 0:
            self._reached = reached
        self._asked_at, self._asked_last = now_micros(), time.monotonic()
        try:
            self._aside = self._aside or Aside(self._settings)
            self._aside.ask(lane.name, self._limit)
        except (AsideFailed, OSError):
            self._failed()

    def _take(self, other: Aside, patience: float) -> Turn:
        lane, first, last = self._lanes[self._place], self._place == 0, self._place == len(self._lanes) - 1
        try:
            found = other.answer(patience)
        except AsideFailed:
            self._failed()
            result = lane.advance(self._limit)
        else:
            self._failures = 0
            result = lane.write(found)
        self._place = 0 if last else self._place + 1
        whole = result is not None and not result.more
        # What was accumulated before the first stage looked has gone through all of them when each took in all there was.
        if first:
            self._served_to = self._reached
        if not whole:
            self._served_to = None
        return Turn(lane.name, result, self._asked_at if whole else None, self._served_to if last else None)

    def _failed(self) -> None:
        """The other process is gone or does not get on: it is started again, the longer it fails the later."""
        self.close()
        self._failures += 1
        self._again_at = time.monotonic() + self._backoff.wait(self._failures, self._dice)
