"""A batch that had too much of the graph clustered again raises an alarm, which the graph does not depend on."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.orchestration.checks import build_checks
from customer_profiles.orchestration.resources import PipelineOpener
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings
from customer_profiles_tests.identity.made import take_in

KEY = "a5" * 32


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TEST_MASTER_KEY", KEY)
    return Settings.model_validate(
        {
            "folder": tmp_path,
            "state": {
                "url": f"sqlite:{tmp_path / 'state'}",
                "key": {"provider": "environment", "variable": "TEST_MASTER_KEY"},
            },
        }
    )


def with_alarm(settings: Settings, alarm: int) -> Settings:
    return settings.model_copy(
        update={"identity": settings.identity.model_copy(update={"region_alarm": alarm})}
    )


def region_sizes(settings: Settings) -> dg.AssetCheckResult:
    (check,) = (one for one in build_checks(settings) if one.check_key.name == "region_sizes")
    found = check(pipeline=PipelineOpener(settings))
    assert isinstance(found, dg.AssetCheckResult)
    return found


def test_a_region_over_the_alarm_warns_and_one_at_it_does_not(settings: Settings) -> None:
    with open_pipeline(settings) as house:
        assert region_sizes(settings).passed
        with house.state.writing() as connection:
            for loaded in (30, 70, 20):
                record_batch(
                    connection,
                    StageResult(
                        stage="resolve", received=1, applied=1, seconds=0.1, facts={"region_loaded": loaded}
                    ),
                    1,
                )

    assert region_sizes(with_alarm(settings, 70)).passed
    assert not region_sizes(with_alarm(settings, 69)).passed


def test_another_alarm_does_not_have_the_graph_computed_anew(settings: Settings) -> None:
    with open_pipeline(settings) as house:
        take_in(house.state, [("a", {"given_name": "anna", "emails": ["anna@example.com"]})])
        house.drain(house.resolve())

        told = ResolveStage(house.state, with_alarm(settings, 7)).advance(100)

    assert (told.received, dict(told.facts)) == (0, {})
