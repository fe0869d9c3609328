"""What the worker and the watch show to Prometheus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from customer_profiles.monitoring.alarms.signs import Signs
from customer_profiles.monitoring.metrics import BatchMetrics, ServedMetrics, gauge

if TYPE_CHECKING:
    from customer_profiles.pipeline.watch import Look
    from customer_profiles.pipeline.worker import Pass


class WorkerMetrics:
    """Of the streaming worker: counted pass by pass, in memory only."""

    def __init__(self) -> None:
        """Begin to count."""
        self.registry = CollectorRegistry()
        self._batches = BatchMetrics(self.registry)
        self._served = ServedMetrics(self.registry)
        self._waiting = gauge(self.registry, "waiting", "What waits for a stage.", "stage")
        self._size = gauge(self.registry, "next_batch_rows", "The size of a source's next batch.", "source")
        self._failing = gauge(self.registry, "failing", "Attempts in a row that failed.", "of")
        self._leads = gauge(self.registry, "leads", "Whether this worker drives.")
        self._pass_seconds = gauge(
            self.registry, "pass_seconds", "How long the last pass took that did something."
        )

    def leads(self) -> None:
        """This worker drives."""
        self._leads.set(1)

    def waits(self) -> None:
        """Another one does."""
        self._leads.set(0)

    def passed(self, one: Pass) -> None:
        """Count a pass."""
        for result in one.results:
            self._batches.count(result)
        self._served.count({1.1**step / 1_000: count for step, count in one.latency.counts.items()})
        for stage, waiting in one.waiting.items():
            self._waiting.labels(stage).set(waiting)
        for source, size in one.batch_sizes.items():
            self._size.labels(source).set(size)
        self._failing.clear()
        for failure in one.failures:
            self._failing.labels(failure.of).set(failure.times)
        self._pass_seconds.set(one.seconds)


class WatchMetrics:
    """Of the watch: what it saw with its last look."""

    def __init__(self, sla_seconds: float) -> None:
        """Begin to show.

        Args:
            sla_seconds: The SLA.
        """
        self.registry = CollectorRegistry()
        names = ("stage", "source")
        self._lag = gauge(self.registry, "lag_seconds", "How far a stage is behind.", *names)
        self._watermark = gauge(
            self.registry,
            "watermark_timestamp_seconds",
            "Everything up to here is through the stage.",
            *names,
        )
        self._backlog = gauge(self.registry, "backlog", "What waits for a stage or before it.", *names)
        self._sla = gauge(self.registry, "sla_seconds", "The SLA.")
        self._sla.set(sla_seconds)
        self._open = gauge(self.registry, "alarms_open", "Alarms that are open.", "alarm", "severity")
        self._undelivered = gauge(self.registry, "alarms_undelivered", "Notices that no receiver took yet.")
        self._looked = gauge(self.registry, "watch_looked_timestamp_seconds", "When the watch last looked.")
        self._look_seconds = gauge(self.registry, "watch_look_seconds", "How long that took.")
        self._sees = gauge(self.registry, "watch_sees_state", "Whether the state answers.")
        self._driver = gauge(
            self.registry, "driver_beat_timestamp_seconds", "The last sign of life of who drives."
        )
        self._daemon = gauge(self.registry, "daemon_beat_timestamp_seconds", "That of Dagster's daemon.")
        self._wrong = gauge(self.registry, "ledger_wrong_batches", "Batches that do not add up.")
        self._recent = gauge(
            self.registry, "recent_rows", "What a source sent lately, by what became of it.", "source", "what"
        )
        self._free = gauge(self.registry, "disk_free_bytes", "Room where the state is.", "place")

    def looked(self, look: Look) -> None:
        """Show a look."""
        signs = look.signs
        self._looked.set(signs.at / 1_000_000)
        self._look_seconds.set(look.seconds)
        self._undelivered.set(look.undelivered)
        self._sees.set(isinstance(signs, Signs))
        self._open.clear()
        for alarm in look.alarms:
            self._open.labels(alarm.finding.name, alarm.finding.severity).inc()
        for disk in signs.disks:
            self._free.labels(disk.place).set(disk.free)
        if not isinstance(signs, Signs):
            return
        for lag in signs.freshness.lags:
            self._lag.labels(lag.stage, lag.source).set(lag.seconds)
            self._backlog.labels(lag.stage, lag.source).set(lag.waiting)
            if lag.watermark is not None:
                self._watermark.labels(lag.stage, lag.source).set(lag.watermark / 1_000_000)
        self._driver.set(signs.driver.beat_at / 1_000_000)
        if signs.daemon_beat_at is not None:
            self._daemon.set(signs.daemon_beat_at / 1_000_000)
        self._wrong.set(len(signs.wrong_batches))
        self._recent.clear()
        for source, of in signs.quarantined.items():
            self._recent.labels(source, "received").set(of.received)
            self._recent.labels(source, "quarantined").set(of.quarantined)
