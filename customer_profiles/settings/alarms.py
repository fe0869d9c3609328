"""When `customer-profiles watch` raises an alarm, and whom it tells."""

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from customer_profiles.settings.base import Name, Part


class SecretVariable(Part):
    """A secret in an environment variable."""

    provider: Literal["environment"]
    """The environment."""
    variable: str
    """The name of the variable."""


def _http_url(url: str) -> str:
    if not url.startswith(("http://", "https://")):
        raise ValueError("must begin with https:// or http://")
    return url.rstrip("/")


HttpUrl = Annotated[str, AfterValidator(_http_url)]


class _Receiver(Part):
    least: Literal["warning", "critical"] = "warning"
    """The least severity that it is told of."""


class Alertmanager(_Receiver):
    """Prometheus Alertmanager (API v2): groups, reminds, silences and escalates."""

    type: Literal["alertmanager"]
    """Alertmanager."""
    url: HttpUrl
    """Its address, such as http://127.0.0.1:9093."""


class PagerDuty(_Receiver):
    """PagerDuty (Events API v2)."""

    type: Literal["pagerduty"]
    """PagerDuty."""
    routing_key: SecretVariable
    """The integration key of the service."""
    url: HttpUrl = "https://events.pagerduty.com"
    """The address of its events API; another one for its European region."""


class Slack(_Receiver):
    """An incoming webhook of Slack, or of what understands the same."""

    type: Literal["slack"]
    """Slack."""
    url: SecretVariable
    """The webhook's URL, which is a secret."""


class Email(_Receiver):
    """Mail over SMTP."""

    type: Literal["email"]
    """Mail."""
    host: str
    """The mail server."""
    port: int = Field(587, ge=1, le=65535)
    """Its port."""
    security: Literal["starttls", "tls", "none"] = "starttls"
    """How the connection is protected; `none` is for a server on this machine."""
    user: str | None = None
    """Who logs in; nobody by default."""
    password: SecretVariable | None = None
    """The password of the user."""
    sender: str
    """The address it comes from."""
    to: tuple[str, ...] = Field(min_length=1)
    """The addresses it goes to."""


class Webhook(_Receiver):
    """A plain POST of JSON."""

    type: Literal["webhook"]
    """A webhook."""
    url: HttpUrl
    """Where to."""
    token: SecretVariable | None = None
    """Sent as `Authorization: Bearer …`."""


Receiver = Annotated[Alertmanager | PagerDuty | Slack | Email | Webhook, Field(discriminator="type")]


class Alarms(Part):
    """When an alarm is raised, and who is told."""

    receivers: Mapping[Name, Receiver] = {}
    """Who is told, by a name of your own."""
    runbooks: str = "docs/runbooks"
    """Where the runbooks are: a page's link is this, a slash, the alarm's name and `.md`."""
    failing_seconds: float = Field(15.0, ge=0)
    """So long a source or a stage may fail, attempt after attempt."""
    worker_seconds: float = Field(30.0, gt=0)
    """So long nobody may drive the pipeline: long enough for a deployment."""
    pass_seconds: float = Field(120.0, gt=0)
    """So long one pass of the worker may take before it counts as hung."""
    daemon_seconds: float = Field(120.0, gt=0)
    """So long Dagster's daemon may be silent, once it was heard of."""
    run_seconds: float = Field(30.0, ge=0)
    """So long a job of Dagster may stay failed: a run after it may mend it."""
    quarantine_share: float = Field(0.2, gt=0, le=1)
    """At most this share of what a source sends within `quarantine_minutes` may go to the quarantine."""
    quarantine_minutes: float = Field(5.0, gt=0)
    """How far back that share looks."""
    quarantine_least: int = Field(50, ge=1)
    """Fewer rows in the quarantine in that time are no alarm."""
    disk_free_mb: int = Field(1024, ge=0)
    """So many megabytes must be free where the state is."""
