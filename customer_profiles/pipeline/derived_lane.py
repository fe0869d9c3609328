"""A stage after ingest in the worker: left alone for a while when it fails, while the others go on."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Any

from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.lane import Failure, failed_again
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
