"""What happens by the clock."""

from __future__ import annotations

import dagster as dg

from customer_profiles.orchestration.jobs import AUDIT


def build_schedules() -> list[dg.ScheduleDefinition]:
    """The audit of the sources, every night at three."""
    return [
        dg.ScheduleDefinition(
            name="nightly_audit",
            job_name=AUDIT,
            cron_schedule="0 3 * * *",
            description="Look at the sources again every night, so that the catalog is never a day old.",
        )
    ]
