"""The streaming worker: the same stages as a run, in a loop, kept warm, woken by what is new.

A pass takes one batch of every source that has something new and then one of every stage after ingest that has something to
do. Whoever holds the lease drives; another worker waits and takes over. Killed anywhere, the next one goes on, for every
stage moves its cursor in the transaction of its work.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import wait
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import sqlalchemy as sa

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.freshness import Key, caught_up, note_watermarks
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.aside import LOOKED_FOR
from customer_profiles.pipeline.behind import Behind, behind
from customer_profiles.pipeline.build import Pipeline, contracts_of
from customer_profiles.pipeline.derived_lane import DerivedLane
from customer_profiles.pipeline.drive import Drive
from customer_profiles.pipeline.helped import Helped
from customer_profiles.pipeline.lane import Failure, Lane, failed_again
from customer_profiles.pipeline.latency import Latency, Meter
from customer_profiles.pipeline.lease import BEAT_SECONDS, STALE_SECONDS, Heart, Lease, LeaseWatch, Standing
from customer_profiles.pipeline.memory import Memory
from customer_profiles.pipeline.pace import Backoff, BatchSize
from customer_profiles.sources.heads import open_head
from customer_profiles.sources.inbox import collector_sources, read_up_to
from customer_profiles.sources.inbox import waiting as unread_events
from customer_profiles.state.engine import Store
from customer_profiles.state.errors import CursorMoved, StateError, is_away

BEHIND_SECONDS = 0.25
"""How often a quiet worker looks whether the stages after ingest have something to do: decisions, segments that are due."""

LONGEST_AWAY_SECONDS = 5.0
"""The longest wait before a state that is away is tried again: once it is back, everything waits for this."""
STATE = "state"
"""What a failure of the state itself is called among those of sources and stages."""


@dataclass(frozen=True, slots=True)
class Pass:
    """What one pass did.

    Attributes:
        results: Of every stage that did something.
        failures: Sources and stages that do not get on.
        waiting: About how much each stage after ingest has before it.
        batch_sizes: The size of each source's next batch.
        latency: How long the interactions took that are served since.
        unread: About how many events wait in the inbox.
        seconds: How long it took.
    """

    results: Sequence[StageResult]
    failures: Sequence[Failure]
    waiting: Mapping[str, int]
    batch_sizes: Mapping[str, int]
    latency: Latency
    unread: int
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
    unread: int = 0
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
        stale_seconds: float = STALE_SECONDS,
    ) -> None:
        """Bind the worker.

        Args:
            pipeline: The stages over the open state.
            on_pass: Called after every pass that did something, or that failed in another way than the one before.
            on_waiting: Called when another worker drives.
            on_leading: Called when this one begins to drive.
            stale_seconds: How long the heartbeat of another worker may stand still.
        """
        self._pipeline = pipeline
        self._on_pass = on_pass
        self._on_waiting = on_waiting
        self._on_leading = on_leading
        self._stale_seconds = stale_seconds
        self._stopping = threading.Event()
        self._streaming = pipeline.settings.streaming
        self._backoff = Backoff(self._streaming.first_retry_seconds, self._streaming.longest_retry_seconds)
        self._backoff_of_state = Backoff(
            self._streaming.first_retry_seconds,
            min(LONGEST_AWAY_SECONDS, self._streaming.longest_retry_seconds),
        )
        self._inbox_sources = frozenset(collector_sources(pipeline.settings))
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
            StateError: The state cannot be reached at the start; one that goes away later is waited for.
        """
        drove = False
        while not self._stopping.is_set():
            try:
                lease = self._wait_for_lease()
            except (StateError, sa.exc.DBAPIError) as error:
                if not (drove and is_away(error)):
                    raise
                self._stopping.wait(self._backoff_of_state.wait(1, self._dice))
                continue
            if lease is None:
                break
            drove = True
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
        lease, watch, told = Lease(self._pipeline.state), LeaseWatch(self._stale_seconds), False
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
        stages = [DerivedLane(stage, self._backoff, self._dice) for stage in self._pipeline.derived()]
        drive = Drive(self._lanes(), stages, Meter(self._pipeline.state), self._helped(stages))
        away: Failure | None = None
        memory = Memory()
        try:
            while not self._stopping.is_set() and lease.held:
                try:
                    self._pass(drive)
                    away = None
                    if until_quiet and drive.quiet:
                        self._note_watermarks(drive.lanes, at_once=True)
                        return True
                    if not drive.more:
                        memory.tidy()
                        self._wait(drive)
                except CursorMoved:
                    continue  # a run beside us measured meanwhile
                except (StateError, sa.exc.DBAPIError) as error:
                    if until_quiet or not is_away(error):
                        raise
                    # Nothing is lost: what was under way is done again. The others see that nobody beats, and wait too.
                    away = failed_again(STATE, error, away, self._backoff_of_state, self._dice)
                    self._tell(replace(self._nothing_done(), failures=(away,)))
                    self._stopping.wait(away.retry_seconds)
            if drive.owed and away is None and lease.held:
                with suppress(StateError, sa.exc.DBAPIError):  # away now: the next one does it
                    self._catch_up(drive)
            return self._stopping.is_set()
        finally:
            drive.close()
            with suppress(StateError, sa.exc.DBAPIError):  # the next one measures it
                drive.meter.keep(now_micros())

    def _pass(self, drive: Drive) -> None:
        """One batch of every source that has something new, then one of every stage that has something to do."""
        if not drive.measured:
            drive.meter.measure(now_micros())  # from here on
            drive.measured = True
        lanes, began = drive.lanes, time.monotonic()
        self.told.looked_at = now_micros()
        taken = self._take_in(drive)
        results = list(taken)
        waiting, latency = self.told.waiting, Latency()
        helped = self._helper(drive)
        if helped is not None or any(result.received for result in taken) or began >= drive.look_at:
            derived, left, latency = self._derive(drive, helped)
            results, waiting = [*results, *derived], left.total
            if not any(left.data.values()):
                latency = latency + drive.meter.measure(now_micros())
            drive.look_at = time.monotonic() + BEHIND_SECONDS
        running = [lane for lane in lanes if lane in drive.running]
        drive.more = any(result.more for result in results) or any(
            lane.more for lane in lanes if lane not in running
        )
        drive.quiet = not (drive.more or running or drive.failures or any(waiting.values()))
        if drive.more:
            drive.look_at = 0.0
        sizes = {lane.source: lane.size.now for lane in lanes}
        unread = self._unread(drive)
        seconds = time.monotonic() - began
        self._tell(Pass(results, drive.failures, waiting, sizes, latency, unread, seconds))
        self._note_watermarks(lanes)

    def _catch_up(self, drive: Drive) -> None:
        """Take through the last stages what the others have done already, before it ends."""
        more = True
        while more:
            results, left, latency = self._derive(drive, None)
            self._tell(replace(self._nothing_done(), results=results, waiting=left.total, latency=latency))
            more = any(result.more for result in results)

    def _nothing_done(self) -> Pass:
        told = self.told
        return Pass((), told.failures, told.waiting, told.batch_sizes, Latency(), told.unread, 0.0)

    def _unread(self, drive: Drive) -> int:
        """About how many events wait in the inbox: looked up once a second while there is a backlog."""
        sources = [lane.source for lane in drive.lanes if lane.source in self._inbox_sources and lane.more]
        if not sources:
            return 0
        if time.monotonic() < drive.count_at:
            return self.told.unread
        drive.count_at = time.monotonic() + BEAT_SECONDS
        with self._pipeline.state.reading() as connection:
            read = read_up_to(connection, self._pipeline.settings, sources)
        with self._pipeline.state.reading(Store.INBOX) as connection:
            return unread_events(connection, read)

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

    def _take_in(self, drive: Drive) -> list[StageResult]:
        """One batch of every source that is due. One that is slow to answer is not waited for: it comes when it does."""
        running = drive.running
        for lane in drive.lanes:
            if lane not in running and lane.due:
                running[lane] = drive.pool.submit(lane.advance)
        wait(running.values(), self._streaming.patience_seconds)
        results: list[StageResult] = []
        for lane in [lane for lane, future in running.items() if future.done()]:
            results += running.pop(lane).result()
        return results

    def _helped(self, stages: Sequence[DerivedLane]) -> Helped | None:
        """The last stages, if they can look elsewhere and there is a processor for that."""
        may_have_children = not multiprocessing.current_process().daemon
        if not self._streaming.second_process or not may_have_children or (os.cpu_count() or 1) < 2:
            return None
        looking = [lane for lane in stages if lane.name in LOOKED_FOR]
        state, settings = self._pipeline.state, self._pipeline.settings
        return Helped(state, settings, looking, self._streaming.largest_batch) if looking else None

    def _helper(self, drive: Drive) -> Helped | None:
        """Who helps while there is a backlog: batches have grown as large as they can."""
        largest = self._streaming.largest_batch
        behind = any(lane.more and lane.size.now == largest for lane in drive.lanes)
        return drive.helped if behind and drive.helped is not None and drive.helped.can_help else None

    def _derive(self, drive: Drive, helped: Helped | None) -> tuple[list[StageResult], Behind, Latency]:
        """One batch of every stage that has something to do; what one does can be what the next has to do.

        While there is a backlog another process looks for the last stages meanwhile. Gives also the latency of what was served
        so.
        """
        results: list[StageResult] = []
        latency = Latency()

        def take_turn(wait: bool = False) -> None:
            nonlocal latency
            turn = drive.helped.turn(wait) if drive.helped is not None else None
            if turn is None:
                return
            if turn.result is not None:
                results.append(turn.result)
            if turn.caught_up is not None:
                self._watermarks[turn.stage, ""] = turn.caught_up
            if turn.served_to is not None:
                latency = latency + drive.meter.measure(now_micros(), turn.served_to)

        take_turn(wait=helped is None)
        drive.owed = helped is not None
        left = self._left()
        for stage in drive.stages:
            if helped is not None and helped.has(stage):
                continue
            if stage.fresh or left.total.get(stage.name, 1) or any(result.applied for result in results):
                result = stage.advance(self._streaming.largest_batch)
                if result is not None:
                    results.append(result)
            if helped is not None:
                take_turn()
        if results:
            left = self._left()
        return results, left, latency

    def _left(self) -> Behind:
        """What waits for each stage; those for which no data does have everything up to now."""
        at = now_micros()
        with self._pipeline.state.reading() as connection:
            left = behind(connection, at)
        self._watermarks |= {(stage, ""): at for stage in caught_up(left.data)}
        return left

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

    def _tell(self, one: Pass) -> None:
        failing_otherwise = list(one.failures) != list(self.told.failures)
        did = [result for result in one.results if result.received]
        ingested = [result for result in did if result.source]
        self.told.passes += bool(did)
        self.told.received += sum(result.received for result in ingested)
        self.told.quarantined += sum(result.quarantined for result in ingested)
        self.told.failures, self.told.waiting = one.failures, one.waiting
        self.told.batch_sizes, self.told.unread = one.batch_sizes, one.unread
        if self._pipeline.progress is not None:
            for result in did:
                self._pipeline.progress(result)
        if self._on_pass is not None and (did or failing_otherwise):
            self._on_pass(replace(one, results=did))

    def _wait(self, drive: Drive) -> None:
        """Until something is to be looked at, or it is told to stop."""
        next_at = min([drive.look_at, *(lane.due_at for lane in drive.lanes if lane not in drive.running)])
        if drive.running:
            next_at = min(next_at, time.monotonic() + self._streaming.inbox_seconds)
        self._stopping.wait(max(0.001, next_at - time.monotonic()))
