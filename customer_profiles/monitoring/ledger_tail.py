"""Follows the ledger: reads each batch once, and keeps what is wrong and what went to the quarantine lately."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.monitoring.alarms.signs import Quarantined
from customer_profiles.monitoring.ledger import ledger_check
from customer_profiles.monitoring.tables import TERMS, ledger

_AT_ONCE = 10_000
_SUM: sa.ColumnElement[int] = sum((ledger.c[term] for term in TERMS), start=sa.literal(0))


@dataclass(frozen=True, slots=True)
class _Ingested:
    at: int
    source: str
    received: int
    quarantined: int


class LedgerTail:
    """Where somebody who looks on stands in the ledger."""

    def __init__(self, window: int) -> None:
        """Begin to follow.

        Args:
            window: How far back the quarantine counts (micros).
        """
        self._window = window
        self._last: int | None = None
        self._recent: deque[_Ingested] = deque()
        self._wrong: tuple[int, ...] = ()
        self.received = 0
        """Received from sources since the looking began."""

    def follow(self, connection: sa.Connection, now: int) -> None:
        """Read the batches that came since; the first time, check all that are there.

        Args:
            connection: A connection that sees the state store.
            now: Micros.
        """
        if self._last is None:
            self._begin(connection, now)
        else:
            self._go_on(connection, self._last)
        if self._wrong:
            again = sa.select(ledger.c.batch_no).where(
                ledger.c.batch_no.in_(self._wrong), ledger.c.received != _SUM
            )
            self._wrong = tuple(sorted(connection.execute(again).scalars()))
        while self._recent and self._recent[0].at < now - self._window:
            self._recent.popleft()

    @property
    def wrong_batches(self) -> tuple[int, ...]:
        """Numbers of batches that do not add up."""
        return self._wrong

    @property
    def quarantined(self) -> dict[str, Quarantined]:
        """What became lately of what each source sent."""
        found: dict[str, Quarantined] = {}
        for one in self._recent:
            before = found.get(one.source, Quarantined(0, 0))
            found[one.source] = Quarantined(
                before.received + one.received, before.quarantined + one.quarantined
            )
        return found

    def _begin(self, connection: sa.Connection, now: int) -> None:
        self._wrong = ledger_check(connection).wrong_batches
        newest = (
            sa.select(ledger.c.batch_no, ledger.c.committed_at)
            .order_by(ledger.c.batch_no.desc())
            .limit(_AT_ONCE)
        )
        rows = connection.execute(newest).all()
        recent = [number for number, at in rows if at >= now - self._window]
        self._last = rows[0][0] if rows else 0
        if recent:
            self._go_on(connection, min(recent) - 1)

    def _go_on(self, connection: sa.Connection, last: int) -> None:
        columns = ("batch_no", "stage", "source", "received", "quarantined", "committed_at")
        while True:
            rows = connection.execute(
                sa.select(*[ledger.c[name] for name in columns], (ledger.c.received != _SUM).label("wrong"))
                .where(ledger.c.batch_no > last)
                .order_by(ledger.c.batch_no)
                .limit(_AT_ONCE)
            ).all()
            for number, stage, source, received, quarantined, at, wrong in map(tuple, rows):
                last = number
                if wrong and number not in self._wrong:
                    self._wrong = (*self._wrong, number)
                if source and stage.startswith("ingest_"):
                    self.received += received
                    self._recent.append(_Ingested(at, source, received, quarantined))
            self._last = max(last, self._last or 0)
            if len(rows) < _AT_ONCE:
                return
