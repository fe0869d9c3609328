"""How the stream gets on now, in numbers: who drives, what comes in and goes out, what waits, how late it is.

Cheap however large the state is: it looks at the newest rows of the ledger and of the served batches, and at the ends of
indexes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from customer_profiles.cleaning.quarantine import count_up_to
from customer_profiles.monitoring.alarms.alarm import Finding
from customer_profiles.monitoring.alarms.book import open_alarms
from customer_profiles.monitoring.freshness import Freshness, Verdict, verdict
from customer_profiles.monitoring.ledger import Window, newest_batches
from customer_profiles.pipeline.freshness import freshness
from customer_profiles.pipeline.latency import served_batches, together
from customer_profiles.pipeline.lease import DRIVER, STALE_SECONDS, WATCH, LeaseRow, read_lease, run_leases
from customer_profiles.settings import Settings
from customer_profiles.sources.inbox import collector_sources, read_up_to, waiting
from customer_profiles.state.engine import State, Store

WINDOW_SECONDS = 10.0
"""Rates are of the last so many seconds."""
LATENCY_SECONDS = 60.0
"""Latency is of what was served in the last so many seconds."""
MOST_COUNTED = 10_000
"""Rows of the quarantine that are counted; there may be more."""


@dataclass(frozen=True, slots=True)
class Driver:
    """Who drives the pipeline.

    Attributes:
        holder: The token of its process; None when nobody does.
        beat_seconds: How long ago it last showed that it lives, by this machine's clock.
        passes: Passes that did something since it began to drive. ``batch_sizes``: of each source's next batch.
        failures: What does not get on: name, reason, how often in a row, seconds to the next try.
        run: Whether a run of Dagster is at work beside it.
    """

    holder: str | None
    beat_seconds: float | None
    passes: int
    batch_sizes: Mapping[str, int]
    failures: Sequence[Mapping[str, Any]]
    run: bool


@dataclass(frozen=True, slots=True)
class StageNow:
    """One stage and the source that it reads, if it reads one.

    Attributes:
        stage: The stage.
        source: The source, or the empty text.
        received: A second. ``applied`` and ``quarantined``: of these.
        busy: Share of the time that it was at work.
        waiting: About how much waits for it.
        lag_seconds: How long what waits has waited; for a source, how long ago it was last read to its end.
        watermark: Everything received up to here is through it (micros); None while that was never so.
    """

    stage: str
    source: str
    received: float
    applied: float
    quarantined: float
    busy: float
    waiting: int
    lag_seconds: float | None
    watermark: int | None


@dataclass(frozen=True, slots=True)
class LatencyNow:
    """Times from received to served, in seconds; None when nothing was served."""

    served: float
    """Interactions a second."""
    p50: float | None
    p99: float | None
    slowest: float | None


@dataclass(frozen=True, slots=True)
class AlarmNow:
    """An alarm that is open.

    Attributes:
        alarm: Its name; ``subject``: the source, stage, job or disk it is about, or the empty text.
        severity: Who has to get up.
        since: Since when it is wrong (micros).
        summary: What was wrong when it was raised.
    """

    alarm: str
    subject: str
    severity: str
    since: int
    summary: str


@dataclass(frozen=True, slots=True)
class Live:
    """Everything at one moment.

    Attributes:
        at: When (micros).
        driver: Who drives.
        stages: In the order of the data.
        latency: Of the last minute.
        backlog: About how many events wait in the inbox to be read. ``most``: with more the collector answers 429.
        lag_seconds: How far the profiles are behind; ``sla``: what that means.
        quarantine: Rows in the quarantine, counted up to `MOST_COUNTED`.
        batches: Of the last seconds; ``adds_up``: whether everything received in them is accounted for.
        alarms: That are open, the oldest first; ``watched``: whether somebody watches, without whom none is raised or ended.
    """

    at: int
    driver: Driver
    stages: tuple[StageNow, ...]
    latency: LatencyNow
    backlog: int
    most: int
    lag_seconds: float
    sla: Verdict
    quarantine: int
    batches: int
    adds_up: bool
    alarms: tuple[AlarmNow, ...] = ()
    watched: bool = False

    @property
    def received(self) -> float:
        """A second, from all sources."""
        return sum(one.received for one in self.stages if one.source)


def live(state: State, settings: Settings, now: int) -> Live:
    """How the stream gets on.

    Args:
        state: The open state.
        settings: Say which sources there are.
        now: Micros.

    Raises:
        StateError: the state cannot be read.
    """
    sources = tuple(collector_sources(settings))
    with state.reading() as connection:
        window = newest_batches(connection, now - int(WINDOW_SECONDS * 1e6))
        latency = _latency(connection, now)
        quarantined = count_up_to(connection, MOST_COUNTED)
        read = {source: read_up_to(connection, settings, [source]) for source in sources}
    with state.reading(Store.INBOX) as connection:
        driver = _driver(read_lease(connection, DRIVER), run_leases(connection), now)
        watch, alarms = read_lease(connection, WATCH), open_alarms(connection)
        backlog = {source: waiting(connection, upto) for source, upto in read.items()}
    fresh = freshness(state, settings, now)
    return Live(
        at=now,
        driver=driver,
        stages=_stages(window, fresh, backlog),
        latency=latency,
        backlog=max(backlog.values(), default=0),
        most=settings.collector.backlog,
        lag_seconds=fresh.seconds,
        sla=verdict(fresh.seconds, settings.sla.seconds),
        quarantine=quarantined,
        batches=window.batches,
        adds_up=window.adds_up,
        alarms=tuple(_alarm(one.finding) for one in alarms),
        watched=watch is not None and now - watch.beat_at < STALE_SECONDS * 1e6,
    )


def _alarm(finding: Finding) -> AlarmNow:
    return AlarmNow(str(finding.name), finding.subject, str(finding.severity), finding.since, finding.summary)


def _stages(window: Window, fresh: Freshness, backlog: Mapping[str, int]) -> tuple[StageNow, ...]:
    found = []
    for lag in fresh.lags:
        done = window.of.get((lag.stage, lag.source))
        found.append(
            StageNow(
                lag.stage,
                lag.source,
                received=done.received / WINDOW_SECONDS if done else 0.0,
                applied=done.applied / WINDOW_SECONDS if done else 0.0,
                quarantined=done.quarantined / WINDOW_SECONDS if done else 0.0,
                busy=min(1.0, done.seconds / WINDOW_SECONDS) if done else 0.0,
                waiting=backlog.get(lag.source, 0) if lag.source else lag.waiting,
                lag_seconds=None if lag.watermark is None else lag.seconds,
                watermark=lag.watermark,
            )
        )
    return tuple(found)


def _latency(connection: sa.Connection, now: int) -> LatencyNow:
    batches = served_batches(connection, now - int(LATENCY_SECONDS * 1e6))
    total = together(batches)
    since = now - int(WINDOW_SECONDS * 1e6)
    lately = sum(one.latency.events for one in batches if one.served_at >= since)
    slowest = total.slowest / 1e6 if total.events else None
    return LatencyNow(lately / WINDOW_SECONDS, total.quantile(0.5), total.quantile(0.99), slowest)


def _driver(driving: LeaseRow | None, runs: Sequence[LeaseRow], now: int) -> Driver:
    running = any(now - run.beat_at < STALE_SECONDS * 1e6 for run in runs)
    if driving is None or not driving.holder:
        return Driver(None, None, 0, {}, (), running)
    told = driving.status
    return Driver(
        driving.holder,
        max(0.0, (now - driving.beat_at) / 1e6),
        int(told.get("passes", 0)),
        dict(told.get("batch_sizes", {})),
        tuple(told.get("failures", ())),
        running,
    )
