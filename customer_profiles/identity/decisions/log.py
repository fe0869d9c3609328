"""What stewards decided, with who, when and why: the log as people read it. Reads only."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.identity.decisions.decisions import DecisionError, DecisionKind
from customer_profiles.identity.tables import decision
from customer_profiles.state.schema import from_json

_LEAST_PREFIX = 4


@dataclass(frozen=True)
class LoggedDecision:
    """A decision with its story.

    Attributes:
        decision_id: Its ID.
        kind: Together or apart.
        side_a: Record numbers.
        side_b: Record numbers.
        decided_at: When (micros).
        decided_by: Who.
        reason: Why; free text, which may hold personal data.
        undone_at: When it was taken back (micros), None while it is in force.
        undone_by: Who took it back, where that is known.
        undone_reason: Why; free text.
    """

    decision_id: str
    kind: DecisionKind
    side_a: tuple[int, ...]
    side_b: tuple[int, ...]
    decided_at: int
    decided_by: str
    reason: str
    undone_at: int | None
    undone_by: str | None
    undone_reason: str | None

    @property
    def in_force(self) -> bool:
        """Whether it counts."""
        return self.undone_at is None


def logged_decisions(
    connection: sa.Connection, *, undone: bool = True, limit: int | None = None
) -> list[LoggedDecision]:
    """Decisions, the newest first.

    Args:
        connection: Reading the state store.
        undone: Whether those that were taken back are listed too.
        limit: How many at most; None for all.
    """
    query = sa.select(*(decision.c[name] for name in LoggedDecision.__annotations__)).order_by(
        decision.c.change_no.desc()
    )
    if not undone:
        query = query.where(decision.c.undone_at.is_(None))
    rows = connection.execute(query if limit is None else query.limit(limit))
    return [
        LoggedDecision(id_, DecisionKind(kind), tuple(from_json(a)), tuple(from_json(b)), *rest)
        for id_, kind, a, b, *rest in rows
    ]


def decision_named(connection: sa.Connection, prefix: str) -> str:
    """The ID of the decision in force that begins so; its first characters do, as long as they are its alone.

    Raises:
        DecisionError: No decision in force begins so, or several do.
    """
    query = sa.select(decision.c.decision_id).where(decision.c.undone_at.is_(None))
    known: list[str] = list(connection.execute(query).scalars())
    found = [one for one in known if one == prefix] or [
        one for one in known if one.startswith(prefix) and len(prefix) >= _LEAST_PREFIX
    ]
    if len(found) != 1:
        what = f"{len(found)} decisions in force begin" if found else "No decision in force begins"
        raise DecisionError(f"{what} with {prefix}: list the decisions to see their IDs.")
    return found[0]
