"""What happened to customers lately, each event with the sentence that explains it. Reads; never writes."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.identity.claims.claims import record_of
from customer_profiles.identity.explain.explain import explain, members_of_customers
from customer_profiles.identity.explain.pair import ExplainError
from customer_profiles.identity.graph.events import EventKind, StoredEvent, newest_events
from customer_profiles.settings.identity import IdentitySettings

NOT_NOW = (
    "The records concerned have changed since: `customer-profiles identity history` tells how it went on."
)


@dataclass(frozen=True)
class ExplainedEvent:
    """An event and why, as it can be explained now.

    Attributes:
        event: The event as it was written.
        pair: The two records that `customer-profiles identity explain` was asked of; None where there are no two.
        sentence: Why, in one sentence: numbers and names of ours, no value of a person.
    """

    event: StoredEvent
    pair: tuple[int, int] | None
    sentence: str


def recent_events(
    connection: sa.Connection, generation: int, settings: IdentitySettings, since: int, most: int
) -> list[ExplainedEvent]:
    """The newest merges and splits, the newest first.

    Args:
        connection: Reading the state store.
        generation: The live generation.
        settings: Those that the graph was resolved with.
        since: The number of the last event that is not asked for.
        most: How many at most: each costs an explanation.
    """
    events = newest_events(connection, since, (EventKind.MERGE, EventKind.SPLIT), most)
    return [_explained(connection, generation, settings, event) for event in events]


def _explained(
    connection: sa.Connection, generation: int, settings: IdentitySettings, event: StoredEvent
) -> ExplainedEvent:
    sides = _sides(connection, generation, event)
    if sides is None:
        return ExplainedEvent(event, None, NOT_NOW)
    try:
        told = explain(connection, generation, settings, *sides)
    except ExplainError:
        return ExplainedEvent(event, None, NOT_NOW)
    if told.together != (event.kind is EventKind.MERGE):
        return ExplainedEvent(event, told.pair, NOT_NOW)
    return ExplainedEvent(event, told.pair, told.sentence)


def _sides(
    connection: sa.Connection, generation: int, event: StoredEvent
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """Of a merge the records of the edge that joined, or else those that founded the customers; of a split the customer
    and the first that went away.
    """
    if event.kind is EventKind.MERGE and (joining := event.cause.get("edge")):
        return (joining[0],), (joining[1],)
    if event.kind is EventKind.MERGE and event.others:
        return (int(record_of(event.customer_no)),), (int(record_of(event.others[0])),)
    if event.kind is EventKind.SPLIT and event.others:
        members = members_of_customers(connection, generation, (event.customer_no, event.others[0]))
        stayed, left = members.get(event.customer_no), members.get(event.others[0])
        if stayed and left:
            return stayed, left
    return None
