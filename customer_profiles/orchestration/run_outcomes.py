"""Sensors that keep which job failed last, so that whoever watches tells on-call in the same way as of everything else."""

from __future__ import annotations

import dagster as dg

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.failed_runs import failed_runs, note_failed_run, note_run_that_succeeded
from customer_profiles.orchestration.resources import PipelineOpener
from customer_profiles.state.engine import Store


def build_outcome_sensors(opener: PipelineOpener) -> list[dg.SensorDefinition]:
    """One sensor for runs that failed, and one for those that succeeded."""

    @dg.run_failure_sensor(
        name="run_failed",
        minimum_interval_seconds=1,  # that is, whenever Dagster looks, which is every five
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps that a job's run failed: an alarm, unless a run of the same job succeeds soon.",
    )
    def run_failed(context: dg.RunFailureSensorContext) -> None:
        with opener.opened() as house, house.state.writing(Store.INBOX) as connection:
            note_failed_run(connection, context.dagster_run.job_name, now_micros())

    @dg.run_status_sensor(
        name="run_succeeded",
        run_status=dg.DagsterRunStatus.SUCCESS,
        minimum_interval_seconds=1,  # that is, whenever Dagster looks, which is every five
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Keeps that a job's run succeeded: the alarm that it failed is over.",
    )
    def run_succeeded(context: dg.RunStatusSensorContext) -> None:
        with opener.opened() as house:
            with house.state.reading(Store.INBOX) as connection:
                failed = context.dagster_run.job_name in failed_runs(connection)
            if failed:
                with house.state.writing(Store.INBOX) as connection:
                    note_run_that_succeeded(connection, context.dagster_run.job_name)

    return [run_failed, run_succeeded]
