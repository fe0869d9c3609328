"""What `top` shows is what happens, and looking costs the same however large the state is."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.alarms.alarm import Finding, Name, Severity
from customer_profiles.monitoring.alarms.book import Book
from customer_profiles.monitoring.alarms.rules import Judgement
from customer_profiles.monitoring.freshness import Verdict, note_watermarks
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.pipeline.latency import Latency
from customer_profiles.pipeline.lease import DRIVER, WATCH, Lease, run_lease
from customer_profiles.pipeline.live import LATENCY_SECONDS, WINDOW_SECONDS, Live, live
from customer_profiles.pipeline.tables import served_batch
from customer_profiles.settings import Settings
from customer_profiles.sources.inbox import Arrived, append
from customer_profiles.state.engine import State, Store
from customer_profiles.state.schema import to_json
from customer_profiles_tests.web.serving import settings_with

NOW = 1_793_450_000_000_000
SECOND = 1_000_000


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path, "backlog: 7000")


def commit(state: State, seconds_ago: float, **result: Any) -> None:
    with state.writing() as connection:
        record_batch(connection, StageResult(**result), NOW - int(seconds_ago * SECOND))


def stage_of(shown: Live, stage: str, source: str = "") -> Any:
    (found,) = [one for one in shown.stages if (one.stage, one.source) == (stage, source)]
    return found


def test_rates_are_of_the_last_seconds_by_stage_and_source(state: State, settings: Settings) -> None:
    read: dict[str, Any] = {"stage": "ingest_interaction", "source": "web"}
    commit(state, WINDOW_SECONDS + 1, **read, received=9_000, applied=9_000)
    commit(state, 9, **read, received=600, applied=500, duplicate=90, quarantined=10, seconds=1.0)
    commit(state, 1, **read, received=400, applied=400, seconds=0.5)
    commit(state, 1, stage="accumulate", received=900, applied=900, seconds=3.0)

    shown = live(state, settings, NOW)

    one = stage_of(shown, "ingest_interaction", "web")
    assert (one.received, one.applied, one.quarantined) == (100, 90, 1)
    assert one.busy == pytest.approx(0.15)
    assert stage_of(shown, "accumulate").received == 90
    assert stage_of(shown, "resolve").received == 0
    assert shown.received == 100
    assert (shown.batches, shown.adds_up) == (3, True)


def test_a_batch_that_does_not_add_up_is_told_of(state: State, settings: Settings) -> None:
    commit(state, 1, stage="resolve", received=10, applied=9)

    assert not live(state, settings, NOW).adds_up


def test_latency_is_of_the_last_minute_and_empty_when_nothing_was_served(
    state: State, settings: Settings
) -> None:
    assert live(state, settings, NOW).latency.p50 is None

    served = ((LATENCY_SECONDS + 1, 90 * SECOND), (30, 2 * SECOND), (1, SECOND // 10), (2, SECOND // 10))
    with state.writing() as connection:
        for number, (seconds_ago, micros) in enumerate(served):
            found = Latency.of([micros] * 100)
            connection.execute(
                served_batch.insert().values(
                    batch_no=number,
                    served_at=NOW - int(seconds_ago * SECOND),
                    events=found.events,
                    slowest=found.slowest,
                    histogram=to_json({str(step): count for step, count in found.counts.items()}),
                )
            )
    latency = live(state, settings, NOW).latency
    assert latency.p50 == pytest.approx(0.1, rel=0.11)
    assert (latency.p99, latency.slowest) == (2, 2)
    assert latency.served == 20


def test_who_drives_and_what_does_not_get_on_is_what_the_lease_says(state: State, settings: Settings) -> None:
    assert live(state, settings, NOW).driver.holder is None
    lease, run = Lease(state, DRIVER, "worker"), Lease(state, run_lease("of-a-test"), passing=True)
    failure = {"of": "crm", "reason": "It cannot be reached.", "times": 3, "retry_seconds": 4.0}
    assert lease.take(None)
    assert run.take(None)
    lease.beat({"passes": 5, "batch_sizes": {"web": 1_000}, "failures": [failure]})
    beat = lease.look()
    assert beat is not None

    driver = live(state, settings, beat.beat_at + 2 * SECOND).driver
    assert (driver.holder, driver.beat_seconds, driver.passes, driver.run) == ("worker", 2, 5, True)
    assert (dict(driver.batch_sizes), list(driver.failures)) == ({"web": 1_000}, [failure])

    lease.release()
    run.release()
    after = live(state, settings, NOW).driver
    assert (after.holder, after.run) == (None, False)


def test_the_backlog_and_the_lag_are_those_of_what_waits(state: State, settings: Settings) -> None:
    with state.writing(Store.INBOX) as connection:
        events = [Arrived("web", str(number), b"{}") for number in range(40)]
        append(connection, [events], NOW - 90 * SECOND)
        note_watermarks(connection, {("ingest_record", "web"): NOW - 100 * SECOND})

    shown = live(state, settings, NOW)

    assert (shown.backlog, shown.most) == (40, 7_000)
    reading = stage_of(shown, "ingest_record", "web")
    assert (reading.waiting, reading.lag_seconds, reading.watermark) == (40, 90, NOW - 100 * SECOND)
    assert stage_of(shown, "ingest_interaction", "web").lag_seconds is None
    assert (shown.lag_seconds, shown.sla) == (90, Verdict.BROKEN)


def test_no_look_scans_a_table_that_grows(state_factory: Callable[[str], State], settings: Settings) -> None:
    """Told by SQLite's own plans; on Postgres the same statements run on the same indexes."""
    state = state_factory("sqlcipher")
    asked: list[tuple[str, Any]] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        live(state, settings, NOW)
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)

    scanned = set()
    with state.everything() as connection:
        for statement, parameters in asked:
            if statement.lstrip().upper().startswith("SELECT") and "sqlite_schema" not in statement:
                plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
                scanned |= {row[-1].split()[1] for row in plan if row[-1].startswith("SCAN")}
    assert len(asked) > 15
    bounded = {"CONSTANT", "(subquery-1)", "anon_1"}
    small = {"watermark", "generation"}  # a row a stage and source; a row a building
    limited = {"quarantine"}  # counted up to a bound
    assert scanned <= bounded | small | limited


def test_alarms_that_are_open_are_shown_until_they_are_over(state: State, settings: Settings) -> None:
    finding = Finding(Name.SOURCE_FAILING, "crm", Severity.WARNING, NOW, "The source crm does not get on.")
    book = Book({}, open_after=0, close_after=0)
    assert (live(state, settings, NOW).alarms, live(state, settings, NOW).watched) == ((), False)

    book.update(Judgement((finding,)), NOW)
    book.save(state)
    Lease(state, WATCH).take(None)
    shown = live(state, settings, now_micros())
    (alarm,) = shown.alarms
    assert (alarm.alarm, alarm.subject, alarm.severity, alarm.since) == (
        "source_failing",
        "crm",
        "warning",
        NOW,
    )
    assert shown.watched

    book.update(Judgement(()), NOW + SECOND)
    book.save(state)
    assert live(state, settings, NOW).alarms == ()
