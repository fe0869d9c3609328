"""What an applier is: the part of the ingest stage that knows one contract."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import sqlalchemy as sa

from customer_profiles.cleaning.quarantine import Rejected
from customer_profiles.cleaning.rows import CleanRow
from customer_profiles.sources.envelope import Envelope


@dataclass(slots=True)
class Arrival:
    """A row that arrived, cleaned.

    Attributes:
        feed: The feed that brought it.
        envelope: As received.
        row: As cleaned.
        snapshot: The number of the snapshot it belongs to, where its feed is read whole each time.
        again: Whether it is read again because the feed's settings changed.
    """

    feed: str
    envelope: Envelope
    row: CleanRow
    snapshot: int | None = None
    again: bool = False


@dataclass(slots=True)
class Applied:
    """What became of the rows that were applied."""

    applied: int = 0
    unchanged: int = 0
    duplicate: int = 0
    facts: dict[str, int] = field(default_factory=dict)

    def count(self, term: str) -> None:
        """One more of a term of the ledger."""
        setattr(self, term, getattr(self, term) + 1)


class Applier(Protocol):
    """Writes the clean rows of one contract."""

    def prepare(self, arrivals: Sequence[Arrival], received_at: int) -> None:
        """Write what belongs to another store, before the transaction that moves the cursor; doing it twice is no harm."""

    def apply(self, connection: sa.Connection, arrivals: Sequence[Arrival], received_at: int) -> Applied:
        """Write the rows, in the order of their delivery."""

    def reject(
        self, connection: sa.Connection, rejected: Sequence[Rejected], snapshots: Mapping[str, int]
    ) -> None:
        """Take note of rows that went to the quarantine."""

    def finish(self, connection: sa.Connection, snapshots: Mapping[str, int], received_at: int) -> Applied:
        """Draw the conclusions from snapshots that were read to their end: feed to number."""
