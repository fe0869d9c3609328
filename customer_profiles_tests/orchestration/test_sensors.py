"""The sensor: starts one run for what is new, stands by while the worker drives, takes over when it is gone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.freshness import read_watermarks
from customer_profiles.orchestration.build import build_definitions
from customer_profiles.orchestration.instance import open_instance
from customer_profiles.orchestration.jobs import REFRESH
from customer_profiles.orchestration.memory import Memory
from customer_profiles.orchestration.sensors import Post
from customer_profiles.pipeline.freshness import freshness
from customer_profiles.pipeline.lease import Heart, Lease, run_lease
from customer_profiles.state.engine import Store
from customer_profiles.state.errors import WrongKeyError
from customer_profiles_tests.cleaning.made import rows_of, write_lines
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.web.serving import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sensors")]

QUICK = """
streaming: {files_seconds: 0.02, database_seconds: 0.02, sensor_whole_seconds: 86400, first_retry_seconds: 0.02,
            longest_retry_seconds: 0.05, sensor_longest_retry_seconds: 0.05}
"""
WITH_OTHERS = ["identity_events", "segment_changes"]
DERIVED = sorted(["identity_graph", "interaction_buckets", "segments", "traits", *WITH_OTHERS])
_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


class Dagster:
    """Does what the daemon does: evaluates the sensor again and again, starts the runs that it asks for."""

    def __init__(self, company: Company, instance: dg.DagsterInstance) -> None:
        self.company = company
        self.instance = instance
        self.definitions = build_definitions(company.settings)
        self.post = Post(company.settings, stale_seconds=0.4)
        self.cursor = ""
        self.said = ""

    def tick(self, seconds: float = 0.5) -> dg.RunRequest | None:
        """One evaluation; the run that it asks for is not started yet."""
        result = self.post.tick(self.instance, Memory.read(self.cursor), seconds)
        self.cursor = result.cursor or ""
        skipped = result.skip_reason
        self.said = str(skipped.skip_message if isinstance(skipped, dg.SkipReason) else skipped)
        assert len(result.run_requests or []) <= 1
        return result.run_requests[0] if result.run_requests else None

    def run(self, request: dg.RunRequest) -> dg.ExecuteInProcessResult:
        """The run that was asked for, to its end."""
        job = self.definitions.resolve_job_def(REFRESH).get_subset(
            asset_selection=frozenset(request.asset_selection or []),
            asset_check_selection=frozenset(request.asset_check_keys or []),
        )
        return job.execute_in_process(
            instance=self.instance,
            tags={**request.tags, "dagster/run_key": str(request.run_key)},
            run_config=_QUIET,
            raise_on_error=False,
        )

    def catch_up(self) -> None:
        """Runs until nothing is new."""
        while (request := self.tick(0.0)) is not None:
            assert self.run(request).success


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    made.text += QUICK
    made.first_week()
    return made


@pytest.fixture
def dagster(company: Company) -> Iterator[Dagster]:
    with open_instance(company.folder) as instance:
        one = Dagster(company, instance)
        yield one
        one.post.close()


def selected(request: dg.RunRequest) -> list[str]:
    return sorted(key.path[-1] for key in request.asset_selection or [])


def visit(company: Company, name: str) -> None:
    row = {"id": name, "who": "u1", "kind": "page", "at": "2026-06-02T10:00:00Z"}
    write_lines(company.folder / f"web/{name}.jsonl", [row])


def counted(company: Company) -> int:
    with company.open() as house:
        found = rows_of(house.state, "SELECT coalesce(sum(count), 0) FROM bucket WHERE grain = 'lifetime'")
    return int(found[0])


def test_everything_is_taken_in_by_one_run_and_then_nothing_is_new(dagster: Dagster) -> None:
    request = dagster.tick()

    assert request is not None
    assert dagster.run(request).success
    assert counted(dagster.company) == 12
    assert dagster.tick() is None
    assert dagster.said == "Nothing new in 3 sources."


def test_what_was_looked_at_and_is_not_new_counts_as_read(dagster: Dagster) -> None:
    dagster.catch_up()
    before = now_micros()

    dagster.tick(0.1)

    settings = dagster.company.settings
    found = freshness(dagster.post._state, settings, now_micros())
    assert found.seconds < 20
    wait_until(lambda: dagster.tick(1.1) is None and oldest_watermark(dagster) >= before)


def oldest_watermark(dagster: Dagster) -> int:
    with dagster.post._state.reading(Store.INBOX) as connection:
        return min(read_watermarks(connection).values())


def test_what_comes_is_taken_in_by_a_run_that_reads_its_source_alone(dagster: Dagster) -> None:
    dagster.catch_up()
    visit(dagster.company, "new")

    request = dagster.tick(20)

    assert request is not None
    assert selected(request) == sorted(["web_interactions", *DERIVED])
    assert request.tags["customer_profiles/new"] == "web"
    result = dagster.run(request)
    assert result.success
    assert not result.get_asset_check_evaluations()
    assert counted(dagster.company) == 13
    assert dagster.tick() is None


def test_such_a_run_counts_no_table(dagster: Dagster) -> None:
    request = dagster.tick()
    assert request is not None

    dagster.run(request)

    for asset in {*DERIVED} - {*WITH_OTHERS}:
        event = dagster.instance.get_latest_materialization_event(dg.AssetKey(asset))
        assert event is not None and event.asset_materialization is not None
        assert "received" in event.asset_materialization.metadata
        assert "dagster/row_count" not in event.asset_materialization.metadata


def test_a_run_that_a_person_starts_counts_and_shows_how_long_events_took(dagster: Dagster) -> None:
    dagster.catch_up()
    visit(dagster.company, "new")

    dagster.definitions.resolve_job_def(REFRESH).execute_in_process(
        instance=dagster.instance, run_config=_QUIET
    )

    event = dagster.instance.get_latest_materialization_event(dg.AssetKey("segments"))
    assert event is not None and event.asset_materialization is not None
    metadata = event.asset_materialization.metadata
    assert "dagster/row_count" in metadata
    assert metadata["events served in the last hour"].value == 1
    assert str(metadata["latency"].value).startswith("![Seconds from received to served")
    assert 0 <= metadata["latency p50 (s)"].value <= metadata["latency p99 (s)"].value  # type: ignore[operator]


def test_while_a_run_is_at_work_no_other_one_is_started(dagster: Dagster) -> None:
    request = dagster.tick()
    assert request is not None
    run = at_work(dagster, request)
    lease = Lease(dagster.post._state, run_lease(run.run_id), passing=True)
    lease.take(None)
    visit(dagster.company, "meanwhile")

    with Heart(lease, seconds=0.05):
        assert dagster.tick(1.0) is None
    assert dagster.said == f"Run {run.run_id[:8]} takes in what is new; what comes meanwhile is next."


def at_work(dagster: Dagster, request: dg.RunRequest) -> dg.DagsterRun:
    return dagster.instance.create_run_for_job(
        dagster.definitions.resolve_job_def(REFRESH),
        tags={**request.tags, "dagster/run_key": str(request.run_key)},
        status=dg.DagsterRunStatus.STARTED,
    )


def test_a_run_whose_process_died_is_told_failed_and_another_one_goes_on(dagster: Dagster) -> None:
    request = dagster.tick()
    assert request is not None
    run = at_work(dagster, request)
    Lease(dagster.post._state, run_lease(run.run_id), passing=True).take(None)  # and never beats

    again = dagster.tick(20)

    ended = dagster.instance.get_run_by_id(run.run_id)
    assert ended is not None
    assert ended.status is dg.DagsterRunStatus.FAILURE
    assert again is not None
    assert again.run_key != request.run_key
    assert dagster.run(again).success
    assert counted(dagster.company) == 12


def test_a_run_that_never_began_is_asked_for_again(dagster: Dagster) -> None:
    request = dagster.tick()
    assert request is not None

    again = dagster.tick()

    assert again is not None
    assert again.run_key != request.run_key
    assert selected(again) == selected(request)


def test_a_source_that_is_down_is_told_of_and_holds_nobody_up(dagster: Dagster) -> None:
    folder = dagster.company.folder
    (folder / "crm.db").rename(folder / "away.db")

    request = dagster.tick()

    assert request is not None
    assert "crm_records" not in selected(request)
    assert dagster.run(request).success
    assert counted(dagster.company) == 8
    assert dagster.tick() is None
    assert "Cannot be asked, and is tried again: crm.contacts: there is no database file" in dagster.said
    (folder / "away.db").rename(folder / "crm.db")
    request = dagster.tick(20)
    assert request is not None
    assert dagster.run(request).success
    assert counted(dagster.company) == 12


def test_a_source_that_cannot_be_read_is_left_alone_for_a_while_and_the_others_go_on(
    dagster: Dagster,
) -> None:
    dagster.company.crm("ALTER TABLE contacts RENAME COLUMN mail TO email")
    request = dagster.tick()
    assert request is not None
    assert not dagster.run(request).success
    dagster.post._backoff = type(dagster.post._backoff)(3600, 3600)

    request = dagster.tick()

    assert request is not None
    assert "crm_records" not in selected(request)
    assert dagster.run(request).success
    assert counted(dagster.company) == 8
    assert dagster.tick() is None
    assert "crm failed in 1 run in a row; tried again after a growing wait." in dagster.said
    dagster.company.crm("ALTER TABLE contacts RENAME COLUMN email TO mail")
    dagster.post._held.clear()
    request = dagster.tick()
    assert request is not None
    assert dagster.run(request).success
    assert counted(dagster.company) == 12


def test_what_waits_between_the_stages_starts_a_run_of_these_alone(dagster: Dagster) -> None:
    dagster.catch_up()
    visit(dagster.company, "new")
    with dagster.company.open() as house:
        for stage in house.ingests():
            house.drain(stage)
    memory = json.loads(dagster.cursor)
    wait_until(lambda: dagster.post._lookout.look().marks["web"] != memory["done"]["web"])
    dagster.cursor = json.dumps({**memory, "done": dict(dagster.post._lookout.look().marks)})

    request = dagster.tick()

    assert request is not None
    assert selected(request) == DERIVED
    assert dagster.run(request).success
    assert counted(dagster.company) == 13
    assert dagster.tick() is None


def test_it_stands_by_while_the_worker_lives_and_takes_over_when_it_is_gone(dagster: Dagster) -> None:
    worker = Lease(dagster.post._state)
    worker.take(None)
    heart = Heart(worker, seconds=0.05)
    heart.__enter__()
    assert dagster.tick(2.0) is None
    assert dagster.said.startswith("The streaming worker drives; this sensor stands by")

    heart._ending.set()  # killed: it beats no more and lets go of nothing
    heart._thread.join()
    request = dagster.tick(20)

    assert request is not None
    assert dagster.run(request).success
    assert counted(dagster.company) == 12


def test_a_worker_that_lets_go_is_followed_at_once(dagster: Dagster) -> None:
    worker = Lease(dagster.post._state)
    worker.take(None)
    assert dagster.tick(0.0) is None
    assert dagster.said == "A streaming worker has the lease; whether it lives is known in a few seconds."

    worker.release()

    assert dagster.tick(0.0) is not None


def test_no_value_of_a_person_is_in_the_cursor_or_the_run(dagster: Dagster) -> None:
    request = dagster.tick()

    assert request is not None
    told = dagster.cursor + json.dumps(dict(request.tags))
    assert "otherby" not in told and "07700" not in told and "2026-06" not in told


def test_it_runs_from_the_start_and_targets_the_job(company: Company) -> None:
    definitions = build_definitions(company.settings)
    sensor = definitions.get_repository_def().get_sensor_def("new_data")

    assert sensor.default_status is dg.DefaultSensorStatus.RUNNING
    with open_instance(company.folder) as instance:
        context = dg.build_sensor_context(instance=instance, definitions=definitions)
        data = sensor.evaluate_tick(context)
    assert [request.job_name or sensor.job_name for request in data.run_requests] == [REFRESH]


def test_a_state_that_cannot_be_opened_fails_the_tick_with_our_own_words(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    company.run()
    monkeypatch.setenv(KEY_VARIABLE, "5b" * 32)
    definitions = build_definitions(company.settings)
    sensor = definitions.get_repository_def().get_sensor_def("new_data")

    with open_instance(company.folder) as instance:
        context = dg.build_sensor_context(instance=instance, definitions=definitions)
        with pytest.raises(WrongKeyError, match="The key does not open"):
            sensor.evaluate_tick(context)
