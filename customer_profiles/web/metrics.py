"""What the collector shows to Prometheus, on a port of its own."""

from __future__ import annotations

import time

from prometheus_client import CollectorRegistry, Counter, Histogram
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from customer_profiles.monitoring.metrics import SECONDS, gauge
from customer_profiles.sources.inbox import Accepted
from customer_profiles.web.group_commit import GroupCommit


class CollectorMetrics:
    """Counts requests and events; in memory only."""

    def __init__(self) -> None:
        """Begin to count."""
        self.registry = CollectorRegistry()
        self._events = Counter(
            "customer_profiles_collector_events",
            "Events taken, by what they were.",
            ("what",),
            registry=self.registry,
        )
        self._answers = Counter(
            "customer_profiles_collector_answers", "Answers by status.", ("status",), registry=self.registry
        )
        self._seconds = Histogram(
            "customer_profiles_collector_seconds",
            "How long requests took until the answer.",
            registry=self.registry,
            buckets=SECONDS,
        )
        self._backlog = gauge(self.registry, "collector_backlog", "Events that wait to be read.")
        self._failing = gauge(self.registry, "collector_failing", "Whether the inbox cannot be written.")

    def watch(self, inbox: GroupCommit) -> None:
        """Show how an inbox stands whenever somebody asks."""
        self._backlog.set_function(lambda: inbox.backlog)
        self._failing.set_function(lambda: inbox.failing)

    def accepted(self, result: Accepted) -> None:
        """Count the events of a request."""
        self._events.labels("accepted").inc(result.accepted)
        self._events.labels("duplicate").inc(result.duplicate)

    def answered(self, status: int, seconds: float) -> None:
        """Count an answer."""
        self._answers.labels(str(status)).inc()
        self._seconds.observe(seconds)


class Counted:
    """Wraps the application and counts its answers."""

    def __init__(self, app: ASGIApp, metrics: CollectorMetrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._metrics.answered(message["status"], time.perf_counter() - began)
            await send(message)

        await self._app(scope, receive, counted)
