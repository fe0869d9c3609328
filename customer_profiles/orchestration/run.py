"""Runs a job in this process on the project's Dagster instance, as the command line does."""

from __future__ import annotations

from dataclasses import dataclass

import dagster as dg

from customer_profiles.orchestration.build import build_definitions
from customer_profiles.orchestration.instance import open_instance
from customer_profiles.orchestration.jobs import EVERYTHING, REFRESH
from customer_profiles.orchestration.resources import Progress
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings

_QUIET = {"loggers": {"console": {"config": {"log_level": "CRITICAL"}}}}


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended.

    Attributes:
        run_id: The run in Dagster.
        error: The first error in one sentence, or None.
        failed_checks: Checks of severity ERROR that did not pass, as `asset: check`.
    """

    run_id: str
    error: str | None
    failed_checks: tuple[str, ...]

    @property
    def well(self) -> bool:
        """No error and no failed check."""
        return self.error is None and not self.failed_checks


def run_job(
    settings: Settings, job: str | None = None, progress: Progress | None = None, limit: int | None = None
) -> RunOutcome:
    """Run a job to its end.

    Args:
        settings: The settings.
        job: The job; by default `first_run` until a model is promoted, then `refresh`.
        progress: Called after every batch.
        limit: Envelopes in one batch.
    """
    definitions = build_definitions(settings, progress, limit)
    name = job or (REFRESH if _has_model(settings) else EVERYTHING)
    with open_instance(settings.folder) as instance:
        result = definitions.resolve_job_def(name).execute_in_process(
            run_config=_QUIET, instance=instance, raise_on_error=False
        )
        return RunOutcome(result.run_id, _first_error(result), _failed_checks(result))


def _has_model(settings: Settings) -> bool:
    with open_pipeline(settings) as house:
        return house.has_model()


def _first_error(result: dg.ExecuteInProcessResult) -> str | None:
    if result.success:
        return None
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            error = event.step_failure_data.error
            return (error.cause or error).message.split(": ", 1)[-1].strip()
    return "The run failed; look at it with customer-profiles ui."


def _failed_checks(result: dg.ExecuteInProcessResult) -> tuple[str, ...]:
    return tuple(
        f"{evaluation.asset_key.to_user_string()}: {evaluation.check_name}"
        for evaluation in result.get_asset_check_evaluations()
        if not evaluation.passed and evaluation.severity is dg.AssetCheckSeverity.ERROR
    )
