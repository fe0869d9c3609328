"""Assembles the definitions from the settings, with overrides for tests and for the command line's progress."""

from __future__ import annotations

import dagster as dg

from customer_profiles.contracts import CONTRACTS
from customer_profiles.orchestration.assets import catalog, cleaned, history, identity, marts, sources
from customer_profiles.orchestration.checks import build_checks
from customer_profiles.orchestration.jobs import build_jobs
from customer_profiles.orchestration.resources import PipelineOpener, Progress
from customer_profiles.orchestration.run_outcomes import build_outcome_sensors
from customer_profiles.orchestration.schedules import build_schedules
from customer_profiles.orchestration.sensors import build_sensors
from customer_profiles.orchestration.sla import build_sla_checks, build_sla_sensor
from customer_profiles.settings import Settings, load_settings


def build_definitions(
    settings: Settings | None = None,
    progress: Progress | None = None,
    limit: int | None = None,
) -> dg.Definitions:
    """All assets, checks, jobs, schedules, sensors, and the resource that they share.

    Args:
        settings: The settings; by default those of `customer_profiles.yaml`.
        progress: Called after every batch of a stage; the command line draws its progress bars with it.
        limit: Envelopes in one batch, instead of each stage's own default.

    Raises:
        SettingsError: The settings file is missing, or a key in it is unknown or wrong.
    """
    settings = settings or load_settings()
    made_ahead = [dg.AssetKey(name) for name in (marts.BUCKETS, marts.SEGMENTS)]
    ahead = frozenset([*cleaned.cleaned_keys(settings, *CONTRACTS), *made_ahead])
    opener = PipelineOpener(settings, progress, limit, ahead=ahead)
    return dg.Definitions(
        assets=[
            *sources.build(settings),
            catalog.build(settings),
            *cleaned.build(settings),
            *identity.build(settings),
            *marts.build(settings),
            *history.build(settings),
        ],
        asset_checks=[*build_checks(settings), *build_sla_checks(settings)],
        jobs=build_jobs(),
        schedules=build_schedules(),
        sensors=[*build_sensors(settings), build_sla_sensor(settings), *build_outcome_sensors(opener)],
        resources={"pipeline": opener.as_resource()},
        # What the web UI starts without a job of ours too: a process for each asset would only wait for the writer's lock.
        executor=dg.in_process_executor,
    )
