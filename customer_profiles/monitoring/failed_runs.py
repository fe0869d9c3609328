"""Which jobs of Dagster failed last, told by its sensors and read by whoever watches."""

from __future__ import annotations

import sqlalchemy as sa

from customer_profiles.monitoring.tables import failed_run
from customer_profiles.state.bulk import upsert_rows


def note_failed_run(connection: sa.Connection, job: str, at: int) -> None:
    """A run of a job failed; the first failure in a row counts.

    Args:
        connection: A writing connection to the inbox store.
        job: The job.
        at: When (micros).
    """
    upsert_rows(connection, failed_run, ("job", "failed_at"), [(job, at)], key="job")


def note_run_that_succeeded(connection: sa.Connection, job: str) -> None:
    """A run of a job succeeded."""
    connection.execute(failed_run.delete().where(failed_run.c.job == job))


def failed_runs(connection: sa.Connection) -> dict[str, int]:
    """Jobs whose last run failed, and since when (micros)."""
    return {row.job: row.failed_at for row in connection.execute(sa.select(failed_run))}
