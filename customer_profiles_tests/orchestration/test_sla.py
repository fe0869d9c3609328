"""The SLA as Dagster shows it: a check that a sensor tells on change and once a minute."""

import json
from pathlib import Path

import dagster as dg
import pytest

from customer_profiles.monitoring.freshness import Freshness, Lag, Verdict
from customer_profiles.orchestration.build import build_definitions
from customer_profiles.orchestration.sla import CHECK, MARTS, due, told_of
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.pipeline.test_worker import working

NOW = 1_764_000_000_000_000
SECOND = 1_000_000


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


def test_the_sensor_tells_the_truth_of_the_state(company: Company) -> None:
    definitions = build_definitions(company.settings)
    sensor = definitions.resolve_sensor_def("profiles_within_sla")
    with dg.DagsterInstance.ephemeral() as instance:

        def tick(cursor: str | None) -> dg.SensorResult:
            context = dg.build_sensor_context(
                instance=instance, cursor=cursor, repository_def=definitions.get_repository_def()
            )
            result = sensor(context)
            assert isinstance(result, dg.SensorResult)
            return result

        with company.open() as house, working(house):
            first = tick(None)
        assert {event.asset_key.path[-1] for event in first.asset_events} == set(MARTS)
        assert all(
            isinstance(event, dg.AssetCheckEvaluation) and event.passed for event in first.asset_events
        )
        assert tick(first.cursor).asset_events == []


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
