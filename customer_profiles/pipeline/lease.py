"""The lease: one row that says who drives the pipeline. It settles who works; the cursors keep the work right anyway.

No clock of one machine is compared with that of another. A holder makes the row's version go up; whoever looks on
measures with its own steady clock how long the version has stood still, so a clock that is set forth or back changes
nothing.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import sqlalchemy as sa

from customer_profiles.pipeline.process import is_gone, this_process
from customer_profiles.pipeline.tables import lease as table
from customer_profiles.state.engine import State, Store
from customer_profiles.state.errors import StateError
from customer_profiles.state.schema import from_json, to_json

DRIVER = "driver"
"""The lease of the streaming worker."""
WATCH = "watch"
"""The lease of whoever watches."""
RUN = "dagster run"
"""What the names of the leases of Dagster's runs begin with."""

BEAT_SECONDS = 1.0
STALE_SECONDS = 8.0
"""A lease whose version stood still for so long is anybody's."""


def run_lease(run_id: str) -> str:
    """The name of the lease of one run of Dagster: it shows that the run's process lives, and goes with it."""
    return f"{RUN} {run_id}"


@dataclass(frozen=True, slots=True)
class LeaseRow:
    """The lease as it was read.

    Attributes:
        holder: Who has it; empty when nobody.
        version: Goes up with every change.
        beat_at: When it last did, by the holder's clock (micros). For people: nothing is decided by it.
        status: What the holder tells of its work.
    """

    holder: str
    version: int
    beat_at: int
    status: Mapping[str, Any]


class Standing(StrEnum):
    """What somebody who looks on can tell of a lease."""

    FREE = "free"
    """Nobody has it."""
    FRESH = "fresh"
    """Its holder was seen alive within `STALE_SECONDS`."""
    UNKNOWN = "unknown"
    """Somebody has it and was not seen alive yet; not long enough to call it stale."""
    STALE = "stale"
    """Its holder was not heard of for `STALE_SECONDS`, or its process is gone."""


def read_lease(connection: sa.Connection, name: str) -> LeaseRow | None:
    """The lease as it is now; None when nobody ever had it.

    Args:
        connection: A connection to the inbox store.
        name: Which lease.
    """
    columns = (table.c.holder, table.c.version, table.c.beat_at, table.c.status)
    row = connection.execute(sa.select(*columns).where(table.c.name == name)).one_or_none()
    return None if row is None else LeaseRow(row[0], row[1], row[2], from_json(row[3]))


def run_leases(connection: sa.Connection) -> list[LeaseRow]:
    """The leases of the runs of Dagster that are at work, and of those that died and were not found yet.

    Args:
        connection: A connection to the inbox store.
    """
    columns = (table.c.holder, table.c.version, table.c.beat_at, table.c.status)
    # A range of the key, not LIKE: that would read the whole table. "!" is what comes after a space.
    named = (table.c.name > f"{RUN} ") & (table.c.name < f"{RUN}!")
    rows = connection.execute(sa.select(*columns).where(named)).all()
    return [LeaseRow(row[0], row[1], row[2], from_json(row[3])) for row in rows if row[0]]


def drop_lease(state: State, name: str) -> None:
    """Take away the row of a lease that nobody will take again."""
    with state.writing(Store.INBOX) as connection:
        connection.execute(table.delete().where(table.c.name == name))


