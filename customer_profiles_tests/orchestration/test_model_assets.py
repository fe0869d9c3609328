"""Models in Dagster: a training job whose report is metadata, and the precision that stewards found, by the clock."""

from __future__ import annotations

import shutil
from pathlib import Path

import dagster as dg
import pytest

from customer_profiles import demo
from customer_profiles.identity.model.models import promoted_version, stored_models
from customer_profiles.identity.stewardship.labels import ReviewedPrecision
from customer_profiles.orchestration.build import build_definitions
from customer_profiles.orchestration.checks import judged_precision
from customer_profiles.orchestration.instance import open_instance
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings, load_settings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("orchestration")]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    folder = tmp_path_factory.mktemp("company")
    shutil.copy(load_settings().folder / "customer_profiles.yaml", folder)
    demo.generate(folder / ".data" / "demo", customers=1000, seed=5)
    settings = load_settings(folder / "customer_profiles.yaml")
    with open_pipeline(settings) as house:
        house.run()
    return settings


def run(settings: Settings, job: str) -> dg.ExecuteInProcessResult:
    with open_instance(settings.folder) as instance:
        found = build_definitions(settings).resolve_job_def(job).execute_in_process(instance=instance)
    assert found.success
    return found


def test_the_training_job_reports_on_a_candidate_and_promotes_nothing(
    company: Settings, tmp_path: Path
) -> None:
    (made,) = run(company, "train_candidate_model").get_asset_materialization_events()

    metadata = made.materialization.metadata
    assert made.asset_key == dg.AssetKey("identity_model_candidate")
    assert metadata["version"].value == "1"
    assert "data:image/svg+xml" in metadata["match weights"].value
    assert {"m", "u", "bits"} < metadata["m and u"].value.records[0].data.keys()
    assert metadata["against"].value == "the priors"
    assert metadata["precision"].value > 0.9
    with open_pipeline(company) as house, house.state.reading() as connection:
        assert promoted_version(connection) == 0
        assert [one.status for one in stored_models(connection)] == ["candidate"]


def test_the_precision_from_review_is_worked_out_on_a_schedule_and_warns_without_labels(
    company: Settings,
) -> None:
    (found,) = run(company, "measure_reviewed_precision").get_asset_check_evaluations()

    assert (found.check_name, found.passed, found.severity) == (
        "reviewed_precision",
        False,
        dg.AssetCheckSeverity.WARN,
    )
    assert "identity review --kind sample" in (found.description or "")
    schedule = build_definitions(company).resolve_schedule_def("nightly_reviewed_precision")
    assert (schedule.job_name, schedule.default_status) == (
        "measure_reviewed_precision",
        dg.DefaultScheduleStatus.RUNNING,
    )


@pytest.mark.parametrize(
    ("right", "decided", "passed", "said"),
    [
        (0, 0, False, "0 matches"),
        (49, 49, False, "49 matches"),
        (50, 50, True, "100.0% of 50"),
        (90, 100, False, "90.0% of 100"),
        (98, 100, True, "98.0% of 100"),
    ],
)
def test_few_labels_or_a_low_precision_warn(right: int, decided: int, passed: bool, said: str) -> None:
    judged = judged_precision(ReviewedPrecision(right, decided, 0, 0.5, 1.0))

    assert judged[0] is passed
    assert said in judged[1]


def test_neither_a_first_run_nor_a_refresh_trains_a_candidate_or_reads_the_labels(company: Settings) -> None:
    definitions = build_definitions(company)

    for job in ("first_run", "refresh"):
        layer = definitions.resolve_job_def(job).asset_layer
        assert dg.AssetKey("identity_model_candidate") not in layer.selected_asset_keys
        assert "reviewed_precision" not in {key.name for key in layer.asset_graph.asset_check_keys}
