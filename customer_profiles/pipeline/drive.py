"""What a worker holds while it drives: a lane for each source, and one for each stage after ingest."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field

from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.derived_lane import DerivedLane
from customer_profiles.pipeline.helped import Helped
from customer_profiles.pipeline.lane import Failure, Lane
from customer_profiles.pipeline.latency import Meter


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
