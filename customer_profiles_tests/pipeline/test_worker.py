"""The streaming worker: what a run makes, as it comes; nobody holds the others up; one drives, the next takes over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import psycopg
import pytest
import sqlalchemy as sa

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.ledger import ledger_check
from customer_profiles.pipeline import latency as latency_module
from customer_profiles.pipeline.behind import behind
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.pipeline.latency import served_batches, together
from customer_profiles.pipeline.lease import Lease
from customer_profiles.pipeline.worker import STATE, Pass, Worker
from customer_profiles.sources.inbox import Arrived, append
from customer_profiles.state.engine import State, Store
from customer_profiles_tests.cleaning.made import KEYS, settings_of, write_lines
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, PEOPLE, Company, email_of
from customer_profiles_tests.web.serving import SETTINGS as WEB
from customer_profiles_tests.web.serving import wait_until

QUICK = "streaming: {files_seconds: 0.02, database_seconds: 0.02, first_retry_seconds: 0.02, longest_retry_seconds: 0.05}\n"


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    made.text += QUICK
    made.first_week()
    return made


@contextmanager
def working(house: Pipeline, **told: Any) -> Iterator[Worker]:
    """A worker in a thread, until the end of the block."""
    worker = Worker(house, **told)
    failed: list[BaseException] = []

    def run() -> None:
        try:
            worker.run()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield worker
    finally:
        worker.stop()
        thread.join(30)
        assert not thread.is_alive()
        assert not failed


def count(house: Pipeline, table: str) -> int:
    with house.state.reading() as connection:
        return int(connection.execute(sa.text(f"SELECT count(*) FROM {table}")).scalar_one())


def nothing_waits(house: Pipeline) -> bool:
    with house.state.reading() as connection:
        return not any(behind(connection, now_micros()).total.values())


PROFILES = """
    SELECT trait.name, trait.value, record.source, record.source_key
    FROM trait JOIN record ON record.record_no = trait.record_no ORDER BY 1, 2, 3, 4
"""
BUCKETS = """
    SELECT record.source, record.source_key, grain, start, type, count, value_sum
    FROM bucket JOIN record ON record.record_no = bucket.record_no ORDER BY 1, 2, 3, 4, 5
