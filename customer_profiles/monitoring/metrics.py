"""Metrics for Prometheus: what is counted has its name here. No label ever holds a value of a person."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.metrics_core import HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.monitoring.tables import TERMS

LOG = logging.getLogger(__name__)

SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
SERVED_SECONDS = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30, 45, 60, 120, 300, 900, 3_600)
ROWS = (1, 5, 10, 50, 100, 500, 1_000, 5_000, 10_000, 50_000)


@contextmanager
def showing(registry: CollectorRegistry, host: str, port: int | None) -> Iterator[None]:
    """Show metrics at `/metrics` until the end of the block; where the port is taken, none are shown, which is logged.

    Args:
        registry: What is shown.
        host: The address to listen on.
        port: The port; None to show none.
    """
    if port is None:
        yield
        return
    try:
        server, thread = start_http_server(port, host, registry)
    except OSError as error:
        LOG.warning("No metrics are shown: %s:%d cannot be listened on (%s).", host, port, error.strerror)
        yield
        return
    try:
        yield
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class BatchMetrics:
    """What batches of stages did."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register.

        Args:
            registry: Where.
        """
        self._received = Counter(
            "customer_profiles_received",
            "What a stage received.",
            ("stage", "source"),
            registry=registry,
        )
        self._outcomes = Counter(
            "customer_profiles_outcomes",
            "What became of it: the ledger's terms.",
            ("stage", "source", "outcome"),
            registry=registry,
        )
        self._seconds = Histogram(
            "customer_profiles_batch_seconds",
            "How long a batch took.",
            ("stage",),
            registry=registry,
            buckets=SECONDS,
        )
        self._rows = Histogram(
            "customer_profiles_batch_rows",
            "How much a batch received.",
            ("stage",),
            registry=registry,
            buckets=ROWS,
        )

    def count(self, result: StageResult) -> None:
        """Count a batch."""
        self._received.labels(result.stage, result.source).inc(result.received)
        for term in TERMS:
            of_term = getattr(result, term)
            if of_term:
                self._outcomes.labels(result.stage, result.source, term).inc(of_term)
        self._seconds.labels(result.stage).observe(result.seconds)
        self._rows.labels(result.stage).observe(result.received)


class ServedMetrics(Collector):
    """Times from received to served: many at once, as batches are measured."""

    def __init__(self, registry: CollectorRegistry) -> None:
        """Register.

        Args:
            registry: Where.
        """
        self._counts = dict.fromkeys(SERVED_SECONDS, 0)
        self._more = 0
        self._sum = 0.0
        registry.register(self)

    def count(self, times: Mapping[float, int]) -> None:
        """Count interactions.

        Args:
            times: How many by their time from received to served, seconds.
        """
        for seconds, count in times.items():
            bound = next((one for one in SERVED_SECONDS if seconds <= one), None)
            if bound is None:
                self._more += count
            else:
                self._counts[bound] += count
            self._sum += seconds * count

    def collect(self) -> Iterator[Metric]:
        """As Prometheus wants it: each bucket holds those before it too."""
        total, buckets = 0, []
        for bound, count in self._counts.items():
            total += count
            buckets.append((str(float(bound)), total))
        buckets.append(("+Inf", total + self._more))
        family = HistogramMetricFamily(
            "customer_profiles_served_seconds", "How long interactions took from received to in the profiles."
        )
        family.add_metric([], buckets, self._sum)
        yield family


def gauge(registry: CollectorRegistry, name: str, says: str, *labels: str) -> Gauge:
    """A gauge of ours.

    Args:
        registry: Where.
        name: Its name after `customer_profiles_`.
        says: What it says.
        labels: The names of its labels.
    """
    return Gauge(f"customer_profiles_{name}", says, labels, registry=registry)
