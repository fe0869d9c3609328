"""One thread that writes the inbox: requests that wait at the same time share one transaction, and so one fsync."""

from __future__ import annotations

import asyncio
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from threading import Thread

import sqlalchemy as sa

from customer_profiles.settings import Settings
from customer_profiles.sources import inbox
from customer_profiles.sources.inbox import Accepted, Arrived, collector_sources
from customer_profiles.state.engine import State, Store
from customer_profiles.state.errors import StateError
from customer_profiles.web.refusals import Refused

LOG = logging.getLogger(__name__)

_MOST_AT_ONCE = 5_000
"""Events of one transaction."""
_UPKEEP_SECONDS = 1.0
_CLEARED_AT_ONCE = 10_000
_SPACE_PER_BYTE = 2
"""An event stands in the write-ahead log before it stands in the database."""


@dataclass(frozen=True, slots=True)
class _Request:
    events: Sequence[Arrived]
    size: int
    result: Future[Accepted]


class GroupCommit:
    """Accepts events: durable when `accept` returns, refused when it raises, never lost between."""

    def __init__(self, state: State, settings: Settings) -> None:
        self._state = state
        self._settings = settings
        self._sources = tuple(collector_sources(settings))
        self._queue: SimpleQueue[_Request | None] = SimpleQueue()
        # Counts in pairs, each with one thread that writes it.
        self._handed_over = self._bytes_handed_over = 0
        self._done = self._bytes_done = 0
        self._requests = 0
        self._backlog = 0
        self._upkeep_at = 0.0
        self._refused = 0
        self.failing = False
        """Whether what was last refused could not be written now either."""
        self._thread = Thread(target=self._run, name="inbox writer")

    @property
    def backlog(self) -> int:
        """About how many events wait: to be written, or to be read by the pipeline."""
        return self._handed_over - self._done + self._backlog

    def start(self) -> None:
        """Look at what waits already, and begin to write."""
        self._keep_up()
        self._thread.start()

    def close(self) -> None:
        """Write what was handed over, and end."""
        self._queue.put(None)
        self._thread.join()

    @contextmanager
    def place(self) -> Iterator[None]:
        """A place for one request, from before its body is read until it is answered: what memory it takes is bounded.

        Raises:
            Refused: all places are taken.
        """
        collector = self._settings.collector
        if self._requests >= collector.requests_at_once:
            raise Refused(
                429,
                "too_busy",
                f"{collector.requests_at_once:,} requests are at work. Send this one again later; nothing of it was kept.",
                collector.retry_after,
            )
        self._requests += 1
        try:
            yield
        finally:
            self._requests -= 1

    async def accept(self, events: Sequence[Arrived]) -> Accepted:
        """Wait until the events are durable.

        Raises:
            Refused: too many wait, or they could not be written; none of them is kept.
        """
        collector = self._settings.collector
        size = sum(len(one.body) for one in events)
        if self._bytes_handed_over - self._bytes_done + size > max(collector.unwritten, size):
            raise Refused(
                429,
                "too_busy",
                "More events wait to be written than memory is set aside for. Send these again later; none of them was kept.",
                collector.retry_after,
            )
        if self.backlog + len(events) > collector.backlog:
            raise Refused(
                429,
                "backlog_full",
                f"More than {collector.backlog:,} events wait to be read. Send these again later; none of them was kept.",
                collector.retry_after,
            )
        request = _Request(events, size, Future())
        self._handed_over += len(events)
        self._bytes_handed_over += size
        self._queue.put(request)
        try:
            # Whoever hung up meanwhile is not waited for, but the events are counted until they are written.
            return await asyncio.shield(asyncio.wrap_future(request.result))
        except (StateError, sa.exc.DBAPIError):
            raise Refused(
                503,
                "not_stored",
                "The events could not be written. Send them again later; none of them was kept.",
                collector.retry_after,
            ) from None

    def _run(self) -> None:
        going_on = True
        while going_on:
            group: list[_Request] = []
            try:
                request = self._queue.get(timeout=_UPKEEP_SECONDS)
                while True:
                    if request is None:
                        going_on = False
                        break
                    group.append(request)
                    if sum(len(one.events) for one in group) >= _MOST_AT_ONCE:
                        break
                    request = self._queue.get_nowait()
            except Empty:
                pass
            if group:
                self._write(group)
            if time.monotonic() >= self._upkeep_at:
                self._keep_up()

    def _write(self, group: list[_Request]) -> None:
        try:
            with self._state.writing(Store.INBOX) as connection:
                results = inbox.append(connection, [one.events for one in group], _now())
        except BaseException as error:
            self._count_done(group)
            self._refused = sum(one.size for one in group)
            self._note_failure(error)
            for one in group:
                one.result.set_exception(error)
            return
        self.failing = False
        self._backlog += sum(result.accepted for result in results)
        self._count_done(group)
        for one, result in zip(group, results, strict=True):
            one.result.set_result(result)

    def _count_done(self, group: list[_Request]) -> None:
        self._done += sum(len(one.events) for one in group)
        self._bytes_done += sum(one.size for one in group)

    def _keep_up(self) -> None:
        """Clear away what was read, and count what waits."""
        try:
            with self._state.reading() as connection:
                read = inbox.read_up_to(connection, self._settings, self._sources)
            with self._state.writing(Store.INBOX) as connection:
                inbox.clear(connection, read, _now(), _CLEARED_AT_ONCE)
                if self.failing:
                    inbox.try_writing(connection)
            self.failing = self.failing and not self._has_room()
            with self._state.reading(Store.INBOX) as connection:
                self._backlog = inbox.waiting(connection, read)
        except (StateError, sa.exc.DBAPIError) as error:
            self._note_failure(error)
        self._upkeep_at = time.monotonic() + _UPKEEP_SECONDS

    def _has_room(self) -> bool:
        """Whether the disk has room for what was refused: a few bytes still fit on one that is full."""
        folder = self._state.folder
        return folder is None or shutil.disk_usage(folder).free >= _SPACE_PER_BYTE * self._refused

    def _note_failure(self, error: BaseException) -> None:
        # Once, not for each request: a full disk would be filled by its own log.
        if not self.failing:
            told = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            LOG.error("The inbox cannot be written: %s. Requests are refused until it can.", told)
        self.failing = True


def _now() -> int:
    return time.time_ns() // 1_000
