"""The collector: where it listens, how much it takes, and the write keys that clients name."""

from typing import Annotated, Literal

from pydantic import Field

from customer_profiles.settings.base import Part


class DerivedWriteKey(Part):
    """A write key derived from the master key; `customer-profiles serve --write-keys` shows it."""

    provider: Literal["master_key"]
    """The master key."""


class WriteKeyVariable(Part):
    """A write key in an environment variable."""

    provider: Literal["environment"]
    """The environment."""
    variable: str
    """The name of the variable."""


WriteKey = Annotated[DerivedWriteKey | WriteKeyVariable, Field(discriminator="provider")]


class CollectorConnector(Part):
    """Reads what clients of the Segment HTTP tracking API sent to `customer-profiles serve`."""

    type: Literal["collector"]
    """The collector."""
    write_keys: tuple[WriteKey, ...] = Field(
        ({"provider": "master_key"},), min_length=1, validate_default=True
    )
    """The keys whose events belong to this source; several while one takes the place of another."""


class Collector(Part):
    """How `customer-profiles serve` listens, and how much it takes."""

    host: str = "127.0.0.1"
    """The address to listen on. Events are personal data: beyond this machine, stand behind a proxy with TLS."""
    port: int = Field(8080, ge=1, le=65535)
    """The port to listen on."""
    largest_event: int = Field(32 * 1024, ge=1024, le=16 << 20)
    """Bytes of one event."""
    largest_request: int = Field(500 * 1024, ge=1024, le=64 << 20)
    """Bytes of one request, unpacked."""
    backlog: int = Field(1_000_000, ge=1)
    """Events that may wait to be read; with more the answer is 429."""
    requests_at_once: int = Field(256, ge=1, le=100_000)
    """Requests that may be read or wait for the disk at the same time; with more the answer is 429."""
    unwritten: int = Field(64 << 20, ge=1024)
    """Bytes of events that may wait in memory to be written, as while the disk is slow; with more the answer is 429."""
    retry_after: int = Field(5, ge=1, le=300)
    """Seconds after which a client that was turned away may try again."""
