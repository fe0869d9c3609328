"""Looks out for what is new, in the sources and between the stages, without reading it: what a driver wakes by."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.freshness import caught_up
from customer_profiles.pipeline.behind import behind
from customer_profiles.pipeline.pace import Backoff
from customer_profiles.settings import Source
from customer_profiles.settings.streaming import Streaming
from customer_profiles.sources.heads import Head, open_head
from customer_profiles.state.engine import State

PATIENCE_SECONDS = 0.2
"""How long a look waits for sources to answer; what comes later counts at the next look."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look saw.

    Attributes:
        marks: The latest mark of each source that could be asked.
        asked_at: When each of them was asked for it (micros).
        failures: Why the other ones cannot be asked now, by source.
        behind: About how much each stage after ingest has before it.
        at: When that was looked at (micros).
        caught_up: The stages for which no data waits, nor for what comes before them.
    """

    marks: Mapping[str, str]
    asked_at: Mapping[str, int]
    failures: Mapping[str, str]
    behind: Mapping[str, int]
    at: int = 0
    caught_up: Sequence[str] = ()


class Lookout:
    """Asks every source for its mark now and then, each in its own time, and how far the stages are behind."""

    def __init__(
        self,
        state: State,
        sources: Mapping[str, Source],
        streaming: Streaming,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Bind it; nothing is opened yet.

        Args:
            state: The open state.
            sources: The settings of the sources, by their names.
            streaming: How often each kind of source is asked, and how long one that is down is left alone.
            clock: A clock that only goes forward, in seconds.
        """
        self._state = state
        backoff = Backoff(streaming.first_retry_seconds, streaming.longest_retry_seconds)

        def asked(name: str, source: Source) -> _Asked:
            return _Asked(lambda: open_head(name, source, streaming, state), backoff, clock)

        self._asked = {name: asked(name, source) for name, source in sources.items()}
        self._running: dict[str, Future[None]] = {}
        self._pool = ThreadPoolExecutor(max(1, len(sources)), thread_name_prefix="lookout")

    def look(self) -> Seen:
        """What is to be seen now. A source that is slow to answer is not waited for."""
        for name, one in self._asked.items():
            if name not in self._running and one.due:
                self._running[name] = self._pool.submit(one.ask)
        wait(self._running.values(), PATIENCE_SECONDS)
        for name in [name for name, future in self._running.items() if future.done()]:
            self._running.pop(name).result()
        at = now_micros()
        with self._state.reading() as connection:
            waiting = behind(connection, at)
        known = {name: one for name, one in self._asked.items() if one.mark is not None and not one.failure}
        return Seen(
            {name: str(one.mark) for name, one in known.items()},
            {name: one.asked_at for name, one in known.items()},
            {name: one.failure for name, one in self._asked.items() if one.failure},
            waiting.total,
            at,
            caught_up(waiting.data),
        )

    def close(self) -> None:
        """Let go of the sources, when those that are being asked have answered."""
        self._pool.shutdown()
        for one in self._asked.values():
            one.close()


class _Asked:
    """One source, asked by one thread at a time."""

    def __init__(self, open_: Callable[[], Head], backoff: Backoff, clock: Callable[[], float]) -> None:
        self._open = open_
        self._backoff = backoff
        self._clock = clock
        self._dice = random.Random()
        self._head: Head | None = None
        self._due_at = 0.0
        self._times = 0
        self.mark: str | None = None
        self.asked_at = 0
        self.failure = ""

    @property
    def due(self) -> bool:
        return self._clock() >= self._due_at

    def ask(self) -> None:
        try:
            if self._head is None:
                self._head = self._open()
            at = now_micros()
            self.mark, self.asked_at = self._head.mark(), at
        except (CustomerProfilesError, sa.exc.DBAPIError) as error:
            self._times += 1
            self._due_at = self._clock() + self._backoff.wait(self._times, self._dice)
            # The words of a driver's error could hold a value of a person: only its kind is told.
            self.failure = str(error) if isinstance(error, CustomerProfilesError) else type(error).__name__
            return
        self._times, self.failure = 0, ""
        self._due_at = self._clock() + self._head.every

    def close(self) -> None:
        if self._head is not None:
            self._head.close()
            self._head = None
