"""Sends what visitors do to a collector, at a steady rate, as a client of Segment does: in batches, each until it is accepted."""

from __future__ import annotations

import queue
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import httpx
import orjson

from customer_profiles.demo.files import Row
from customer_profiles.demo.rates import DemoError
from customer_profiles.demo.visitors import Crowd, written
from customer_profiles.pipeline.pace import Backoff

FLUSH_SECONDS = 0.1
"""How often what happened is sent; at once when a batch is full."""
BATCH = 100
SENDERS = 4
LAST_CALL_SECONDS = 5.0
_QUEUED = 40
"""Batches that wait to be sent; while so many do, nothing more happens on the site."""
_BACKOFF = Backoff(0.5, 15.0)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of the traffic so far, in events.

    Attributes:
        made: Happened on the site, those that are told twice included.
        accepted: Are durable.
        duplicate: Were accepted before.
        refused: Turned away for now (429, 503) and sent again, counted each time.
        unsent: Given up at the end.
        broken: Of `made`, broken on purpose.
        trouble: Why sending does not get on at the moment; empty when it does.
    """

    made: int = 0
    accepted: int = 0
    duplicate: int = 0
    refused: int = 0
    unsent: int = 0
    broken: int = 0
    trouble: str = ""

    @property
    def waiting(self) -> int:
        """Made and not accepted yet."""
        return self.made - self.accepted - self.duplicate - self.unsent


def look_for_a_collector(url: str) -> None:
    """Make sure that somebody answers.

    Raises:
        DemoError: nobody does; says how to start a collector.
    """
    try:
        httpx.get(f"{url.rstrip('/')}/health", timeout=10)
    except (httpx.HTTPError, httpx.InvalidURL):
        raise DemoError(
            f"No collector answers on {url}. Start one in another terminal with `customer-profiles serve`, and "
            "`customer-profiles stream` in a third one to see its events in the profiles; then run this again."
        ) from None


class Traffic:
    """Visitors of the site, and the senders that tell a collector of what they do."""

    def __init__(
        self,
        crowd: Crowd,
        url: str,
        write_key: str,
        rate: float,
        last_call_seconds: float = LAST_CALL_SECONDS,
        dice: random.Random | None = None,
    ) -> None:
        """Bind it; nothing is sent yet.

        Args:
            crowd: The visitors.
            url: Where the collector listens, such as `http://127.0.0.1:8080`.
            write_key: Of the source that the events belong to.
            rate: Events a second.
            last_call_seconds: So long what is on its way may take when the traffic ends.
            dice: For the jitter of waits.
        """
        self._crowd = crowd
        self._url = url.rstrip("/")
        self._write_key = write_key
        self._rate = rate
        self._last_call_seconds = last_call_seconds
        self._dice = dice or random.Random()
        self._queue: queue.Queue[Sequence[Row] | None] = queue.Queue(_QUEUED)
        self._sent = Sent()
        self._guard = threading.Lock()
        self._giving_up = threading.Event()
        self._error: DemoError | None = None

    @property
    def sent(self) -> Sent:
        """What became of the traffic so far."""
        with self._guard:
            return replace(self._sent, broken=self._crowd.broken)

    def play(
        self,
        stop: threading.Event,
        seconds: float | None = None,
        on_tick: Callable[[Sent], None] | None = None,
    ) -> Sent:
        """Let the visitors in until told to stop.

        Args:
            stop: Ends it when set.
            seconds: How long at most.
            on_tick: Called several times a second.

        Raises:
            DemoError: The collector refuses what is sent for good, as with an unknown write key.
        """
        senders = [threading.Thread(target=self._send_all, name=f"sender {n}") for n in range(SENDERS)]
        for sender in senders:
            sender.start()
        try:
            self._make(stop, seconds, on_tick)
        finally:
            self._end(senders, stop)
        if self._error is not None:
            raise self._error
        return self.sent

    def _make(
        self, stop: threading.Event, seconds: float | None, on_tick: Callable[[Sent], None] | None
    ) -> None:
        began = time.monotonic()
        made = 0
        ended = False
        while not (ended or stop.is_set() or self._error):
            elapsed = time.monotonic() - began
            ended = seconds is not None and elapsed >= seconds
            due = int(self._rate * (elapsed if seconds is None else min(elapsed, seconds))) - made
            while due > 0 and not stop.is_set() and not self._error:
                batch = self._crowd.events(min(due, BATCH), time.time())
                if not self._hand_over(batch, stop, on_tick):
                    break
                made, due = made + len(batch), due - len(batch)
            # What could not happen while the collector was in trouble does not come all at once afterwards.
            made = max(made, int(self._rate * (time.monotonic() - began)) - int(self._rate) - BATCH)
            if on_tick is not None:
                on_tick(self.sent)
            if not ended:
                stop.wait(FLUSH_SECONDS)

    def _hand_over(
        self, batch: Sequence[Row], stop: threading.Event, on_tick: Callable[[Sent], None] | None
    ) -> bool:
        while not (stop.is_set() or self._error):
            try:
                self._queue.put(batch, timeout=FLUSH_SECONDS)
            except queue.Full:
                if on_tick is not None:
                    on_tick(self.sent)
                continue
            self._count(made=len(batch))
            return True
        return False

    def _end(self, senders: Sequence[threading.Thread], stop: threading.Event) -> None:
        """Let what is on its way arrive, if that does not take long."""
        if self._error:
            self._giving_up.set()
        until = time.monotonic() + self._last_call_seconds
        for sender in senders:
            while sender.is_alive():
                try:
                    self._queue.put(None, timeout=FLUSH_SECONDS)
                    break
                except queue.Full:
                    if time.monotonic() > until:
                        self._giving_up.set()
        for sender in senders:
            sender.join(max(0.0, until - time.monotonic()))
        self._giving_up.set()
        for sender in senders:
            sender.join()
        stop.set()

    def _send_all(self) -> None:
        with httpx.Client(auth=(self._write_key, ""), timeout=30) as client:
            while (batch := self._queue.get()) is not None:
                if self._giving_up.is_set():
                    self._count(unsent=len(batch))
                    continue
                try:
                    self._send(client, batch)
                except DemoError as error:
                    self._error = error
                    self._giving_up.set()
                    self._count(unsent=len(batch))

    def _send(self, client: httpx.Client, batch: Sequence[Row]) -> None:
        """Send a batch until it is accepted, as slowly as the collector asks for."""
        failures = 0
        while True:
            body = orjson.dumps({"batch": batch, "sentAt": written(time.time())})
            failures += 1
            wait = _BACKOFF.wait(failures, self._dice)
            try:
                answer = client.post(f"{self._url}/v1/batch", content=body)
            except httpx.TransportError:
                self._count(trouble="the collector does not answer")
            else:
                if answer.status_code == 200:
                    told = answer.json()
                    self._count(accepted=told["accepted"], duplicate=told["duplicate"], trouble="")
                    return
                wait = self._wait_after(answer, wait)
                self._count(refused=len(batch), trouble=_reason(answer))
            if self._giving_up.wait(wait):
                self._count(unsent=len(batch))
                return

    def _wait_after(self, answer: httpx.Response, wait: float) -> float:
        """Seconds that a collector which is in trouble asks for, and a little by chance so that not all come at once.

        Raises:
            DemoError: trying again would not help.
        """
        if answer.status_code != 429 and answer.status_code < 500:
            raise DemoError(f"The collector on {self._url} refuses these events: {_reason(answer)}")
        asked = answer.headers.get("retry-after", "")
        return float(asked) * self._dice.uniform(1.0, 1.2) if asked.isdigit() else wait

    def _count(self, *, trouble: str | None = None, **more: int) -> None:
        with self._guard:
            counts = {name: getattr(self._sent, name) + count for name, count in more.items()}
            if trouble is not None:
                counts["trouble"] = trouble
            self._sent = replace(self._sent, **counts)


def _reason(answer: httpx.Response) -> str:
    """Why, in the collector's words where it is ours."""
    try:
        told = answer.json()
    except ValueError:
        told = {}
    message = told.get("message") if isinstance(told, dict) else None
    return str(message) if message else f"it answers {answer.status_code}; is this a collector?"
