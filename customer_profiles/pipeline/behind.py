"""How far each stage after ingest is behind what it reads, told from positions: looks at the ends of indexes, no scan."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from customer_profiles.cleaning.interactions import newest_interaction
from customer_profiles.cleaning.tables import record, recount
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.identity.tables import customer, decision
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.segments import RefreshSegmentsStage
from customer_profiles.marts.tables import record_activity, segment_due
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.generations import live_generation


@dataclass(frozen=True, slots=True)
class Behind:
    """What waits for each stage; 0 when there is nothing for it to do.

    Attributes:
        data: About how many numbered changes it has not taken in yet.
        planned: Work that is there because settings changed: records to be counted anew, customers to be looked at by new
            rules. Nobody's data is late for it: what comes meanwhile is taken in first, and who reads what is not counted
            anew yet counts it himself.
    """

    data: Mapping[str, int]
    planned: Mapping[str, int]

    @property
    def total(self) -> dict[str, int]:
        """All of it."""
        return {stage: count + self.planned.get(stage, 0) for stage, count in self.data.items()}


def behind(connection: sa.Connection, now: int) -> Behind:
    """What waits for each stage.

    Args:
        connection: A connection that sees the state store.
        now: Micros; segments that are due by then count.
    """
    live = live_generation(connection)
    changed = _newest(
        connection, sa.select(sa.func.max(customer.c.changed_no)).where(customer.c.generation == live)
    )
    active = _newest(
        connection,
        sa.select(sa.func.max(record_activity.c.changed_no)).where(record_activity.c.generation == live),
    )
    segments = _position(connection, RefreshSegmentsStage.name, str(live))
    due = connection.execute(
        sa.select(sa.func.count()).select_from(
            sa.select(segment_due.c.customer_no)
            .where(segment_due.c.generation == live, segment_due.c.due_at <= now)
            .order_by(segment_due.c.due_at)  # as the index has it
            .limit(1)
            .subquery()
        )
    ).scalar_one()
    decided = max(
        _newest(connection, sa.select(sa.func.max(decision.c.change_no))),
        _newest(connection, sa.select(sa.func.max(decision.c.undone_change_no))),
    )
    versions = _newest(connection, sa.select(sa.func.max(record.c.change_no)))
    interactions = newest_interaction(connection)
    resolved = _position(connection, ResolveStage.name, "").get("change_no", 0)
    accumulated = _position(connection, AccumulateStage.name, str(live))
    moved = _newest(connection, sa.select(sa.func.max(recount.c.recount_no))) if accumulated else 0
    counting_anew = accumulated.get("counted_to") is not None
    folded = _position(connection, RefreshTraitsStage.name, str(live)).get("changed_no", 0)
    sweeping = segments.get("sweep") is not None
    return Behind(
        {
            ResolveStage.name: max(0, max(versions, decided) - resolved),
            AccumulateStage.name: max(0, interactions - accumulated.get("interaction_no", 0))
            + max(0, moved - accumulated.get("moved", 0)),
            RefreshTraitsStage.name: max(0, changed - folded),
            RefreshSegmentsStage.name: max(0, changed - segments.get("customer", 0))
            + max(0, active - segments.get("activity", 0))
            + int(due),
        },
        {AccumulateStage.name: int(counting_anew), RefreshSegmentsStage.name: int(sweeping)},
    )


def _position(connection: sa.Connection, stage: str, source: str) -> Mapping[str, int]:
    return read_cursor(connection, stage, source).position or {}


def _newest(connection: sa.Connection, query: sa.Select[Any]) -> int:
    return int(connection.execute(query).scalar_one() or 0)
