"""What a worker holds while it drives: a lane for each source, and one for each stage after ingest."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.lane import Failure, Lane, failed_again
from customer_profiles.pipeline.latency import Meter
from customer_profiles.pipeline.pace import Backoff
from customer_profiles.pipeline.stage import Stage
from customer_profiles.state.errors import CursorMoved, is_away


class DerivedLane:
    """A stage after ingest: left alone for a while when it fails, while the others go on."""

    def __init__(self, stage: Stage, backoff: Backoff, dice: random.Random) -> None:
        """Bind it; ``dice`` are for the jitter."""
        self._stage = stage
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
        if time.monotonic() < self._due_at:
            return None
        try:
            result = self._stage.advance(limit)
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


@dataclass
class Drive:
    """Everything that lives as long as one holding of the lease.

    Attributes:
        lanes: Of the sources. ``stages``: after ingest, in their order.
        running: The batches of sources that are under way; at most one a source.
        look_at: When to look next at what waits for the stages, by the steady clock.
        count_at: When to count the inbox next.
        more: Whether the last pass left something that can be done at once. ``quiet``: whether it left nothing at all.
        meter: Measures latency. ``measured``: whether it does so from a known place on.
    """

    lanes: Sequence[Lane]
    stages: Sequence[DerivedLane]
    meter: Meter
    running: dict[Lane, Future[list[StageResult]]] = field(default_factory=dict)
    look_at: float = 0.0
    count_at: float = 0.0
    more: bool = False
    quiet: bool = False
    measured: bool = False

    def __post_init__(self) -> None:
        self.pool = ThreadPoolExecutor(max(1, len(self.lanes)), thread_name_prefix="source")

    @property
    def failures(self) -> list[Failure]:
        """Sources and stages that do not get on."""
        told = [*(lane.failure for lane in self.lanes), *(stage.failure for stage in self.stages)]
        return [failure for failure in told if failure is not None]

    def close(self) -> None:
        """Let every batch that is under way finish, or fail and lose nothing; let go of the sources."""
        wait(self.running.values())
        self.pool.shutdown()
        for lane in self.lanes:
            lane.close()
