"""A week of traffic does not grow Dagster's storage without bound, and what the web UI shows of today stays."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.definitions.run_request import InstigatorType
from dagster._core.scheduler.instigation import TickData, TickStatus

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.alarms.alarm import Finding, Name, Severity
from customer_profiles.monitoring.alarms.book import Book
from customer_profiles.monitoring.alarms.rules import Judgement
from customer_profiles.orchestration.build import build_definitions
from customer_profiles.orchestration.housekeeping import DAY, keep_house, tidy_dagster, tidy_state
from customer_profiles.orchestration.instance import open_instance
from customer_profiles.pipeline.overview import summary
from customer_profiles.pipeline.unreported import begin_reporting
from customer_profiles.settings.keeping import Keeping
from customer_profiles.sources.inbox import Arrived, append
from customer_profiles.state.engine import State, Store
from customer_profiles_tests.cleaning.made import KEYS, rows_of
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.web.serving import settings_with, track

KEEPING = Keeping(runs=20, runs_days=2, events_days=1, ticks_hours=6)
ASSET, CHECK = dg.AssetKey("traits"), "within_sla"


@dg.job
def refresh() -> None:
    @dg.op
    def work() -> None:
        pass

    work()


@pytest.fixture
def instance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with open_instance(tmp_path / "project") as opened:
        yield opened


@pytest.fixture
def postgres_instance(tmp_path: Path, postgres_url: str) -> Iterator[dg.DagsterInstance]:
    home = tmp_path / "home"
    home.mkdir()
    url = postgres_url.replace("postgresql:", "postgresql+psycopg2:")
    (home / "dagster.yaml").write_text(
        f"storage: {{postgres: {{postgres_url: '{url}'}}}}\ntelemetry: {{enabled: false}}\n"
    )
    with dg.DagsterInstance.from_config(str(home)) as opened:
        yield opened


def a_day(instance: dg.DagsterInstance, runs: int = 12, told: int = 40, ticks: int = 100) -> None:
    """What a day leaves in Dagster's storage, in small."""
    for _ in range(runs):
        refresh.execute_in_process(instance=instance)
    for number in range(told):
        instance.report_runless_asset_event(dg.AssetMaterialization(ASSET, metadata={"batch": number}))
        check = dg.AssetCheckEvaluation(asset_key=ASSET, check_name=CHECK, passed=True, metadata={"lag": 0.1})
        instance.report_runless_asset_event(check)
    for status in (TickStatus.SKIPPED, TickStatus.SUCCESS):
        for _ in range(ticks // 2):
            instance.create_tick(
                TickData(
                    instigator_origin_id="origin",
                    instigator_name="profiles_within_sla",
                    instigator_type=InstigatorType.SENSOR,
                    status=status,
                    timestamp=time.time(),
                    selector_id="selector",
                    run_ids=[] if status is TickStatus.SKIPPED else ["a run"],
                )
            )


def size_of(folder: str) -> int:
    return sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file())


@pytest.mark.slow
def test_a_week_of_traffic_leaves_no_more_than_two_days_of_it(instance: dg.DagsterInstance) -> None:
    sizes = []
    for _ in range(7):
        a_day(instance)
        # A day and a half after everything of this day: what is kept is as much as Dagster wrote since.
        tidy_dagster(instance, KEEPING, time.time() + 1.5 * DAY)
        sizes.append(size_of(instance.root_directory))

    assert instance.get_runs_count() == 20
    assert max(sizes[2:]) <= 1.1 * sizes[1]


def test_the_latest_of_each_asset_and_check_stays(instance: dg.DagsterInstance) -> None:
    a_day(instance, runs=1, told=5)

    gone = tidy_dagster(instance, KEEPING, time.time() + 1.5 * DAY)

    assert gone == {
        "runs": 0,
        "ticks": 50,
        "events": 16,
        "checks": 4,
    }  # of four events, each in the index and in the file without a run
    assert len(instance.fetch_materializations(ASSET, limit=10).records) == 1
    latest = instance.get_latest_materialization_event(ASSET)
    assert latest is not None
    assert latest.asset_materialization is not None
    assert latest.asset_materialization.metadata["batch"].value == 4
    checked = dg.AssetCheckKey(ASSET, CHECK)
    assert (
        instance.event_log_storage.get_latest_asset_check_execution_by_key([checked])[checked].status.value
        == "SUCCEEDED"
    )


