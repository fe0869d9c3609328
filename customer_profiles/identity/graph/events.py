"""What happened to customers between two commits, and why: create, merge, split, delete."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.decisions.decisions import Decision
from customer_profiles.identity.graph.graph_store import Members
from customer_profiles.identity.tables import identity_event
from customer_profiles.state.bulk import insert_rows, rows_by_key
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve

Numbers = NDArray[np.int64]
_NAMED = 10
"""How many records of a cause are named; it is a pointer, not a list."""

_COLUMNS = (
    "event_no", "generation", "committed_at", "kind", "customer_no", "others", "cause_kind", "cause",
)  # fmt: skip


class EventKind(StrEnum):
    """What can happen to a customer."""

    CREATE = "create"
    MERGE = "merge"
    SPLIT = "split"
    DELETE = "delete"


@dataclass(frozen=True)
class IdentityEvent:
    """One thing that happened to a customer."""

    kind: EventKind
    customer_no: int
    others: tuple[int, ...]
    cause_kind: str
    cause: Mapping[str, Any]


@dataclass(frozen=True)
class StoredEvent(IdentityEvent):
    """An identity event as it was written.

    Attributes:
        event_no: Its place among all.
        generation: The generation that is live since.
        committed_at: When (micros).
    """

    event_no: int
    generation: int
    committed_at: int


@dataclass(frozen=True)
class Causes:
    """What a batch brought, to find out why customers changed.

    Attributes:
        whole: Why everything was computed anew (`model`, `settings`, `rebuild`), or None when it was not.
        changed: The records written or deleted, rising.
        decisions: The decisions made or undone.
        left: The smaller record of each accepted edge.
        right: The larger one.
        weight: Its weight.
    """

    whole: str | None
    changed: Numbers
    decisions: Sequence[Decision]
    left: Numbers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    right: Numbers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    weight: Numbers = field(default_factory=lambda: np.zeros(0, dtype=np.int64))


def events_between(old: Members, new: Members, causes: Causes) -> list[IdentityEvent]:
    """What happened to customers between two commits.

    Args:
        old: Who belonged to whom.
        new: Who belongs to whom.
        causes: What the batch between them brought.
    """
    moved = old.of(new.records) != new.customers
    gone = ~np.isin(old.records, new.records)
    touched_old = np.unique(np.concatenate([old.customers[gone], old.of(new.records)[moved]]))
    touched_new = np.unique(new.customers[moved])
    into = _met(new.customers, old.of(new.records), touched_new)
    onto = _met(old.customers, new.of(old.records), touched_old[touched_old >= 0])
    before, after = np.unique(old.customers), np.unique(new.customers)
    known = frozenset(touched_new[np.isin(touched_new, before)].tolist())
    stays = frozenset(touched_old[np.isin(touched_old, after)].tolist())
    reasons = _Reasons(old, new, causes)
    events = []
    for customer_no, came_from in into.items():
        others = tuple(sorted(came_from - {customer_no}))
        if len(came_from) > 1:
            events.append(reasons.event(EventKind.MERGE, customer_no, others))
        elif not came_from and customer_no not in known:
            events.append(reasons.event(EventKind.CREATE, customer_no, ()))
    for customer_no, went_to in onto.items():
        others = tuple(sorted(went_to - {customer_no}))
        if len(went_to) > 1 or (others and all(into.get(other) == {customer_no} for other in others)):
            events.append(reasons.event(EventKind.SPLIT, customer_no, others))
        elif not went_to and customer_no not in stays:
            events.append(reasons.event(EventKind.DELETE, customer_no, ()))
    return events


def write_events(
    connection: sa.Connection, generation: int, events: Sequence[IdentityEvent], committed_at: int
) -> int:
    """Append events to those of a generation that is live, in their order; returns the number of the first."""
    first = reserve(connection, "identity_event", len(events))
    insert_rows(
        connection,
        identity_event,
        ("event_no", "generation", "kind", "customer_no", "others", "cause_kind", "cause", "committed_at"),
        (
            (
                first + i,
                generation,
                event.kind.value,
                event.customer_no,
                to_json(list(event.others)),
                event.cause_kind,
                to_json(dict(event.cause)),
                committed_at,
            )
            for i, event in enumerate(events)
        ),
    )
    return first


def events_of(connection: sa.Connection, customers: Collection[int]) -> list[StoredEvent]:
    """Every event that is written under one of these customers, in order of time."""
    return _stored(rows_by_key(connection, identity_event, "customer_no", customers, _COLUMNS))


def last_event(connection: sa.Connection) -> int:
    """The number of the newest event; 0 before the first."""
    return int(connection.execute(sa.select(sa.func.max(identity_event.c.event_no))).scalar_one() or 0)


def newest_events(
    connection: sa.Connection, since: int, kinds: Collection[EventKind], most: int
) -> list[StoredEvent]:
    """The newest events of some kinds after one, the newest first.

    Args:
        connection: Reading the state store.
        since: The number of the last event that is not asked for.
        kinds: Of which kinds.
        most: How many at most.
    """
    rows = connection.execute(
        sa.select(*(identity_event.c[name] for name in _COLUMNS))
        .where(identity_event.c.event_no > since, identity_event.c.kind.in_([kind.value for kind in kinds]))
        .order_by(identity_event.c.event_no.desc())
        .limit(most)
    )
    return _stored(tuple(row) for row in rows)[::-1]


def events_by_cause(connection: sa.Connection, since: int) -> list[tuple[str, str, int]]:
    """How many events came after one: kind, cause, number."""
    kind, cause = identity_event.c.kind, identity_event.c.cause_kind
    rows = connection.execute(
        sa.select(kind, cause, sa.func.count())
        .where(identity_event.c.event_no > since)
        .group_by(kind, cause)
        .order_by(kind, cause)
    )
    return [(str(kind), str(cause), int(count)) for kind, cause, count in rows]


def _stored(rows: Iterable[tuple[Any, ...]]) -> list[StoredEvent]:
    return [
        StoredEvent(
            EventKind(kind), customer_no, tuple(from_json(others)), cause_kind, from_json(cause), *written
        )
        for *written, kind, customer_no, others, cause_kind, cause in sorted(rows)
    ]


def _met(groups: Numbers, others: Numbers, wanted: Numbers) -> dict[int, set[int]]:
    """For each wanted group the others that its members are in, -1 left out."""
    met: dict[int, set[int]] = {group: set() for group in wanted.tolist()}
    inside = np.isin(groups, wanted)
    pairs = np.unique(np.stack([groups[inside], others[inside]], axis=1), axis=0)
    for group, other in pairs.tolist():
        if other >= 0:
            met[group].add(other)
    return met


class _Reasons:
    """Why customers changed."""

    def __init__(self, old: Members, new: Members, causes: Causes) -> None:
        self._whole = causes.whole
        self._records: dict[int, list[int]] = {}
        for customers in (old.of(causes.changed), new.of(causes.changed)):
            for customer_no, record_no in zip(customers.tolist(), causes.changed.tolist(), strict=True):
                if customer_no >= 0:
                    self._records.setdefault(customer_no, []).append(record_no)
        self._decisions: dict[int, str] = {}
        for decision in causes.decisions:
            named = np.array(sorted(decision.records), dtype=np.int64)
            for customer_no in np.concatenate([old.of(named), new.of(named)]).tolist():
                self._decisions[customer_no] = decision.decision_id
        self._edges = dict(_joining(old, new, causes))

    def event(self, kind: EventKind, customer_no: int, others: tuple[int, ...]) -> IdentityEvent:
        """The event with its cause: a decision before a record, a record before an edge alone."""
        concerned = (customer_no, *others)
        edge = self._edges.get(customer_no, {}) if kind is EventKind.MERGE else {}
        if self._whole is not None:
            return IdentityEvent(kind, customer_no, others, self._whole, edge)
        decision = next((self._decisions[one] for one in concerned if one in self._decisions), None)
        if decision is not None:
            return IdentityEvent(kind, customer_no, others, "decision", {"decision_id": decision})
        records = sorted({record for one in concerned for record in self._records.get(one, ())})
        if records:
            return IdentityEvent(
                kind, customer_no, others, "record", {"record_nos": records[:_NAMED], **edge}
            )
        return IdentityEvent(kind, customer_no, others, "edge", edge)


def _joining(old: Members, new: Members, causes: Causes) -> Iterator[tuple[int, dict[str, Any]]]:
    """By new customer the strongest accepted edge between records that were of different customers before."""
    if not len(causes.left):
        return
    before = old.of(causes.left), old.of(causes.right)
    at = np.flatnonzero(before[0] != before[1])
    at = at[np.lexsort((-causes.right[at], -causes.left[at], causes.weight[at]))]
    customers = new.of(causes.left[at])
    # The dict keeps the last of several, so the strongest is given last.
    for customer_no, i in zip(customers.tolist(), at.tolist(), strict=True):
        yield (
            customer_no,
            {"edge": [int(causes.left[i]), int(causes.right[i])], "weight": int(causes.weight[i])},
        )
