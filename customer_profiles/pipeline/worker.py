"""The streaming worker: the same stages as a run, in a loop, kept warm, woken by what is new.

A pass takes one batch of every source that has something new and then one of every stage after ingest that has something to
do. Whoever holds the lease drives; another worker waits and takes over. Killed anywhere, the next one goes on, for every
stage moves its cursor in the transaction of its work.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.freshness import Key, caught_up, note_watermarks
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.behind import behind
from customer_profiles.pipeline.build import Pipeline, contracts_of
from customer_profiles.pipeline.lane import Failure, Lane
from customer_profiles.pipeline.latency import Latency, measure
from customer_profiles.pipeline.lease import BEAT_SECONDS, Heart, Lease, LeaseWatch, Standing
from customer_profiles.pipeline.pace import Backoff, BatchSize
from customer_profiles.pipeline.stage import Stage
from customer_profiles.sources.heads import open_head
from customer_profiles.state.engine import Store
from customer_profiles.state.errors import CursorMoved, StateError

BEHIND_SECONDS = 0.25
"""How often a quiet worker looks whether the stages after ingest have something to do: decisions, segments that are due."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass did.

    Attributes:
        results: Of every stage that did something.
        failures: Sources and stages that do not get on.
        waiting: About how much each stage after ingest has before it.
        batch_sizes: The size of each source's next batch.
        latency: How long the interactions took that are served since.
        seconds: How long it took.
    """

    results: Sequence[StageResult]
    failures: Sequence[Failure]
    waiting: Mapping[str, int]
    batch_sizes: Mapping[str, int]
    latency: Latency
    seconds: float


@dataclass
class Told:
    """What the worker tells with its heartbeat, and at its end."""

    passes: int = 0
    received: int = 0
    quarantined: int = 0
    failures: Sequence[Failure] = field(default_factory=tuple)
    waiting: Mapping[str, int] = field(default_factory=dict)
    batch_sizes: Mapping[str, int] = field(default_factory=dict)
    looked_at: int = 0
    """When the last pass began (micros): the heart beats on while a pass hangs."""

    def as_status(self) -> Mapping[str, Any]:
        """As plain JSON, without a value of a person."""
        return asdict(self)


class Worker:
    """Drives the pipeline until it is told to stop."""

    def __init__(
        self,
        pipeline: Pipeline,
        on_pass: Callable[[Pass], None] | None = None,
        on_waiting: Callable[[], None] | None = None,
        on_leading: Callable[[], None] | None = None,
    ) -> None:
        """Bind the worker.

        Args:
            pipeline: The stages over the open state.
            on_pass: Called after every pass that did something, or that failed in another way than the one before.
            on_waiting: Called when another worker drives.
            on_leading: Called when this one begins to drive.
        """
        self._pipeline = pipeline
        self._on_pass = on_pass
        self._on_waiting = on_waiting
        self._on_leading = on_leading
        self._stopping = threading.Event()
        self._streaming = pipeline.settings.streaming
        self._backoff = Backoff(self._streaming.first_retry_seconds, self._streaming.longest_retry_seconds)
        self._dice = random.Random()
        self._watermarks: dict[Key, int] = {}
        self._note_at = 0.0
        self.told = Told()
        """What was done since this worker began to drive."""
        self.driving = False
        """Whether this worker drives now."""

    def stop(self) -> None:
        """Ask it to finish its pass and end. Safe to call in a signal's handler and from other threads."""
        self._stopping.set()

    def run(self, until_quiet: bool = False) -> Told:
        """Wait for the lease, drive, and let go of it.

        Args:
            until_quiet: End when nothing is left to do, instead of waiting for what comes.

        Returns:
            What was done.

        Raises:
            StateError: The state cannot be reached.
        """
        while not self._stopping.is_set():
            lease = self._wait_for_lease()
            if lease is None:
                break
            with Heart(lease, lambda: self.told.as_status()):
                if self._on_leading is not None:
                    self._on_leading()
                self.driving = True
                try:
                    if self._drive(lease, until_quiet):
                        break
                finally:
                    self.driving = False
        return self.told

    def _wait_for_lease(self) -> Lease | None:
        """The lease, once nobody else has it; None when told to stop before."""
        lease, watch, told = Lease(self._pipeline.state), LeaseWatch(), False
        while not self._stopping.is_set():
            seen = lease.look()
            if watch.observe(seen) in (Standing.FREE, Standing.STALE):
                if lease.take(seen):
                    return lease
                continue
            if not told and self._on_waiting is not None:
                self._on_waiting()
            told = True
            self._stopping.wait(BEAT_SECONDS / 2)
        return None

    def _drive(self, lease: Lease, until_quiet: bool) -> bool:
        """Pass after pass; says whether it was told to stop, rather than that the lease was lost."""
        lanes = self._lanes()
        stages = [_Derived(stage, self._backoff, self._dice) for stage in self._pipeline.derived()]
        pool = ThreadPoolExecutor(max(1, len(lanes)), thread_name_prefix="source")
        running: dict[Lane, Future[list[StageResult]]] = {}
        measure(self._pipeline.state, now_micros())  # from here on
        look_at = 0.0
        failures: Sequence[Failure] = ()
        try:
            while not self._stopping.is_set() and lease.held:
                began = time.monotonic()
                self.told.looked_at = now_micros()
                taken = self._take_in(lanes, pool, running)
                results = list(taken)
                waiting, latency = self.told.waiting, Latency()
                if any(result.received for result in taken) or began >= look_at:
                    derived, waiting = self._derive(stages)
                    results += derived
                    if not any(waiting.values()):
                        latency = measure(self._pipeline.state, now_micros())
                    look_at = time.monotonic() + BEHIND_SECONDS
                more = any(result.more for result in results)
                told = [*(lane.failure for lane in lanes), *(stage.failure for stage in stages)]
                failed = [failure for failure in told if failure is not None]
                seconds = time.monotonic() - began
                sizes = {lane.source: lane.size.now for lane in lanes}
                self._tell(Pass(results, failed, waiting, sizes, latency, seconds), failed != failures)
                failures = failed
                self._note_watermarks(lanes)
                if more or any(lane.more for lane in lanes if lane not in running):
                    look_at = 0.0
                    continue
                if until_quiet and not running and not any(waiting.values()) and not failed:
                    self._note_watermarks(lanes, at_once=True)
                    return True
                self._wait(lanes, running, look_at)
            return self._stopping.is_set()
        finally:
            wait(running.values())  # each finishes its batch, or fails and loses nothing
            pool.shutdown()
            for lane in lanes:
                lane.close()

    def _lanes(self) -> list[Lane]:
        streaming, settings = self._streaming, self._pipeline.settings
        size = BatchSize.between(streaming.smallest_batch, streaming.largest_batch)

        def lane(source: str) -> Lane:
            return Lane(
                source,
                [self._pipeline.ingest(source, contract) for contract in contracts_of(settings, source)],
                lambda: open_head(source, settings.sources[source], streaming, self._pipeline.state),
                size,
                self._backoff,
            )

        return [lane(source) for source in settings.sources]

    def _take_in(
        self, lanes: Sequence[Lane], pool: ThreadPoolExecutor, running: dict[Lane, Future[list[StageResult]]]
    ) -> list[StageResult]:
        """One batch of every source that is due. One that is slow to answer is not waited for: it comes when it does."""
        for lane in lanes:
            if lane not in running and lane.due:
                running[lane] = pool.submit(lane.advance)
        wait(running.values(), self._streaming.patience_seconds)
        results: list[StageResult] = []
        for lane in [lane for lane, future in running.items() if future.done()]:
            results += running.pop(lane).result()
        return results

    def _derive(self, stages: Sequence[_Derived]) -> tuple[list[StageResult], Mapping[str, int]]:
        """One batch of every stage that has something to do; what one does can be what the next has to do."""
        results: list[StageResult] = []
        waiting = self._waiting()
        for stage in stages:
            if stage.fresh or waiting.get(stage.name, 1) or any(result.applied for result in results):
                result = stage.advance(self._streaming.largest_batch)
                if result is not None:
                    results.append(result)
        if results:
            waiting = self._waiting()
        return results, waiting

    def _waiting(self) -> dict[str, int]:
        """How much waits for each stage; those for which nothing does have everything up to now."""
        at = now_micros()
        with self._pipeline.state.reading() as connection:
            waiting = dict(behind(connection, at))
        self._watermarks |= {(stage, ""): at for stage in caught_up(waiting)}
        return waiting

    def _note_watermarks(self, lanes: Sequence[Lane], at_once: bool = False) -> None:
        """Keep the watermarks where others see them, once a second."""
        if time.monotonic() < self._note_at and not at_once:
            return
        for lane in lanes:
            self._watermarks |= lane.watermarks
        try:
            with self._pipeline.state.writing(Store.INBOX) as connection:
                note_watermarks(connection, self._watermarks)
        except (StateError, sa.exc.DBAPIError):
            pass  # a full disk or a server that restarts: what stands still is noticed, and is noted when it can be
        self._note_at = time.monotonic() + BEAT_SECONDS

    def _tell(self, one: Pass, failing_otherwise: bool) -> None:
        did = [result for result in one.results if result.received]
        ingested = [result for result in did if result.source]
        self.told.passes += bool(did)
        self.told.received += sum(result.received for result in ingested)
        self.told.quarantined += sum(result.quarantined for result in ingested)
        self.told.failures, self.told.waiting, self.told.batch_sizes = (
            one.failures,
            one.waiting,
            one.batch_sizes,
        )
        if self._pipeline.progress is not None:
            for result in did:
                self._pipeline.progress(result)
        if self._on_pass is not None and (did or failing_otherwise):
            self._on_pass(replace(one, results=did))

    def _wait(self, lanes: Sequence[Lane], running: Mapping[Lane, object], look_at: float) -> None:
        """Until something is to be looked at, or it is told to stop."""
        next_at = min([look_at, *(lane.due_at for lane in lanes if lane not in running)])
        if running:
            next_at = min(next_at, time.monotonic() + self._streaming.inbox_seconds)
        self._stopping.wait(max(0.001, next_at - time.monotonic()))


class _Derived:
    """A stage after ingest: left alone for a while when it fails, while the others go on."""

    def __init__(self, stage: Stage, backoff: Backoff, dice: random.Random) -> None:
        self._stage = stage
        self._backoff = backoff
        self._dice = dice
        self._due_at = 0.0
        self.name = stage.name
        self.fresh = True
        """Not asked yet: new settings or another model can give it something to do that no position shows."""
        self.failure: Failure | None = None

    def advance(self, limit: int) -> StageResult | None:
        if time.monotonic() < self._due_at:
            return None
        try:
            result = self._stage.advance(limit)
        except CursorMoved:
            return None
        except (CustomerProfilesError, sa.exc.DBAPIError) as error:
            times = 1 if self.failure is None else self.failure.times + 1
            seconds = self._backoff.wait(times, self._dice)
            told = str(error) if isinstance(error, CustomerProfilesError) else type(error).__name__
            self.failure = Failure(self.name, told, times, seconds)
            self._due_at = time.monotonic() + seconds
            return None
        self.failure, self.fresh = None, False
        return result
