"""What a connector hands over: envelopes, in batches that know where the next one starts."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

Position = Mapping[str, Any]
"""Where a reader is in a feed; plain JSON, empty at the start."""


@dataclass(slots=True)
class Envelope:
    """One row, line or message as the source gave it. Treat it as frozen (freezing would cost a third of the reading).

    Attributes:
        position: Where it stands: the key of a database row (parts joined with commas), or `file:line`.
        payload: Mapped column or dotted path to its value; None when it cannot be read.
        raw: The bytes, when it cannot be read.
        error: The code of a `Reason`, when it cannot be read.
        received_at: When it reached us (micros), where that was before it was read.
    """

    position: str
    payload: Mapping[str, Any] | None
    raw: bytes | None = None
    error: str | None = None
    received_at: int | None = None


@dataclass(frozen=True, slots=True)
class Batch:
    """What one read of a feed gave.

    Attributes:
        envelopes: In the order of the source.
        position: Where the next read starts.
        complete: Nothing more is there now.
        snapshot: The number of the snapshot that these rows belong to, for feeds that are read whole each time.
        again: Whether these rows were read before and are read again, because the settings of the feed changed.
        notes: What a user should know, without personal data: what is read again, and why.
    """

    envelopes: list[Envelope]
    position: Position
    complete: bool
    snapshot: int | None = None
    again: bool = False
    notes: tuple[str, ...] = ()


class Connector(Protocol):
    """Reads the feeds of one source."""

    def read(self, feed: str, position: Position, limit: int) -> Batch:
        """Read at most `limit` envelopes of a feed from a position on.

        Raises:
            SourceError: the source cannot be read; the position stays good.
        """
        ...

    def close(self) -> None:
        """Let go of connections and files."""
        ...
