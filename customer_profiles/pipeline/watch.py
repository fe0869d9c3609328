"""Watches the pipeline from outside: looks at the state twice a second, raises and resolves alarms, has them delivered.

It looks at the state, not at Dagster, so that a stall is noticed whoever causes it. One watches; another one waits and
takes over. What it told is kept in the state, so it can be killed at any time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.alarms.alarm import Alarm, Event, Name, Notice
from customer_profiles.monitoring.alarms.book import Book
from customer_profiles.monitoring.alarms.courier import Courier
from customer_profiles.monitoring.alarms.page import Page, page_of
from customer_profiles.monitoring.alarms.receivers.receiver import Receiver
from customer_profiles.monitoring.alarms.rules import Judgement, judge
from customer_profiles.monitoring.alarms.signs import Blind, Signs
from customer_profiles.pipeline.lease import WATCH, Heart, Lease, LeaseWatch, Standing
from customer_profiles.pipeline.signs import SignsReader
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State, Store
from customer_profiles.state.errors import StateError

LOG = logging.getLogger(__name__)

LOOK_SECONDS = 0.5
STALE_SECONDS = 4.0
"""So long the heartbeat of whoever watches may stand still. Sooner than with other leases, for nobody is paged until then."""
LEAP_SECONDS = 5.0
"""By so much the time of day and a steady clock may differ between two looks before the one counts as set."""
DAZED_SECONDS = 15.0
"""So long nothing is decided after a clock was set or the machine slept: all who beat must have done so again."""


@dataclass(frozen=True, slots=True)
class Look:
    """What one look found.

    Attributes:
        signs: What was seen.
        alarms: What is open now.
        opened: What was opened or resolved with this look, by what happened.
        undelivered: How many notices are still to be delivered.
        seconds: How long it took.
    """

    signs: Signs | Blind
    alarms: tuple[Alarm, ...]
    opened: tuple[tuple[Event, Alarm], ...]
    undelivered: int
    seconds: float


class Watch:
    """Looks on."""

    def __init__(
        self,
        state: State,
        settings: Settings,
        receivers: Mapping[str, Receiver],
        *,
        now: Callable[[], int] = now_micros,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind the watch.

        Args:
            state: The open state.
            settings: All settings.
            receivers: Who is told, by name.
            now: The time of day, in micros.
            clock: A clock that only goes forward, in seconds.
        """
        self._state = state
        self._settings = settings
        self._now = now
        self._clock = clock
        limits = settings.alarms
        self.book = Book({name: one.least for name, one in limits.receivers.items()})
        self.couriers = [
            Courier(name, receiver, self.book, self.page, clock, self._save)
            for name, receiver in receivers.items()
        ]
        self._reader = SignsReader(state, settings, now())
        self._stopping = threading.Event()
        self._offset: float | None = None
        self._dazed_until = float("-inf")
        self._unsaved = False

    def page(self, notice: Notice) -> Page:
        """What a notice says."""
        return page_of(notice, self._settings.company, self._settings.alarms.runbooks)

    def stop(self) -> None:
        """Ask it to end. Safe to call in a signal's handler and from other threads."""
        self._stopping.set()

    def load(self) -> None:
        """Read what was told before.

        Raises:
            StateError: The state cannot be read.
        """
        with self._state.reading(Store.INBOX) as connection:
            self.book.load(connection)

    def look(self) -> Look:
        """Look once: raise and resolve, and keep it. Couriers deliver."""
        began, now = self._clock(), self._now()
        signs = self._reader.look(now)
        judgement = judge(signs, self._settings.alarms, self._settings.sla.seconds, self.book.raised)
        if self._dazed(now, began):
            judgement = Judgement((), frozenset(Name))
        before = {alarm.alarm_id: alarm for alarm in self.book.alarms}
        self.book.update(judgement, now)
        after = {alarm.alarm_id: alarm for alarm in self.book.alarms}
        self._save()
        changed = [
            *((Event.OPEN, one) for name, one in after.items() if name not in before),
            *((Event.RESOLVE, one) for name, one in before.items() if name not in after),
        ]
        return Look(
            signs, tuple(after.values()), tuple(changed), self.book.undelivered, self._clock() - began
        )

    def run(
        self, on_look: Callable[[Look], None] | None = None, on_waiting: Callable[[], None] | None = None
    ) -> None:
        """Watch until it is told to stop.

        Args:
            on_look: Called after every look.
            on_waiting: Called when another one watches.

        Raises:
            StateError: The state cannot be read at the beginning.
        """
        while not self._stopping.is_set():
            lease = self._wait_for_lease(on_waiting)
            if lease is None:
                return
            self._watch(lease, on_look)

    def close(self) -> None:
        """Let go of the receivers."""
        for courier in self.couriers:
            courier.close()

    def stand_in(self, others: LeaseWatch, seconds: float) -> bool:
        """Watch for some seconds, if nobody else does; to be called again and again by whoever has a clock of its own.

        Args:
            others: Whoever watches, as the caller saw it so far.
            seconds: How long.

        Returns:
            Whether it watched; not while somebody else does, or may do so.

        Raises:
            StateError: The state cannot be read or written.
        """
        lease = Lease(self._state, WATCH)
        seen = lease.look()
        if others.observe(seen) not in (Standing.FREE, Standing.STALE) or not lease.take(seen):
            return False
        self._watch(lease, until=self._clock() + seconds)
        return True

    def _watch(
        self, lease: Lease, on_look: Callable[[Look], None] | None = None, until: float = float("inf")
    ) -> None:
        """Look again and again while the lease is held, until it is told to stop or the time is over; let go of the lease."""
        with ExitStack() as at_work:
            at_work.enter_context(Heart(lease))
            self._save()
            self.load()
            at_work.callback(self._save)
            for courier in self.couriers:
                at_work.enter_context(courier)
            while not self._stopping.is_set() and lease.held and self._clock() < until:
                next_at = self._clock() + LOOK_SECONDS
                found = self.look()
                if on_look is not None:
                    on_look(found)
                self._stopping.wait(max(0.0, next_at - self._clock()))

    def _wait_for_lease(self, on_waiting: Callable[[], None] | None) -> Lease | None:
        lease, others, told = Lease(self._state, WATCH), LeaseWatch(STALE_SECONDS), False
        while not self._stopping.is_set():
            seen = lease.look()
            if others.observe(seen) in (Standing.FREE, Standing.STALE):
                if lease.take(seen):
                    return lease
                continue
            if not told and on_waiting is not None:
                on_waiting()
            told = True
            self._stopping.wait(LOOK_SECONDS)
        return None

    def _save(self) -> None:
        try:
            self.book.save(self._state)
        except (StateError, sa.exc.DBAPIError) as error:
            if not self._unsaved:
                LOG.warning(
                    "Alarms cannot be written down (%s); they are told all the same.", type(error).__name__
                )
            self._unsaved = True
            return
        self._unsaved = False

    def _dazed(self, now: int, steady: float) -> bool:
        """Whether a clock was just set, or the machine slept: then nothing that compares times can be trusted for a moment."""
        offset = now / 1_000_000 - steady
        if self._offset is not None and abs(offset - self._offset) > LEAP_SECONDS:
            LOG.warning("The clock was set by %.0f s, or the machine slept.", offset - self._offset)
            self._dazed_until = steady + DAZED_SECONDS
        self._offset = offset
        return steady < self._dazed_until
