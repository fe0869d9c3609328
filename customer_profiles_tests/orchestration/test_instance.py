"""The home of Dagster inside the project: made once, kept small, and the user's own from then on."""

import os
import time
from pathlib import Path

import pytest
from dagster._core.run_coordinator import DefaultRunCoordinator

from customer_profiles.orchestration.instance import COMPUTE_LOG_DAYS, open_instance, prepare_home

DAY = 86_400


@pytest.fixture(autouse=True)
def _no_home(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)


def test_a_new_home_is_inside_the_project_and_runs_start_at_once(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        assert instance.root_directory == str(tmp_path / ".dagster")
        assert isinstance(instance.run_coordinator, DefaultRunCoordinator)
        assert instance.run_monitoring_enabled
        assert not instance.telemetry_enabled


def test_ticks_are_kept_for_a_time_and_no_longer(tmp_path: Path) -> None:
    with open_instance(tmp_path) as instance:
        retention = instance.get_settings("retention")

    for kind in ("schedule", "sensor", "auto_materialize"):
        days = retention[kind]["purge_after_days"]
        assert all(0 < one <= 30 for one in (days.values() if isinstance(days, dict) else [days])), kind


def test_what_the_user_changed_in_dagster_yaml_stays(tmp_path: Path) -> None:
    settings = prepare_home(tmp_path) / "dagster.yaml"
    settings.write_text("telemetry: {enabled: true}\n")

    prepare_home(tmp_path)

    assert settings.read_text() == "telemetry: {enabled: true}\n"


def test_a_home_named_by_the_environment_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "elsewhere"))

    assert prepare_home(tmp_path / "project") == tmp_path / "elsewhere"
    assert (tmp_path / "elsewhere" / "dagster.yaml").is_file()
    assert not (tmp_path / "project").exists()


def test_logs_of_steps_go_after_a_month_and_nothing_else_does(tmp_path: Path) -> None:
    storage = prepare_home(tmp_path) / "storage"
    ages = {"old": COMPUTE_LOG_DAYS + 1, "young": COMPUTE_LOG_DAYS - 1}
    for run, days in ages.items():
        logs = storage / run / "compute_logs"
        logs.mkdir(parents=True)
        (storage / run / "kept").touch()
        os.utime(logs, (time.time() - days * DAY,) * 2)

    prepare_home(tmp_path)

    assert not (storage / "old" / "compute_logs").exists()
    assert (storage / "young" / "compute_logs").exists()
    assert all((storage / run / "kept").exists() for run in ages)