"""


def content(house: Pipeline) -> list[list[tuple[Any, ...]]]:
    """Traits and buckets by the names of their records, for arrival numbers differ where the order does."""
    with house.state.reading() as connection:
        return [[tuple(row) for row in connection.execute(sa.text(query))] for query in (PROFILES, BUCKETS)]


def test_the_worker_makes_what_a_run_makes(company: Company, tmp_path: Path) -> None:
    # Sources are read side by side, so whose records came first is chance: let trust decide between equals.
    company.text = company.text.replace("  crm:\n", "  crm:\n    trust: 90\n", 1)
    by_run = Company(
        company.folder, company.text.replace("sqlite:state", "sqlite:other"), company.environment
    )
    by_run.run()
    with company.open() as house:
        told = Worker(house).run(until_quiet=True)
        assert nothing_waits(house)
        streamed = content(house)
        with house.state.reading() as connection:
            assert ledger_check(connection).adds_up

    with by_run.open() as house:
        assert content(house) == streamed
    assert told.received == 4 + 4 + 4 + 8
    assert all(streamed)


def test_what_comes_while_it_works_is_taken_in_and_a_rebuild_changes_nothing(company: Company) -> None:
    with company.open() as house:
        with working(house):
            wait_until(lambda: count(house, "trait") > 0 and nothing_waits(house))
            company.second_week()
            wait_until(lambda: count(house, "interaction") == 4 + 8 + 2 + 6 and nothing_waits(house))
        before = content(house)
        rebuilt = house.rebuild()

        assert (rebuilt.moved, rebuilt.changed_traits) == (0, 0)
        with house.state.reading() as connection:
            bucket = "SELECT sum(count) FROM bucket WHERE generation = :live AND grain = 'lifetime'"
            counted = connection.execute(sa.text(bucket), {"live": rebuilt.generation}).scalar_one()
        assert counted == 4 + 8 + 2 + 6
        assert content(house) == before


def test_a_source_that_is_down_is_told_of_and_holds_nobody_up(company: Company) -> None:
    (company.folder / "crm.db").rename(company.folder / "away.db")
    passes: list[Pass] = []
    with company.open() as house, working(house, on_pass=passes.append) as worker:
        wait_until(lambda: count(house, "interaction") == 8 and nothing_waits(house))
        wait_until(lambda: any(failure.times > 2 for failure in worker.told.failures))
        (failure,) = worker.told.failures
        assert failure.of == "crm"
        assert "there is no database file" in failure.reason

        (company.folder / "away.db").rename(company.folder / "crm.db")
        wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))
        wait_until(lambda: not worker.told.failures)

    assert any(one.failures for one in passes)
    assert not passes[-1].failures


def test_a_source_that_is_slow_to_answer_is_not_waited_for(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.text = company.text.replace("streaming: {", "streaming: {patience_seconds: 0.05, ")
    answers = threading.Event()
    with company.open() as house:
        stage_of = Pipeline.ingest

        def slow(self: Pipeline, source: str, contract: str) -> Any:
            stage = stage_of(self, source, contract)
            if source == "crm":
                advance = stage.advance
                stage.advance = lambda limit: (answers.wait(), advance(limit))[1]  # type: ignore[method-assign]
            return stage

        monkeypatch.setattr(Pipeline, "ingest", slow)
        with working(house):
            wait_until(lambda: count(house, "interaction") == 8 and nothing_waits(house))
            answers.set()
            wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))


def test_a_stage_that_fails_is_tried_again_while_the_others_go_on(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    from customer_profiles.identity.model.models import ModelError
    from customer_profiles.identity.resolve import ResolveStage

    real, broken = ResolveStage.advance, threading.Event()
    broken.set()

    def advance(self: ResolveStage, limit: int) -> Any:
        if broken.is_set():
            raise ModelError("The bundle is not there.")
        return real(self, limit)

    monkeypatch.setattr(ResolveStage, "advance", advance)
    with company.open() as house, working(house) as worker:
        wait_until(lambda: count(house, "bucket") > 0 and bool(worker.told.failures))
        assert [failure.of for failure in worker.told.failures] == ["resolve"]
        assert count(house, "trait") == 0
        broken.clear()
        wait_until(lambda: count(house, "trait") > 0 and nothing_waits(house))


def test_a_poisoned_row_goes_to_the_quarantine_and_its_neighbours_go_on(company: Company) -> None:
    rows = [
        {"id": f"p{number}", "who": "u1", "kind": "page", "at": "tomorrow, perhaps" if number % 2 else "2026-06-02T10:00:00Z"}
        for number in range(2_000)
    ]  # fmt: skip
    write_lines(company.folder / "web/poison.jsonl", rows)

    with company.open() as house:
        told = Worker(house).run(until_quiet=True)
        assert count(house, "quarantine") == 1_000
        assert count(house, "interaction") == 4 + 8 + 1_000

    assert told.quarantined == 1_000


def test_the_batch_grows_with_the_backlog(company: Company) -> None:
    company.text = company.text.replace("streaming: {", "streaming: {smallest_batch: 2, largest_batch: 16, ")
    rows = [
        {"id": f"b{number}", "who": "u1", "kind": "page", "at": "2026-06-02T10:00:00Z"}
        for number in range(100)
    ]
    write_lines(company.folder / "web/backlog.jsonl", rows)
    sizes: list[int] = []
    with company.open() as house:
        Worker(house, lambda one: sizes.append(one.batch_sizes["web"])).run(until_quiet=True)

    assert max(sizes) == 16
    assert sizes[-1] < 16


def test_of_two_workers_one_drives_and_the_other_takes_over(company: Company) -> None:
    waits, leads = threading.Event(), threading.Event()
    with company.open() as house, company.open() as other, working(house) as first:
        wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))
        with working(other, on_waiting=waits.set, on_leading=leads.set) as second:
            assert waits.wait(20)
            assert not leads.is_set()
            first.stop()
            assert leads.wait(20)
            company.second_week()
            wait_until(lambda: count(house, "interaction") == 20 and nothing_waits(house))
            wait_until(lambda: second.told.received > 0)  # told when the pass ends, after its rows are there


def test_a_worker_that_lost_its_lease_drives_no_more_until_it_has_it_again(company: Company) -> None:
    """As one that was suspended for a minute and finds another one at work."""
    waits = threading.Event()
    with company.open() as house:
        thief = Lease(house.state)
        with working(house, on_waiting=waits.set):
            wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))
            wait_until(lambda: thief.take(thief.look()))
            assert waits.wait(20)
            company.second_week()
            passed_by = count(house, "interaction")
            assert passed_by == 12
            thief.release()
            wait_until(lambda: count(house, "interaction") == 20)


def test_how_long_events_took_is_kept_now_and_then_and_at_the_end(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(latency_module, "KEPT_EVERY_SECONDS", 3_600)

    def measured(house: Pipeline) -> tuple[int, int]:
        with house.state.reading() as connection:
            kept = served_batches(connection, 0)
        return len(kept), together(kept).events

    with company.open() as house:
        with working(house):
            wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))
            company.second_week()
            wait_until(lambda: count(house, "interaction") == 20 and nothing_waits(house))
            assert measured(house) == (0, 0)
        assert measured(house) == (1, 20)


def test_how_long_events_took_is_kept(company: Company) -> None:
    with company.open() as house:
        Worker(house).run(until_quiet=True)
        with house.state.reading() as connection:
            found = together(served_batches(connection, 0))

    assert found.events == 12
    assert found.quantile(1) is not None


@contextmanager
def away(url: str) -> Iterator[None]:
    """Let a database of Postgres be away until the end of the block, as while its server restarts."""
    database, admin = url.rsplit("/", 1)[1], url.rsplit("/", 1)[0] + "/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS false")  # type: ignore[call-overload]
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (database,)
        )
        yield
        connection.execute(f"ALTER DATABASE {database} ALLOW_CONNECTIONS true")  # type: ignore[call-overload]


def test_a_state_that_goes_away_is_waited_for_and_nothing_is_lost(
    company: Company, postgres_url: str
) -> None:
    company.text = company.text.replace("sqlite:state", postgres_url)
    with open_pipeline(company.settings) as house:
        with working(house) as worker:
            wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))
            with away(postgres_url):
                company.second_week()
                wait_until(lambda: any(one.of == STATE and one.times > 1 for one in worker.told.failures))
            wait_until(lambda: not worker.told.failures)
            wait_until(lambda: count(house, "interaction") == 20 and nothing_waits(house))
        with house.state.reading() as connection:
            assert ledger_check(connection).adds_up


def test_a_fault_in_one_source_or_stage_is_told_of_by_its_kind_and_the_others_go_on(
    company: Company, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    stage_of, broken, name = Pipeline.ingest, threading.Event(), PEOPLE[0]
    broken.set()

    def faulty(self: Pipeline, source: str, contract: str) -> Any:
        stage = stage_of(self, source, contract)
        advance = stage.advance

        def fail(limit: int) -> Any:
            if broken.is_set() and source == "crm":
                raise KeyError(name)
            return advance(limit)

        stage.advance = fail  # type: ignore[method-assign]
        return stage

    monkeypatch.setattr(Pipeline, "ingest", faulty)
    with company.open() as house, working(house) as worker:
        wait_until(lambda: count(house, "interaction") == 8 and nothing_waits(house))
        wait_until(lambda: any(one.times > 1 for one in worker.told.failures))
        (failure,) = worker.told.failures
        assert failure.reason == "KeyError, a fault of this program; the log has the place."
        broken.clear()
        wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))

    assert caplog.text.count("crm: KeyError") == 1
    assert name not in caplog.text


def test_a_backlog_in_the_inbox_is_caught_up_with_oldest_first_and_told_of(
    state: State, tmp_path: Path
) -> None:
    text = "streaming: {smallest_batch: 10, largest_batch: 40}\n"
    settings = settings_of(WEB + text, tmp_path)
    body = {"type": "track", "event": "Seen", "userId": "u1", "timestamp": "2026-06-01T10:00:00Z"}
    with state.writing(Store.INBOX) as connection:
        for second in range(60):
            events = [
                Arrived("web", f"m{second}.{n}", orjson.dumps({**body, "messageId": f"m{second}.{n}"}))
                for n in range(20)
            ]
            append(connection, [events], now_micros() - (60 - second) * 1_000_000)
    passes: list[Pass] = []
    Worker(Pipeline(settings, state, KEYS), passes.append).run(until_quiet=True)

    with state.reading() as connection:
        order = connection.execute(
            sa.text("SELECT event_id FROM interaction ORDER BY interaction_no")
        ).scalars()
        assert list(order) == [f"m{second}.{n}" for second in range(60) for n in range(20)]
    unread = [one.unread for one in passes]
    assert max(unread) > 1_000
    assert unread[-1] == 0
    assert max(one.batch_sizes["web"] for one in passes) == 40


def test_a_run_that_measures_at_the_same_moment_stops_nobody(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.run()
    real = latency_module.read_cursor
    with company.open() as house, company.open() as beside:
        house.measure_latency()
        company.second_week()
        house.run()

        def overtaken(connection: sa.Connection, *of: str) -> Any:
            seen = real(connection, *of)
            monkeypatch.setattr(latency_module, "read_cursor", real)
            beside.measure_latency()
            return seen

        monkeypatch.setattr(latency_module, "read_cursor", overtaken)
        assert house.measure_latency().events == 0
        with house.state.reading() as connection:
            assert together(served_batches(connection, 0)).events == 8


def test_it_works_on_postgres(company: Company, postgres_url: str) -> None:
    company.text = company.text.replace("sqlite:state", postgres_url)
    with open_pipeline(company.settings) as house:
        with working(house):
            wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))
            company.second_week()
            wait_until(lambda: count(house, "interaction") == 20 and nothing_waits(house))
        with house.state.reading() as connection:
            assert ledger_check(connection).adds_up
            names = (
                connection.execute(sa.text("SELECT value FROM trait WHERE name = 'emails'")).scalars().all()
            )
    assert any(email_of(5) in name for name in names)
