"""Reads what one customer did, one interaction after the other, for one purpose: also what is long sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from customer_profiles.cleaning.interactions import interactions_of
from customer_profiles.consent.decision import decide
from customer_profiles.consent.ledger import statements_of
from customer_profiles.contracts.interaction import INTERACTION
from customer_profiles.serving.lookup import find_customer
from customer_profiles.serving.profile import customer_of
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation
from customer_profiles.state.history.history import despite_merging
from customer_profiles.state.schema import from_json

_COLUMNS = ("occurred_at", "source", "type", "channel", "value", "currency", "properties")
_PROPERTIES = INTERACTION.field("properties").properties


@dataclass(frozen=True, slots=True)
class ServedInteraction:
    """Something a customer did; what the purpose may not see is None, and a property of that kind is left out.

    Attributes:
        occurred_at: When, micros.
        source: The source that saw it.
        type: What was done.
        channel: Where.
        value: What it was worth, in minor units of the currency.
        currency: ISO 4217.
        properties: What the contract declares of it, by name.
    """

    occurred_at: int
    source: str
    type: str | None
    channel: str | None
    value: int | None
    currency: str | None
    properties: Mapping[str, Any]


def read_timeline(
    state: State, settings: Settings, identifier: str, purpose: str, now: int, most: int
) -> list[ServedInteraction]:
    """What one customer did, the newest first.

    Args:
        state: The state, with its history.
        settings: Say which purposes there are.
        identifier: See :func:`~customer_profiles.serving.lookup.find_customer`.
        purpose: What it is read for. One that nobody declared, or that consent denies, gets nothing.
        now: Micros.
        most: At most so many.

    Raises:
        UnknownCustomer: nobody is known by the identifier.
        AmbiguousIdentifier: it belongs to several customers.
        ServingError: the identifier cannot be understood.
        SegmentError: a segment of the history is missing, was cut or changed.
    """

    def read() -> list[ServedInteraction]:
        with state.everything() as conn:
            return _read(conn, state, settings, identifier, purpose, now)[:most]

    return despite_merging(read)


def _read(
    conn: Connection, state: State, settings: Settings, identifier: str, purpose: str, now: int
) -> list[ServedInteraction]:
    generation = live_generation(conn)
    customer = customer_of(conn, generation, find_customer(conn, settings, generation, identifier))
    statements = statements_of(conn, (*customer.record_nos, *customer.dead_record_nos))
    if not decide(statements, settings.purposes, purpose, now).allowed:
        return []
    given = {name for name in _COLUMNS if purpose in INTERACTION.field(name).purposes}
    rows = interactions_of(conn, state.history, customer.record_nos, _COLUMNS)
    return [_served(dict(zip(_COLUMNS, row, strict=True)), given, purpose) for row in rows]


def _served(row: Mapping[str, Any], given: set[str], purpose: str) -> ServedInteraction:
    seen: dict[str, Any] = {name: value if name in given else None for name, value in row.items()}
    said = from_json(seen["properties"]) if seen["properties"] else {}
    declared = {field.name for field in _PROPERTIES if purpose in field.purposes}
    properties = {name: value for name, value in said.items() if name in declared}
    return ServedInteraction(**{**seen, "properties": properties})
