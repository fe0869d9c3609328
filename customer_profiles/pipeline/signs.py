"""Reads the signs that alarms are decided on from the state: every look costs look-ups only."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.alarms.signs import Blind, Disk, Driver, Failing, Signs
from customer_profiles.monitoring.failed_runs import failed_runs
from customer_profiles.monitoring.ledger_tail import LedgerTail
from customer_profiles.pipeline.freshness import freshness
from customer_profiles.pipeline.lease import DRIVER, read_lease, run_leases
from customer_profiles.pipeline.tables import lease as lease_table
from customer_profiles.settings import Settings
from customer_profiles.state.bulk import upsert_rows
from customer_profiles.state.engine import State, Store
from customer_profiles.state.errors import StateError

DAEMON = "dagster daemon"
"""The row of the table of leases by which Dagster's daemon shows that it lives. Nobody waits for it."""


def daemon_lives(state: State, now: int) -> None:
    """Note that Dagster's daemon lives, as one of its sensors ticks.

    Args:
        state: The open state.
        now: Micros.
    """
    columns = ("name", "holder", "version", "beat_at", "status")
    with state.writing(Store.INBOX) as connection:
        upsert_rows(
            connection,
            lease_table,
            columns,
            [(DAEMON, DAEMON, 1, now, "{}")],
            key="name",
            replace=("beat_at",),
            add=("version",),
        )


class SignsReader:
    """Looks at the state, and remembers what one look cannot tell: since when something fails, where the ledger was left."""

    def __init__(self, state: State, settings: Settings, began: int) -> None:
        """Begin to look.

        Args:
            state: The open state.
            settings: All settings.
            began: Now (micros): who never drove is silent since then.
        """
        self._state = state
        self._settings = settings
        self._began = began
        self._tail = LedgerTail(int(settings.alarms.quarantine_minutes * 60_000_000))
        self._failing_since: dict[str, int] = {}
        self._blind_since: int | None = None
        self._places = [state.folder] if state.folder is not None else [settings.folder]

    def look(self, now: int) -> Signs | Blind:
        """What is seen now; never raises because the state does not answer.

        Args:
            now: Micros.
        """
        disks = tuple(disk for place in self._places if (disk := _disk(place)) is not None)
        try:
            signs = self._look(now, disks)
        except (StateError, sa.exc.DBAPIError) as error:
            self._blind_since = self._blind_since or now
            told = str(error) if isinstance(error, CustomerProfilesError) else type(error).__name__
            return Blind(now, self._blind_since, told, disks)
        self._blind_since = None
        return signs

    def _look(self, now: int, disks: tuple[Disk, ...]) -> Signs:
        found = freshness(self._state, self._settings, now)
        with self._state.reading(Store.INBOX) as connection:
            worker = read_lease(connection, DRIVER)
            runs = run_leases(connection)
            daemon = read_lease(connection, DAEMON)
            failed = failed_runs(connection)
        with self._state.reading() as connection:
            self._tail.follow(connection, now)
        beat_at = max((row.beat_at for row in (worker, *runs) if row is not None), default=self._began)
        status = worker.status if worker is not None and worker.holder else {}
        return Signs(
            now,
            found,
            Driver(beat_at, status.get("looked_at") or None, self._failing(status, now)),
            None if daemon is None else daemon.beat_at,
            self._tail.quarantined,
            self._tail.wrong_batches,
            disks,
            failed,
        )

    def _failing(self, status: Mapping[str, Any], now: int) -> tuple[Failing, ...]:
        failures = status.get("failures", ())
        self._failing_since = {one["of"]: self._failing_since.get(one["of"], now) for one in failures}
        return tuple(
            Failing(
                one["of"],
                one["of"] in self._settings.sources,
                one["reason"],
                one["times"],
                self._failing_since[one["of"]],
            )
            for one in failures
        )


def _disk(place: Path) -> Disk | None:
    try:
        return Disk(str(place), shutil.disk_usage(place).free)
    except OSError:  # it is gone: then the state does not answer either, which is an alarm of its own
        return None
