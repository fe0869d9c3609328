"""Steward decisions as they are stored: made, undone, read back as of a log position."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from uuid import uuid4

import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.decisions.rulings import Apart, Rulings, Together
from customer_profiles.identity.tables import decision
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve


class DecisionError(CustomerProfilesError):
    """A decision that cannot be made or undone."""


class DecisionKind(StrEnum):
    """What a steward can say about two sets of records."""

    TOGETHER = "together"
    APART = "apart"


@dataclass(frozen=True)
class Decision:
    """One decision, with its place in the log.

    Attributes:
        decision_id: Its ID.
        kind: What it says.
        side_a: Record numbers.
        side_b: Record numbers.
        decided_at: When (micros).
        change_no: Its log position.
        undone_change_no: The log position at which it was undone, or None.
    """

    decision_id: str
    kind: DecisionKind
    side_a: frozenset[int]
    side_b: frozenset[int]
    decided_at: int
    change_no: int
    undone_change_no: int | None

    @property
    def records(self) -> frozenset[int]:
        """All records that it names."""
        return self.side_a | self.side_b

    def in_force(self, position: int) -> bool:
        """Whether it counts once the log is read up to a position."""
        return self.change_no <= position and (
            self.undone_change_no is None or self.undone_change_no > position
        )


def decide(
    connection: sa.Connection,
    kind: DecisionKind,
    side_a: Collection[int],
    side_b: Collection[int],
    *,
    by: str,
    reason: str,
    decided_at: int | None = None,
    decision_id: str | None = None,
) -> str:
    """Write a decision into the log; the next resolve obeys it.

    Args:
        connection: Writing to the state store.
        kind: Together or apart.
        side_a: Record numbers of one side.
        side_b: Record numbers of the other.
        by: Who decides.
        reason: Why.
        decided_at: When (micros), now by default.
        decision_id: Its ID, a new one by default.

    Returns:
        The ID of the decision.

    Raises:
        DecisionError: A side is empty, or a record stands on both.
    """
    if not side_a or not side_b:
        raise DecisionError("A decision needs records on both sides: name at least one on each.")
    if set(side_a) & set(side_b):
        raise DecisionError("A record cannot stand on both sides of a decision: name it on one of them.")
    decision_id = decision_id or str(uuid4())
    connection.execute(
        decision.insert().values(
            decision_id=decision_id,
            kind=kind,
            side_a=to_json(sorted(side_a)),
            side_b=to_json(sorted(side_b)),
            decided_at=time.time_ns() // 1000 if decided_at is None else decided_at,
            decided_by=by,
            reason=reason,
            change_no=reserve(connection, "change"),
        )
    )
    return decision_id


def undo(
    connection: sa.Connection,
    decision_id: str,
    undone_at: int | None = None,
    *,
    by: str | None = None,
    reason: str | None = None,
) -> None:
    """Take a decision back; the next resolve no longer obeys it.

    Args:
        connection: Writing to the state store.
        decision_id: Its ID.
        undone_at: When (micros), now by default.
        by: Who takes it back.
        reason: Why.

    Raises:
        DecisionError: There is no such decision, or it was undone before.
    """
    undone = connection.execute(
        decision.update()
        .where(decision.c.decision_id == decision_id, decision.c.undone_change_no.is_(None))
        .values(
            undone_at=time.time_ns() // 1000 if undone_at is None else undone_at,
            undone_change_no=reserve(connection, "change"),
            undone_by=by,
            undone_reason=reason,
        )
    ).rowcount
    if undone != 1:
        raise DecisionError(
            f"There is no decision {decision_id} in force: list the decisions to see their IDs."
        )


def read_decisions(connection: sa.Connection) -> list[Decision]:
    """All decisions, undone ones too, in order of the log."""
    columns = ("decision_id", "kind", "side_a", "side_b", "decided_at", "change_no", "undone_change_no")
    rows = connection.execute(
        sa.select(*(decision.c[name] for name in columns)).order_by(decision.c.change_no)
    )
    return [
        Decision(id_, DecisionKind(kind), frozenset(from_json(a)), frozenset(from_json(b)), at, made, undone)
        for id_, kind, a, b, at, made, undone in rows
    ]


def rulings_at(decisions: Collection[Decision], position: int) -> Rulings:
    """The decisions in force once the log is read up to a position."""
    in_force = [decision for decision in decisions if decision.in_force(position)]
    return Rulings(
        tuple(
            Together(decision.decision_id, decision.decided_at, decision.side_a, decision.side_b)
            for decision in in_force
            if decision.kind is DecisionKind.TOGETHER
        ),
        tuple(
            Apart(decision.decision_id, decision.decided_at, decision.side_a, decision.side_b)
            for decision in in_force
            if decision.kind is DecisionKind.APART
        ),
    )
