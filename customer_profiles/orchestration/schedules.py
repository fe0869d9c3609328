"""What happens by the clock."""

from __future__ import annotations

import dagster as dg

from customer_profiles.orchestration.jobs import AUDIT, CHECKS, HISTORY, KEEPING, REVIEWED


def build_schedules() -> list[dg.ScheduleDefinition]:
    """The checks and the tidying every hour; the audit of the sources, the history and the precision from review every night."""
    return [
        dg.ScheduleDefinition(
            name="nightly_audit",
            job_name=AUDIT,
            cron_schedule="0 3 * * *",
            description="Look at the sources again every night, so that the catalog is never a day old.",
        ),
        dg.ScheduleDefinition(
            name="hourly_checks",
            job_name=CHECKS,
            cron_schedule="30 * * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Look at everything every hour: runs for what is new leave out what reads whole tables.",
        ),
        dg.ScheduleDefinition(
            name="nightly_history",
            job_name=HISTORY,
            cron_schedule="30 3 * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Move old interactions from the database to sealed segments every night, and merge small ones.",
        ),
        dg.ScheduleDefinition(
            name="hourly_keep_house",
            job_name=KEEPING,
            cron_schedule="45 * * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Keep Dagster's storage, the inbox and the state small.",
        ),
        dg.ScheduleDefinition(
            name="nightly_reviewed_precision",
            job_name=REVIEWED,
            cron_schedule="0 4 * * *",
            default_status=dg.DefaultScheduleStatus.RUNNING,
            description="Work out every night how often the graph is right, from what stewards decided.",
        ),
    ]
