"""The sensor that keeps profiles up to date through plain Dagster, and stands by while the streaming worker drives."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Collection, Iterable
from contextlib import ExitStack

import dagster as dg

from customer_profiles.monitoring.freshness import note_watermarks
from customer_profiles.orchestration.assets.cleaned import cleaned_key, contracts_of
from customer_profiles.orchestration.assets.derived import DERIVED
from customer_profiles.orchestration.dead_runs import RunWatch
from customer_profiles.orchestration.jobs import REFRESH
from customer_profiles.orchestration.memory import STAGES, Memory
from customer_profiles.orchestration.resources import SENSOR, STARTED_BY, guarded
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.pipeline.lease import BEAT_SECONDS, Lease, LeaseWatch, Standing
from customer_profiles.pipeline.lookout import Lookout, Seen
from customer_profiles.pipeline.pace import Backoff
from customer_profiles.settings import Settings
from customer_profiles.state.engine import Store

NAME = "new_data"
POLL_SECONDS = 9.5
"""How long a tick looks out: a little less than a multiple of the five seconds at which Dagster starts the next one, so
that nobody looks out for a moment only, and not longer, for whoever stops Dagster waits for the tick to end."""
STALE_SECONDS = 5.0
"""After so long without a heartbeat the sensor takes over: a run takes some seconds to start, and harms nobody."""
LOOK_SECONDS = 0.2
_RUN_KEY_TAG = "dagster/run_key"
_NEW_TAG = "customer_profiles/new"


def build_sensors(
    settings: Settings, poll_seconds: float = POLL_SECONDS, stale_seconds: float = STALE_SECONDS
) -> list[dg.SensorDefinition]:
    """The sensor that starts `refresh` for what is new.

    Args:
        settings: The settings.
        poll_seconds: How long a tick looks out when there is nothing new.
        stale_seconds: How long a heartbeat may stand still.
    """
    post: list[Post] = []

    @dg.sensor(
        name=NAME,
        job_name=REFRESH,
        # Dagster looks every five seconds which sensors are due: between two ticks is no more than that.
        minimum_interval_seconds=1,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description=(
            "Looks out for new data five times a second, without reading it, and starts a run of `refresh` for what is new. "
            "Stands by while `customer-profiles stream` drives, and takes over within 15 seconds when that is gone."
        ),
    )
    def new_data(context: dg.SensorEvaluationContext) -> dg.SensorResult:
        with guarded():
            if not post:
                post.append(Post(settings, stale_seconds))
            return post[0].tick(context.instance, Memory.read(context.cursor), poll_seconds)

    return [new_data]


class Post:
    """Where the sensor looks out from. It stays between ticks, in the process of the code server."""

    def __init__(self, settings: Settings, stale_seconds: float = STALE_SECONDS) -> None:
        """Open the state.

        Args:
            settings: The settings.
            stale_seconds: How long a heartbeat may stand still.

        Raises:
            StateError: It cannot be reached, or the key does not fit.
        """
        streaming = settings.streaming
        self._settings = settings
        self._open = ExitStack()
        self._state = self._open.enter_context(open_pipeline(settings)).state
        self._runs = RunWatch(self._state, stale_seconds)
        self._driver = Lease(self._state)
        self._driver_watch = LeaseWatch(stale_seconds)
        self._lookout = Lookout(
            self._state,
            settings.sources,
            streaming.model_copy(update={"whole_seconds": streaming.sensor_whole_seconds}),
        )
        self._backoff = Backoff(streaming.first_retry_seconds, streaming.sensor_longest_retry_seconds)
        self._dice = random.Random()
        self._held: dict[str, float] = {}
        self._note_at = 0.0
        self._pause = threading.Event()

    def tick(self, instance: dg.DagsterInstance, memory: Memory, poll_seconds: float) -> dg.SensorResult:
        """Look out until there is something to start a run for, or the time is over."""
        until = time.monotonic() + poll_seconds
        while True:
            standing = self._driver_watch.observe(self._driver.look())
            at_work = self._runs.at_work(instance)
            if memory.run_key and not any(run.tags.get(_RUN_KEY_TAG) == memory.run_key for run in at_work):
                memory = self._after_the_run(instance, memory)
            if standing in (Standing.FRESH, Standing.UNKNOWN):
                said = _stands_by(standing)
            elif at_work:
                said = f"Run {at_work[0].run_id[:8]} takes in what is new; what comes meanwhile is next."
            else:
                seen = self._lookout.look()
                sources = memory.wants(seen, self._held_now())
                if sources is not None:
                    return self._start(memory, sources, seen)
                self._note_watermarks(memory, seen)
                said = _nothing_new(seen, memory)
            if time.monotonic() >= until:
                return dg.SensorResult(skip_reason=said, cursor=memory.text())
            self._pause.wait(LOOK_SECONDS)

    def close(self) -> None:
        """Let go of the sources and the state."""
        self._lookout.close()
        self._open.close()

    def _start(self, memory: Memory, sources: Collection[str], seen: Seen) -> dg.SensorResult:
        run_key = (
            f"{time.time_ns() // 1_000_000}-{memory.runs + 1}"  # never the same again, or Dagster skips it
        )
        keys = [
            cleaned_key(source, contract)
            for source in sources
            for contract in contracts_of(self._settings.sources[source])
        ]
        request = dg.RunRequest(
            run_key=run_key,
            asset_selection=[*keys, *map(dg.AssetKey, DERIVED)],
            asset_check_keys=[],  # they read whole tables: `hourly_checks` runs them
            tags={STARTED_BY: SENSOR, _NEW_TAG: ", ".join(sources) or "decisions, or what is due"},
        )
        return dg.SensorResult(run_requests=[request], cursor=memory.with_run(run_key, sources, seen).text())

    def _note_watermarks(self, memory: Memory, seen: Seen) -> None:
        """Keep, once a second, up to when everything is in: what was looked at and is not new counts as read."""
        if time.monotonic() < self._note_at:
            return
        noted = {(stage, ""): seen.at for stage in seen.caught_up}
        for source, mark in seen.marks.items():
            if mark == memory.done.get(source):
                contracts = contracts_of(self._settings.sources[source])
                noted |= {(f"ingest_{contract}", source): seen.asked_at[source] for contract in contracts}
        with self._state.writing(Store.INBOX) as connection:
            note_watermarks(connection, noted)
        self._note_at = time.monotonic() + BEAT_SECONDS

    def _after_the_run(self, instance: dg.DagsterInstance, memory: Memory) -> Memory:
        runs = instance.get_runs(dg.RunsFilter(tags={_RUN_KEY_TAG: memory.run_key}), limit=1)
        succeeded, failed = self._outcome(instance, runs[0] if runs else None, memory.asked)
        after = memory.with_end(succeeded, failed, self._lookout.look())
        now = time.monotonic()
        for name, times in after.failures.items():
            if times != memory.failures.get(name):
                self._held[name] = now + self._backoff.wait(times, self._dice)
        return after

    def _outcome(
        self, instance: dg.DagsterInstance, run: dg.DagsterRun | None, asked: Iterable[str]
    ) -> tuple[list[str], list[str]]:
        """The sources that a run took in, and what it could not do; one that never began did nothing."""
        if run is None:
            return [], []
        if run.status is dg.DagsterRunStatus.SUCCESS:
            return list(asked), []
        stats = instance.get_run_step_stats(run.run_id)
        ended = {step.step_key: step.status.value for step in stats if step.status is not None}
        succeeded, failed = [], []
        for source in asked:
            steps = [
                cleaned_key(source, contract).to_python_identifier()
                for contract in contracts_of(self._settings.sources[source])
            ]
            if all(ended.get(step) == "SUCCESS" for step in steps):
                succeeded.append(source)
            elif any(ended.get(step) == "FAILURE" for step in steps):
                failed.append(source)
        return succeeded, failed or [STAGES]

    def _held_now(self) -> Collection[str]:
        now = time.monotonic()
        self._held = {name: until for name, until in self._held.items() if until > now}
        return self._held


def _stands_by(standing: Standing) -> str:
    if standing is Standing.FRESH:
        return "The streaming worker drives; this sensor stands by and takes over within 15 seconds when it is gone."
    return "A streaming worker has the lease; whether it lives is known in a few seconds."


def _nothing_new(seen: Seen, memory: Memory) -> str:
    count = len(seen.marks)
    said = [f"Nothing new in {count} source{'' if count == 1 else 's'}."]
    said += [f"Cannot be asked, and is tried again: {reason}" for reason in seen.failures.values()]
    said += [
        f"{'The stages' if name == STAGES else name} failed in {times} run{'' if times == 1 else 's'} in a row; "
        "tried again after a growing wait."
        for name, times in memory.failures.items()
    ]
    return " ".join(said)