class LeaseWatch:
    """Looks on at a lease of others, and tells whether its holder lives."""

    def __init__(
        self, stale_seconds: float = STALE_SECONDS, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """Begin to look on.

        Args:
            stale_seconds: How long a version may stand still.
            clock: A clock that only goes forward, in seconds.
        """
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._seen: tuple[str, int] | None = None
        self._seen_at = 0.0
        self._moved = False

    def observe(self, row: LeaseRow | None) -> Standing:
        """What this look, with those before it, says."""
        if row is None or not row.holder:
            self._seen = None
            return Standing.FREE
        now, seen = self._clock(), (row.holder, row.version)
        if seen != self._seen:
            # The first look at a holder proves nothing: it may have died long ago.
            self._moved = self._seen is not None
            self._seen, self._seen_at = seen, now
        if now - self._seen_at >= self._stale_seconds or is_gone(row.holder.partition(" ")[2]):
            return Standing.STALE
        return Standing.FRESH if self._moved else Standing.UNKNOWN


class Lease:
    """One process's side of the lease."""

    def __init__(
        self, state: State, name: str = DRIVER, holder: str | None = None, passing: bool = False
    ) -> None:
        """Bind the lease; nothing is taken yet.

        Args:
            state: The open state.
            name: Which lease.
            holder: The token of this process; a new one by default.
            passing: Nobody takes it over: its row goes when it is let go of.
        """
        self._state = state
        self._name = name
        self._passing = passing
        self.holder = holder or f"{uuid.uuid4().hex} {this_process()}".rstrip()
        self._version = 0
        self._held = False
        self._guard = threading.Lock()

    @property
    def held(self) -> bool:
        """Whether it was ours when last written."""
        return self._held

    def look(self) -> LeaseRow | None:
        """The lease as it is now."""
        with self._state.reading(Store.INBOX) as connection:
            return read_lease(connection, self._name)

    def take(self, seen: LeaseRow | None, status: Mapping[str, Any] | None = None) -> bool:
        """Take the lease if it is still as it was seen; says whether it is ours now."""
        with self._guard:
            version = 0 if seen is None else seen.version
            self._held = self._swap(version, self.holder, status or {}, new=seen is None)
            return self._held

    def beat(self, status: Mapping[str, Any] | None = None) -> bool:
        """Show that the holder lives; says whether the lease is still ours.

        Raises:
            StateError: It could not be written; it is ours until others find it stale.
        """
        with self._guard:
            if self._held:
                self._held = self._swap(self._version, self.holder, status or {})
            return self._held

    def release(self, status: Mapping[str, Any] | None = None) -> None:
        """Let go of it, so that whoever waits need not wait longer."""
        with self._guard:
            if self._held and self._passing:
                drop_lease(self._state, self._name)
            elif self._held:
                self._swap(self._version, "", status or {})
            self._held = False

    def _swap(self, version: int, holder: str, status: Mapping[str, Any], new: bool = False) -> bool:
        values = {
            "holder": holder,
            "version": version + 1,
            "beat_at": time.time_ns() // 1_000,
            "status": to_json(dict(status)),
        }
        with self._state.writing(Store.INBOX) as connection:
            if new:
                if read_lease(connection, self._name) is not None:
                    return False
                connection.execute(table.insert().values(name=self._name, **values))
                moved = 1
            else:
                where = (table.c.name == self._name) & (table.c.version == version)
                moved = connection.execute(table.update().where(where).values(**values)).rowcount
        if moved == 1:
            self._version = version + 1
        return bool(moved == 1)


class Heart:
    """A thread that beats while a lease is held. A context manager."""

    def __init__(
        self,
        lease: Lease,
        status: Callable[[], Mapping[str, Any]] = dict,
        seconds: float = BEAT_SECONDS,
    ) -> None:
        """Bind the heart to a lease that is held.

        Args:
            lease: The lease.
            status: What to tell with each beat; called in this thread.
            seconds: Between two beats.
        """
        self._lease = lease
        self._status = status
        self._seconds = seconds
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def _run(self) -> None:
        while not self._ending.wait(self._seconds):
            try:
                if not self._lease.beat(self._status()):
                    return
            except (StateError, sa.exc.DBAPIError):
                continue  # a full disk or a server that restarts: beat again as soon as it can be

    def __enter__(self) -> Heart:
        """Begin to beat."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop beating and let go of the lease, if the state can be written."""
        self._ending.set()
        self._thread.join()
        try:
            self._lease.release(self._status())
        except (StateError, sa.exc.DBAPIError):
            return  # others find it stale
