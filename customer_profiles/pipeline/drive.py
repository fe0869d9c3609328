"""What a worker holds while it drives: a lane for each source, and one for each stage after ingest."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.aside import Aside, AsideFailed
from customer_profiles.pipeline.build import Pipeline
from customer_profiles.pipeline.history import accumulated_until
from customer_profiles.pipeline.lane import Failure, Lane, failed_again
from customer_profiles.pipeline.latency import Meter
from customer_profiles.pipeline.pace import Backoff
from customer_profiles.pipeline.stage import LookingStage, Stage
from customer_profiles.state.errors import CursorMoved, is_away


class DerivedLane:
    """A stage after ingest: left alone for a while when it fails, while the others go on."""

    def __init__(self, stage: Stage, backoff: Backoff, dice: random.Random) -> None:
        """Bind it; ``dice`` are for the jitter."""
        self.stage = stage
        self._backoff = backoff
        self._dice = dice
        self._due_at = 0.0
        self.name = stage.name
        self.fresh = True
        """Not asked yet: new settings or another model can give it something to do that no position shows."""
        self.failure: Failure | None = None

    def advance(self, limit: int) -> StageResult | None:
        """One batch; None when it failed, or is left alone because it did.

        Raises:
            StateError: the state is away, which is no fault of the stage. So is a DBAPIError of the state.
        """
        return self._attempt(lambda: self.stage.advance(limit))

    @property
    def looks(self) -> bool:
        """Whether another process can look for it now: it has two halves, has done a batch before, and gets on."""
        return isinstance(self.stage, LookingStage) and not self.fresh and time.monotonic() >= self._due_at

    def write(self, found: Any) -> StageResult | None:
        """Write what another process found for it; as `advance` for the rest."""
        stage = self.stage
        assert isinstance(stage, LookingStage)
        return self._attempt(lambda: stage.write(found))

    def _attempt(self, work: Callable[[], StageResult]) -> StageResult | None:
        if time.monotonic() < self._due_at:
            return None
        try:
            result = work()
        except CursorMoved:
            return None
        except Exception as error:
            if is_away(error):
                raise
            self.failure = failed_again(self.name, error, self.failure, self._backoff, self._dice)
            self._due_at = time.monotonic() + self.failure.retry_seconds
            return None
        self.failure, self.fresh = None, False
        return result


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

    def __init__(self, pipeline: Pipeline, lanes: Sequence[DerivedLane], limit: int) -> None:
        """Bind it; the process is started when it is first asked.

        Args:
            pipeline: Says where the state is.
            lanes: The stages in their order.
            limit: Of a look.
        """
        self._pipeline = pipeline
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
            if not (wait or self._aside.ready):
                return None
            done = self._take(self._aside)
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
        with self._pipeline.state.reading() as connection:
            reached = accumulated_until(connection)
        if self._place == 0:
            self._reached = reached
        self._asked_at, self._asked_last = now_micros(), time.monotonic()
        try:
            self._aside = self._aside or Aside(self._pipeline.settings)
            self._aside.ask(lane.name, self._limit)
        except (AsideFailed, OSError):
            self._failed()

    def _take(self, aside: Aside) -> Turn:
        lane, first, last = self._lanes[self._place], self._place == 0, self._place == len(self._lanes) - 1
        try:
            found = aside.answer()
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


@dataclass
class Drive:
    """Everything that lives as long as one holding of the lease.

    Attributes:
        lanes: Of the sources. ``stages``: after ingest, in their order.
        helped: Those of the stages for which another process can look; None where there is no second processor.
        running: The batches of sources that are under way; at most one a source.
        look_at: When to look next at what waits for the stages, by the steady clock.
        count_at: When to count the inbox next.
        more: Whether the last pass left something that can be done at once. ``quiet``: whether it left nothing at all.
        meter: Measures latency. ``measured``: whether it does so from a known place on.
        owed: Whether the last pass left to the next one what the helped stages have to do.
    """

    lanes: Sequence[Lane]
    stages: Sequence[DerivedLane]
    meter: Meter
    helped: Helped | None = None
    running: dict[Lane, Future[list[StageResult]]] = field(default_factory=dict)
    look_at: float = 0.0
    count_at: float = 0.0
    more: bool = False
    quiet: bool = False
    measured: bool = False
    owed: bool = False

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(max(1, len(self.lanes)), thread_name_prefix="source")

    @property
    def failures(self) -> list[Failure]:
        """Sources and stages that do not get on."""
        told = [*(lane.failure for lane in self.lanes), *(stage.failure for stage in self.stages)]
        return [failure for failure in told if failure is not None]

    def close(self) -> None:
        """Let every batch that is under way finish, or fail and lose nothing; let go of the sources."""
        if self.helped is not None:
            self.helped.close()
        wait(self.running.values())
        self.pool.shutdown()
        for lane in self.lanes:
            lane.close()
