"""What every stage of the pipeline looks like from outside."""

from __future__ import annotations

from typing import Protocol

from customer_profiles.monitoring.ledger import StageResult

CONTRACT_ORDER = ("record", "interaction", "consent")
"""Records first: interactions and consent statements belong to them."""


class Stage(Protocol):
    """One small incremental consumer: reads what changed upstream since its cursor, writes, moves the cursor."""

    @property
    def name(self) -> str:
        """The stage's name, the same in cursors, ledger, metrics and Dagster."""
        ...

    @property
    def source(self) -> str:
        """The source it reads, or the empty text when it reads the stage before it."""
        ...

    def advance(self, limit: int) -> StageResult:
        """Do one batch of at most `limit` envelopes in one transaction and say what became of them."""
        ...
