"""What every stage of the pipeline looks like from outside."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

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


@runtime_checkable
class LookingStage(Stage, Protocol):
    """A stage in two halves: a look that reads and computes, and a writing of what it found.

    Between the two others may write: the stage leaves out what they made untrue. So another process can look while this one
    does something else, and only this one writes.
    """

    def look(self, limit: int) -> Any:
        """What `advance` would write, found in a snapshot; can be sent to another process."""
        ...

    def write(self, found: Any) -> StageResult:
        """Write what a look found, in one transaction with the cursor.

        Raises:
            CursorMoved: the stage went on since the look; nothing was written.
        """
        ...
