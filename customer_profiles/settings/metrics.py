"""Where processes show their metrics to Prometheus."""

from pydantic import Field

from customer_profiles.settings.base import Part

_Port = Field(None, ge=1, le=65535)


class Metrics(Part):
    """Metrics for Prometheus at `/metrics`, each process on a port of its own; one without a port shows none."""

    host: str = "127.0.0.1"
    """The address to listen on. Metrics hold no personal data, and no log-in guards them."""
    worker_port: int | None = _Port
    """The port of `customer-profiles stream`."""
    collector_port: int | None = _Port
    """The port of `customer-profiles serve`, apart from the one that takes events."""
    watch_port: int | None = _Port
    """The port of `customer-profiles watch`."""
