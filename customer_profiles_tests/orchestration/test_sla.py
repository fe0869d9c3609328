"""The SLA as Dagster shows it: a check that a sensor tells on change and once a minute."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.alarms.receivers.build import build_receivers
from customer_profiles.monitoring.alarms.signs import Signs
from customer_profiles.monitoring.failed_runs import failed_runs
from customer_profiles.monitoring.freshness import Freshness, Lag, Verdict, note_watermarks
from customer_profiles.orchestration.build import build_definitions
from customer_profiles.orchestration.sla import CHECK, MARTS, Desk, due, told_of
from customer_profiles.pipeline.signs import SignsReader
from customer_profiles.pipeline.watch import Watch
from customer_profiles.state.engine import Store
from customer_profiles_tests.monitoring.listeners import hub
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.pipeline.test_worker import working
from customer_profiles_tests.web.serving import wait_until

NOW = 1_764_000_000_000_000
SECOND = 1_000_000
WATCHES = 1.2
"""Seconds of a tick: three looks."""


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    made.first_week()
    return made


def found(resolve: float, reading: float = 1) -> Freshness:
    lags = {"ingest_record": reading, "resolve": resolve, "accumulate": 0, "refresh_traits": resolve}
    return Freshness(
        NOW,
        tuple(
            Lag(stage, "crm" if stage == "ingest_record" else "", NOW, 0, int(seconds * SECOND))
            for stage, seconds in lags.items()
        ),
    )


def test_a_stage_that_is_behind_makes_only_those_marts_late_that_need_it() -> None:
    told = told_of(found(resolve=70), 60)

    assert {asset: one.verdict for asset, one in told.items()} == {
        "interaction_buckets": Verdict.WITHIN,
        "traits": Verdict.BROKEN,
        "segments": Verdict.BROKEN,
    }
    assert told["traits"].behind == "resolve"
    assert told["traits"].severity is dg.AssetCheckSeverity.ERROR


def test_half_the_sla_is_a_warning() -> None:
    told = told_of(found(resolve=0, reading=31), 60)

    assert {one.verdict for one in told.values()} == {Verdict.AT_RISK}
    assert {one.severity for one in told.values()} == {dg.AssetCheckSeverity.WARN}
    assert told["segments"].behind == "ingest_record of crm"


def test_a_verdict_is_told_when_it_changes_and_once_a_minute() -> None:
    calm, late = told_of(found(0), 60), told_of(found(70), 60)

    first, cursor = due(calm, None, NOW)
    assert first == list(MARTS)
    nothing, cursor = due(calm, cursor, NOW + 5 * SECOND)
    assert nothing == []
    changed, cursor = due(late, cursor, NOW + 10 * SECOND)
    assert changed == ["traits", "segments"]
    again, cursor = due(late, cursor, NOW + 61 * SECOND)
    assert again == ["interaction_buckets"]
    assert json.loads(cursor)["traits"] == ["broken", NOW + 10 * SECOND]


@pytest.fixture
def desk(company: Company) -> Iterator[Desk]:
    opened = Desk(company.settings)
    yield opened
    opened.close()


def test_the_sensor_tells_the_truth_of_the_state(company: Company, desk: Desk) -> None:
    with company.open() as house, working(house):
        first = desk.tick(None, 0)
    assert {event.asset_key.path[-1] for event in first.asset_events} == set(MARTS)
    assert all(isinstance(event, dg.AssetCheckEvaluation) and event.passed for event in first.asset_events)
    assert desk.tick(first.cursor, 0).asset_events == []


def test_a_tick_is_the_sign_of_life_of_the_daemon(company: Company, desk: Desk) -> None:
    with company.open() as house:
        before = now_micros()
        desk.tick(None, 0)
        signs = SignsReader(house.state, company.settings, before).look(now_micros())
    assert isinstance(signs, Signs)
    assert (signs.daemon_beat_at or 0) >= before


def test_without_a_watch_dagster_alone_pages_and_leaves_it_to_a_watch_that_comes(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hub() as heard:
        company.text += f"alarms: {{receivers: {{hook: {{type: webhook, url: '{heard.url}/hook'}}}}}}\n"
        company.run()
        told = Desk(company.settings)
        with company.open() as house:

            def late(seconds: float) -> None:
                with house.state.writing(Store.INBOX) as connection:
                    at = now_micros() - int(seconds * SECOND)
                    note_watermarks(
                        connection, {("ingest_record", "crm"): at, ("ingest_interaction", "crm"): at}
                    )
                    others = {
                        ("ingest_record", "email"): now_micros(),
                        ("ingest_interaction", "web"): now_micros(),
                    }
                    note_watermarks(connection, others)

            def events() -> list[tuple[str, str]]:
                return [(one.body["alarm"], one.body["event"]) for one in heard.heard]

            late(61)
            told.tick(None, WATCHES)
            told.tick(None, WATCHES)
            assert events() == [("sla_at_risk", "open"), ("sla_broken", "open")]
            watch = Watch(house.state, house.settings, build_receivers(house.settings))
            thread = threading.Thread(target=watch.run)
            thread.start()
            try:
                late(0)
                wait_until(lambda: len(events()) == 4)
                late(61)
                told.tick(None, WATCHES)
                wait_until(lambda: len(events()) == 6)
            finally:
                watch.stop()
                thread.join()
                watch.close()
            late(0)
            wait_until(lambda: told.tick(None, WATCHES) is not None and len(events()) == 8)
        told.close()
    assert [event for alarm, event in events() if alarm == "sla_broken"] == ["open", "resolve"] * 2


def test_a_secret_that_dagster_does_not_have_keeps_no_check_from_being_told(company: Company) -> None:
    company.text += (
        "alarms: {receivers: {chat: {type: slack, url: {provider: environment, variable: NOT_SET}}}}\n"
    )
    company.run()
    desk = Desk(company.settings)
    assert len(list(desk.tick(None, 0).asset_events)) == 3
    desk.close()


def test_a_run_that_fails_is_kept_until_one_of_the_same_job_succeeds(company: Company) -> None:
    definitions = build_definitions(company.settings)
    repository = definitions.get_repository_def()
    failed, succeeded = (definitions.resolve_sensor_def(name) for name in ("run_failed", "run_succeeded"))
    well = [False]

    @dg.job
    def night() -> None:
        @dg.op
        def work() -> None:
            if not well[0]:
                raise ValueError("It is broken.")

        work()

    def kept() -> set[str]:
        with company.open() as house, house.state.reading(Store.INBOX) as connection:
            return set(failed_runs(connection))

    with dg.DagsterInstance.ephemeral() as instance:
        result = night.execute_in_process(instance=instance, raise_on_error=False)
        context = dg.build_run_status_sensor_context(
            sensor_name="run_failed",
            dagster_instance=instance,
            dagster_run=result.dagster_run,
            dagster_event=result.get_run_failure_event(),
            repository_def=repository,
        ).for_run_failure()
        failed(context)
        assert kept() == {"night"}
        well[0] = True
        result = night.execute_in_process(instance=instance)
        succeeded(
            dg.build_run_status_sensor_context(
                sensor_name="run_succeeded",
                dagster_instance=instance,
                dagster_run=result.dagster_run,
                dagster_event=result.get_run_success_event(),
                repository_def=repository,
            )
        )
        assert kept() == set()


def test_no_run_holds_the_check_and_the_web_ui_can_ask_for_it(company: Company) -> None:
    company.run()
    definitions = build_definitions(company.settings)

    for job in ("first_run", "refresh"):
        keys = definitions.resolve_job_def(job).asset_layer.asset_graph.asset_check_keys
        assert keys
        assert not [key for key in keys if key.name == CHECK]
    check = dg.AssetCheckKey(dg.AssetKey("segments"), CHECK)
    job = dg.define_asset_job("asked", selection=dg.AssetSelection.checks(check))
    asked = dg.Definitions.merge(definitions, dg.Definitions(jobs=[job])).resolve_job_def("asked")
    (evaluation,) = asked.execute_in_process().get_asset_check_evaluations()
    assert evaluation.passed