def test_what_is_young_stays(instance: dg.DagsterInstance) -> None:
    a_day(instance, runs=2, told=5)

    assert tidy_dagster(instance, KEEPING, time.time()) == {"runs": 0, "ticks": 0, "events": 0, "checks": 0}


def test_old_runs_and_surplus_ones_go_and_those_that_run_stay(instance: dg.DagsterInstance) -> None:
    a_day(instance, runs=24, told=0, ticks=0)
    running = instance.create_run_for_job(refresh, status=dg.DagsterRunStatus.STARTED)

    assert tidy_dagster(instance, KEEPING, time.time())["runs"] == 4
    assert tidy_dagster(instance, KEEPING, time.time() + 3 * DAY)["runs"] == 20
    assert [run.run_id for run in instance.get_runs()] == [running.run_id]


def test_it_is_the_same_on_postgres(postgres_instance: dg.DagsterInstance) -> None:
    a_day(postgres_instance, runs=3, told=5)

    gone = tidy_dagster(postgres_instance, KEEPING, time.time() + 1.5 * DAY)

    assert gone == {"runs": 0, "ticks": 50, "events": 8, "checks": 4}
    assert tidy_dagster(postgres_instance, KEEPING, time.time() + 3 * DAY)["runs"] == 3
    assert postgres_instance.get_latest_materialization_event(ASSET) is not None


def test_events_that_every_source_has_read_leave_the_inbox_and_others_stay(
    state: State, tmp_path: Path
) -> None:
    from customer_profiles.pipeline.build import Pipeline

    settings = settings_with(tmp_path)

    def take(numbers: range) -> None:
        events = [Arrived("web", f"m{n}", json.dumps(track(f"m{n}")).encode()) for n in numbers]
        with state.writing(Store.INBOX) as connection:
            append(connection, [events], now_micros())

    take(range(5))
    Pipeline(settings, state, KEYS).run()
    take(range(5, 7))

    assert tidy_state(state, settings, now_micros())["inbox"] == 5
    assert rows_of(state, "SELECT count(*) FROM inbox_event") == [2]


def test_a_month_later_what_is_left_of_batches_and_minutes_are_totals_and_days(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    company = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    company.first_week()
    company.run()

    with company.open() as house:
        told = summary(house.state, house.settings)
        begin_reporting(house.state)
        gone = tidy_state(house.state, house.settings, now_micros() + int(40 * DAY * 1_000_000))
        again = tidy_state(house.state, house.settings, now_micros() + int(40 * DAY * 1_000_000))

        assert summary(house.state, house.settings) == told
        assert rows_of(house.state, "SELECT count(*) FROM ledger") == [0]
    assert gone["batches"] > 0
    assert set(again.values()) == {0}


def test_alarms_that_are_over_go_after_a_while(state: State, tmp_path: Path) -> None:
    now = now_micros()
    book = Book({}, open_after=0, close_after=0)
    for at, findings in (
        (now, (Finding(Name.DISK_LOW, "/", Severity.CRITICAL, now, "Full."),)),
        (now + 1, ()),
    ):
        book.update(Judgement(findings), at)
    book.save(state)
    settings = settings_with(tmp_path)

    assert tidy_state(state, settings, now)["alarms"] == 0
    assert tidy_state(state, settings, now + int(91 * DAY * 1_000_000))["alarms"] == 1


@pytest.mark.slow
def test_the_job_keeps_house(
    tmp_path: Path, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    company = Company(tmp_path / "company", environment={KEY_VARIABLE: "a5" * 32})
    company.folder.mkdir()
    company.text += "keeping: {runs: 3}\n"
    company.first_week()
    company.run()
    a_day(instance, runs=6, told=1, ticks=2)

    result = (
        build_definitions(company.settings)
        .resolve_job_def("keep_house")
        .execute_in_process(instance=instance)
    )

    assert result.success
    assert instance.get_runs_count() == 4  # three that have ended, and itself
    with company.open() as house:
        assert keep_house(instance, house.state, house.settings)["runs"] == 1
