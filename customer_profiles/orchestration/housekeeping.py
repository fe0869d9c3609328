"""Keeps Dagster's storage and the state small: old runs, ticks, events and checks that were told without a run; what has expired.

Dagster purges ticks by its own settings and nothing else. Events without a run are deleted by SQL, for Dagster has no call
for it; the latest of each asset and check stays, so that the web UI goes on showing it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import sqlalchemy as sa
from dagster._core.scheduler.instigation import TickStatus
from dagster._core.storage.event_log.schema import (
    AssetCheckExecutionsTable,
    AssetEventTagsTable,
    SqlEventLogStorageTable,
)
from dagster._core.storage.event_log.sql_event_log import SqlEventLogStorage
from dagster._core.storage.event_log.sqlite.sqlite_event_log import SqliteEventLogStorage
from dagster._core.storage.schedules.schema import JobTickTable
from dagster._core.storage.schedules.sql_schedule_storage import SqlScheduleStorage

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.marts.expiry import expire_buckets
from customer_profiles.monitoring.alarms.book import forget
from customer_profiles.monitoring.ledger import add_up_old_batches
from customer_profiles.pipeline.unreported import reported_upto
from customer_profiles.settings import Settings
from customer_profiles.settings.keeping import Keeping
from customer_profiles.sources import inbox
from customer_profiles.sources.inbox import collector_sources
from customer_profiles.state.engine import State, Store

DAY = 86_400.0
_ENDED = [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED]
_AT_ONCE = 10_000
_RUNLESS = ""
_events = SqlEventLogStorageTable.c
_checks = AssetCheckExecutionsTable.c
_ticks = JobTickTable.c


def tidy_dagster(instance: dg.DagsterInstance, keeping: Keeping, now: float) -> dict[str, int]:
    """Delete what is older than the settings keep.

    Args:
        instance: Dagster's own storage.
        keeping: How long each kind is kept.
        now: Seconds since 1970.

    Returns:
        How many rows of each kind went.
    """
    runs = _old_runs(instance, keeping, now)
    for run_id in runs:
        instance.delete_run(run_id)
        _drop_shard(instance, run_id)
    ticks = _purge_ticks(instance, keeping, now)
    events, checks = _prune_events(instance, _moment(now - keeping.events_days * DAY))
    return {"runs": len(runs), "ticks": ticks, "events": events, "checks": checks}


def tidy_state(state: State, settings: Settings, now: int) -> dict[str, int]:
    """Let go of events of the inbox that were read, of buckets that no window reads any more, and of alarms that are long over;
    add up old batches of the ledger.

    Args:
        state: The open state.
        settings: All settings.
        now: Micros.

    Returns:
        How many rows of each kind went.
    """
    read, sources = 0, tuple(collector_sources(settings))
    if sources:
        with state.reading() as connection:
            upto = inbox.read_up_to(connection, settings, sources)
        gone = _AT_ONCE
        while gone >= _AT_ONCE:
            with state.writing(Store.INBOX) as connection:
                gone = inbox.clear(connection, upto, now, _AT_ONCE)
            read += gone
    batches, gone = 0, _AT_ONCE
    while gone >= _AT_ONCE:
        with state.writing() as connection:
            oldest = now - int(settings.keeping.ledger_days * DAY * 1_000_000)
            gone = add_up_old_batches(connection, oldest, reported_upto(connection), _AT_ONCE)
        batches += gone
    with state.writing(Store.INBOX) as connection:
        alarms = forget(connection, now - int(settings.keeping.alarms_days * DAY * 1_000_000))
    buckets = expire_buckets(state, settings, now)
    return {"inbox": read, "batches": batches, "buckets": buckets, "alarms": alarms}


def keep_house(instance: dg.DagsterInstance, state: State, settings: Settings) -> dict[str, int]:
    """Both, as of now."""
    now = now_micros()
    return tidy_dagster(instance, settings.keeping, now / 1_000_000) | tidy_state(state, settings, now)


def _old_runs(instance: dg.DagsterInstance, keeping: Keeping, now: float) -> list[str]:
    """Runs that have ended and are too old or too many; the newest are not among them."""
    ended = dg.RunsFilter(statuses=_ENDED)
    records = instance.get_run_records(ended, limit=keeping.runs)
    cursor = records[-1].dagster_run.run_id if len(records) == keeping.runs else None
    surplus = instance.get_run_ids(ended, cursor=cursor, limit=_AT_ONCE) if cursor else []
    oldest = now - keeping.runs_days * DAY
    old = [
        one.dagster_run.run_id
        for one in records
        if (one.end_time or one.update_timestamp.timestamp()) < oldest
    ]
    return [*old, *surplus]


def _drop_shard(instance: dg.DagsterInstance, run_id: str) -> None:
    """On SQLite each run has a file of its own, which stays when the run is deleted."""
    storage = instance.event_log_storage
    if isinstance(storage, SqliteEventLogStorage):
        shard = storage.path_for_shard(run_id)
        for ending in ("", "-wal", "-shm"):
            Path(f"{shard}{ending}").unlink(missing_ok=True)


def _purge_ticks(instance: dg.DagsterInstance, keeping: Keeping, now: float) -> int:
    """Also those of sensors that are no more, which Dagster itself never purges."""
    storage = instance.schedule_storage
    if not isinstance(storage, SqlScheduleStorage):
        return 0
    skipped = _ticks.status == TickStatus.SKIPPED.value
    with storage.connect() as connection:
        idle = JobTickTable.delete().where(
            skipped, _ticks.timestamp < _moment(now - keeping.ticks_hours * 3_600)
        )
        others = JobTickTable.delete().where(_ticks.timestamp < _moment(now - keeping.runs_days * DAY))
        return int(connection.execute(idle).rowcount + connection.execute(others).rowcount)


def _moment(seconds: float) -> datetime:
    """As Dagster's tables hold moments: in UTC, without saying so."""
    return datetime.fromtimestamp(seconds, UTC).replace(tzinfo=None)


def _prune_events(instance: dg.DagsterInstance, before: datetime) -> tuple[int, int]:
    storage = instance.event_log_storage
    if not isinstance(storage, SqlEventLogStorage):
        return 0, 0
    events = 0
    for connection in _connections(storage):
        latest = sa.select(sa.func.max(_events.id)).group_by(_events.asset_key, _events.dagster_event_type)
        old = sa.select(_events.id).where(
            _events.run_id == _RUNLESS, _events.timestamp < before, _events.id.not_in(latest)
        )
        tags = AssetEventTagsTable.delete().where(AssetEventTagsTable.c.event_id.in_(old))
        connection.execute(tags)
        events += connection.execute(SqlEventLogStorageTable.delete().where(_events.id.in_(old))).rowcount
    with storage.index_connection() as connection:
        newest = sa.select(sa.func.max(_checks.id)).group_by(_checks.asset_key, _checks.check_name)
        gone = AssetCheckExecutionsTable.delete().where(
            _checks.create_timestamp < before, _checks.id.not_in(newest)
        )
        checks = connection.execute(gone).rowcount
    return events, checks


def _connections(storage: SqlEventLogStorage) -> Iterator[Any]:
    """Where events without a run are: on SQLite in a file of their own and in the index, elsewhere in one table."""
    with storage.index_connection() as connection:
        yield connection
    if isinstance(storage, SqliteEventLogStorage):
        with storage.run_connection(_RUNLESS) as connection:
            yield connection
