"""Where the graph of a generation stands: how far in the log, by which model and settings, how large."""

from __future__ import annotations

from dataclasses import dataclass, replace
from hashlib import blake2b

import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.graph.changes import Changes, read_changes
from customer_profiles.identity.model.models import promoted_version
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.cursors import Cursor, read_cursor
from customer_profiles.state.generations import live_generation

RESOLVE = "resolve"
"""The stage that makes the graph, and the name of its cursor."""
INDEX_FORMAT = 3
"""Stands in the cursor: a graph whose index has another format is computed anew."""


@dataclass(frozen=True)
class Position:
    """Up to where the log is in a generation, what made its graph, and how large that is."""

    change_no: int
    generation: int
    model: int
    settings: str
    index: int = 0
    records: int = 0
    customers: int = 0
    edges: int = 0

    @classmethod
    def of(cls, cursor: Cursor) -> Position | None:
        """What a cursor of the stage says; None before its first batch."""
        return None if cursor.position is None else cls(**cursor.position)

    def why_anew(self, before: Position | None) -> str | None:
        """Why the graph must be computed again although no record changed, None when it need not."""
        if before is None or before.generation != self.generation:
            return "rebuild"
        if before.model != self.model:
            return "model"
        return None if before.settings == self.settings else "settings"


def cursor_source(generation: int, live: int) -> str:
    """The live generation has the stage's own cursor; one that is being built has one of its own."""
    return "" if generation == live else f"generation {generation}"


def stands_at(connection: sa.Connection, cursor: Cursor, generation: int, live: int) -> Position | None:
    """Where a generation's graph stands; one just promoted stands where it was built."""
    before = Position.of(cursor)
    if before is not None and generation == live and before.generation != generation:
        built = Position.of(read_cursor(connection, RESOLVE, f"generation {generation}"))
        if built is not None and built.change_no == before.change_no:
            return built
    return before


def caught_up(connection: sa.Connection, live: int) -> bool:
    """Whether the live generation has taken in everything."""
    position = Position.of(read_cursor(connection, RESOLVE))
    return not read_changes(connection, position.change_no if position else 0, live, 1).received


def fingerprint(settings: IdentitySettings) -> str:
    """A digest of the settings that the graph depends on."""
    text = settings.model_dump_json(exclude={"training", "truth", "largest_cluster_alarm"})
    return blake2b(text.encode(), digest_size=8).hexdigest()


class NotResolved(CustomerProfilesError):
    """The live graph is not there, or not that of all that is known."""


@dataclass(frozen=True)
class Standing:
    """The live graph, when it has taken in all there is.

    Attributes:
        generation: Its generation.
        changes: The empty part of the log after it, with the decisions.
        records: How many records it says it has.
        customers: How many customers.
        edges: How many edges.
    """

    generation: int
    changes: Changes
    records: int
    customers: int
    edges: int


def standing(connection: sa.Connection, settings: IdentitySettings) -> Standing:
    """The live graph, for those who can look at it only while nothing waits.

    Args:
        connection: Reading the state store.
        settings: The settings that it should have been made with.

    Raises:
        NotResolved: There is no graph, changes wait to be resolved, or another model or other settings are to be taken up.
    """
    live = live_generation(connection)
    before = stands_at(connection, read_cursor(connection, RESOLVE), live, live)
    if before is None:
        raise NotResolved("There is no identity graph yet: `customer-profiles run` makes it.")
    now = replace(before, generation=live, model=promoted_version(connection), settings=fingerprint(settings))
    changes = read_changes(connection, before.change_no, live, 1)
    if changes.received or now.why_anew(before) or before.index != INDEX_FORMAT:
        raise NotResolved(
            "Changes wait to be resolved (records, decisions, another model or other settings): "
            "`customer-profiles run` takes them in."
        )
    return Standing(live, changes, before.records, before.customers, before.edges)
