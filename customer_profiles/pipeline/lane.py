"""One source's way into the pipeline: its ingest stages kept warm, when to look, and how long to wait when it is down."""

from __future__ import annotations

import logging
import random
import time
import traceback
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.freshness import Key
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.pace import Backoff, BatchSize
from customer_profiles.pipeline.stage import Stage
from customer_profiles.sources.heads import Head
from customer_profiles.state.errors import CursorMoved, is_away, is_full

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a source, or a stage, does not get on.

    Attributes:
        of: The source or the stage.
        reason: The error's own words, which name the thing and what to do.
        times: How often in a row.
        retry_seconds: How long until it is tried again.
    """

    of: str
    reason: str
    times: int
    retry_seconds: float


def failed_again(
    of: str, error: Exception, before: Failure | None, backoff: Backoff, dice: random.Random
) -> Failure:
    """The failure after one more attempt.

    Args:
        of: The source or the stage.
        error: Why. The words of errors that are not ours could hold a value of a person: only their kind is told.
        before: The failure of the attempt before, if that failed too.
        backoff: How waits grow.
        dice: For the jitter.
    """
    if isinstance(error, CustomerProfilesError):
        reason = str(error)
    elif isinstance(error, sa.exc.DBAPIError) and is_full(error):
        reason = "The disk of the state is full: make room; nothing is lost, and it goes on by itself."
    elif isinstance(error, sa.exc.DBAPIError):
        reason = f"The state does not do what was asked: {type(error).__name__}."
    else:
        reason = f"{type(error).__name__}, a fault of this program; the log has the place."
        if before is None or before.reason != reason:
            places = "".join(traceback.format_list(traceback.extract_tb(error.__traceback__)))
            LOG.error("%s: %s\n%s", of, reason, places)
    times = 1 if before is None else before.times + 1
    return Failure(of, reason, times, backoff.wait(times, dice))


class Lane:
    """One source: asked for its mark now and then, read when the mark is another one, left alone while it is down.

    Only one thread at a time works on a lane; others may look at `failure` and `size`.
    """

    def __init__(
        self,
        source: str,
        stages: Sequence[Stage],
        open_head: Callable[[], Head],
        size: BatchSize,
        backoff: Backoff,
        clock: Callable[[], float] = time.monotonic,
        dice: random.Random | None = None,
        now: Callable[[], int] = now_micros,
    ) -> None:
        """Bind the lane; nothing is opened yet.

        Args:
            source: The source's name.
            stages: Its ingest stages, in their order.
            open_head: Opens what tells whether there is something new.
            size: The size of its first batch.
            backoff: How long to wait after failures.
            clock: A clock that only goes forward, in seconds.
            dice: For the jitter.
            now: The time of day, in micros.
        """
        self.source = source
        self.watermark: int | None = None
        """When it was last read to its end, or its mark said that nothing was new (micros)."""
        self.size = size
        self.failure: Failure | None = None
        self._stages = tuple(stages)
        self._open_head = open_head
        self._head: Head | None = None
        self._backoff = backoff
        self._clock = clock
        self._dice = dice or random.Random()
        self._now = now
        self._mark: str | None = None
        self._due_at = 0.0
        self._more = True

    @property
    def due(self) -> bool:
        """Whether to look at it now."""
        return self._clock() >= self._due_at

    @property
    def due_at(self) -> float:
        """When to look at it next, by the lane's clock."""
        return self._due_at

    @property
    def more(self) -> bool:
        """Whether there was more to read when it was last read."""
        return self._more and self.failure is None

    @property
    def watermarks(self) -> dict[Key, int]:
        """The watermark of each of its stages; none before it was read to its end."""
        at = self.watermark
        return {} if at is None else {(stage.name, self.source): at for stage in self._stages}

    def advance(self) -> list[StageResult]:
        """One batch of each stage, if there is something new; a source that is down is left alone for a while.

        Raises:
            StateError: the state is away, which is no fault of the source. So is a DBAPIError of the state.
        """
        try:
            results = self._advance()
        except Exception as error:
            # After the state was away, or another run did this batch meanwhile: look again at once.
            self._more, self._due_at = True, self._clock()
            if is_away(error):
                raise
            if not isinstance(error, CursorMoved):
                self._failed(error)
            return []
        self.failure = None
        return results

    def close(self) -> None:
        """Let go of the source."""
        if self._head is not None:
            self._head.close()
            self._head = None
        for stage in self._stages:
            closing = getattr(stage, "close", None)
            if closing is not None:
                closing()

    def _advance(self) -> list[StageResult]:
        if self._head is None:
            self._head = self._open_head()
        # Before the reading: what comes while it is read has another mark.
        at = self._now()
        mark = self._head.mark()
        results: list[StageResult] = []
        if self._more or mark != self._mark:
            results = [stage.advance(self.size.now) for stage in self._stages]
            self._mark = mark
            self._more = any(result.more for result in results)
            self.size = self.size.after(self._more)
        if not self._more:
            self.watermark = at
        self._due_at = self._clock() + (0.0 if self._more else self._head.every)
        return results

    def _failed(self, error: Exception) -> None:
        self.failure = failed_again(self.source, error, self.failure, self._backoff, self._dice)
        self._due_at = self._clock() + self.failure.retry_seconds
