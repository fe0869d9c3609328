"""Brings notices to one receiver: in their order, again and again until it takes them, without holding up the others."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from customer_profiles.monitoring.alarms.alarm import Notice
from customer_profiles.monitoring.alarms.book import Book
from customer_profiles.monitoring.alarms.page import Page
from customer_profiles.monitoring.alarms.receivers.receiver import DeliveryError, Receiver

LOG = logging.getLogger(__name__)

FIRST_WAIT, LONGEST_WAIT = 1.0, 30.0
"""Seconds after a failed delivery, growing twofold."""
_LOOK_SECONDS = 0.1


class Courier:
    """Delivers to one receiver, in a thread of its own or when asked. A context manager."""

    def __init__(
        self,
        name: str,
        receiver: Receiver,
        book: Book,
        page_of: Callable[[Notice], Page],
        clock: Callable[[], float] = time.monotonic,
        on_delivered: Callable[[], None] = lambda: None,
    ) -> None:
        """Bind the courier.

        Args:
            name: The receiver's name.
            receiver: The receiver.
            book: Where the notices are.
            page_of: Gives what a notice says.
            clock: A clock that only goes forward, in seconds.
            on_delivered: Called after each delivery, to note it at once: a crash before that repeats it.
        """
        self.name = name
        self.delivered = 0
        self.failed = 0
        """Attempts in a row that failed."""
        self._receiver = receiver
        self._book = book
        self._page_of = page_of
        self._clock = clock
        self._on_delivered = on_delivered
        self._again_at = 0.0
        self._remind_at = 0.0
        self._ending = threading.Event()
        self._thread: threading.Thread | None = None

    def deliver(self) -> bool:
        """Deliver what is due; says whether everything is delivered."""
        while (notice := self._book.next_for(self.name)) is not None:
            if self._clock() < self._again_at:
                return False
            if not self._attempt(lambda one=notice: self._receiver.deliver(one, self._page_of(one))):  # type: ignore[misc]
                return False
            self._book.delivered(notice)
            self.delivered += 1
            self._on_delivered()
        every = self._receiver.remind_seconds
        if every is not None and self._clock() >= max(self._remind_at, self._again_at):
            self._attempt(lambda: self._receiver.remind(self._book.alarms))
            self._remind_at = self._clock() + every
        return True

    def _attempt(self, speak: Callable[[], None]) -> bool:
        try:
            speak()
        except DeliveryError as error:
            self.failed += 1
            wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(self.failed - 1, 20)) * random.uniform(0.5, 1.0)
            self._again_at = self._clock() + wait
            if self.failed == 1:
                LOG.warning("%s: %s It is tried again until it is taken.", self.name, error)
            return False
        if self.failed:
            LOG.warning("%s: takes alarms again.", self.name)
        self.failed, self._again_at = 0, 0.0
        return True

    def _run(self) -> None:
        while not self._ending.is_set():
            self.deliver()
            self._ending.wait(_LOOK_SECONDS)

    def __enter__(self) -> Self:
        """Begin to deliver."""
        self._ending.clear()
        self._thread = threading.Thread(target=self._run, name=f"courier to {self.name}", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Finish the delivery in hand; what is left is delivered by whoever comes next."""
        self._ending.set()
        if self._thread is not None:
            self._thread.join()

    def close(self) -> None:
        """Let go of the receiver."""
        self._receiver.close()
