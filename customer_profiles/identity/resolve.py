"""The stage that finds out who is who: changed records in, edges, customers, claims and identity events out.

It computes the whole graph and writes what differs, so a batch takes all that waits: cutting it up would cost
a graph a piece and give the same. Everything is read and computed in one snapshot, then written in one
transaction with the cursor.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import cached_property
from hashlib import blake2b

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.cleaning.tables import superseded_record
from customer_profiles.identity.changes import Changes, read_changes
from customer_profiles.identity.claim_store import read_claims, write_claims, write_deaths, write_estates
from customer_profiles.identity.claims import founders
from customer_profiles.identity.events import Causes, IdentityEvent, events_between, write_events
from customer_profiles.identity.graph_store import (
    Members,
    read_members,
    write_customers,
    write_edges,
    write_members,
    write_review,
)
from customer_profiles.identity.linking import Linked, link
from customer_profiles.identity.membership_history import (
    moved_between,
    touched_claims,
    write_membership_history,
)
from customer_profiles.identity.models import model_in_use, promoted_version
from customer_profiles.identity.records import identity_records
from customer_profiles.identity.succession import Rulebook, Succession, succeed
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import delete_rows
from customer_profiles.state.cursors import Cursor, CursorMoved, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation
from customer_profiles.state.sequences import reserve

Numbers = NDArray[np.int64]
_CATCH_UPS = 5


@dataclass(frozen=True)
class _Position:
    """Up to where the log is in a generation, and what made its graph."""

    change_no: int
    generation: int
    model: int
    settings: str

    @classmethod
    def of(cls, cursor: Cursor) -> _Position | None:
        return None if cursor.position is None else cls(**cursor.position)

    def why_anew(self, before: _Position | None) -> str | None:
        """Why the graph must be computed again although no record changed, None when it need not."""
        if before is None or before.generation != self.generation:
            return "rebuild"
        if before.model != self.model:
            return "model"
        return None if before.settings == self.settings else "settings"


@dataclass(frozen=True)
class _Batch:
    """What one call of the stage read and found out."""

    cursor: Cursor
    position: _Position
    changes: Changes
    old: Members
    new: Members
    linked: Linked
    succession: Succession | None
    events: list[IdentityEvent]

    @cached_property
    def changed_customers(self) -> tuple[Numbers, Numbers]:
        """Customers with other members or other content than before, and how many members each has now."""
        old, new, records = self.old, self.new, self.changes.records
        moved = old.of(new.records) != new.customers
        gone = ~np.isin(old.records, new.records)
        concerned = (
            new.customers[moved],
            old.of(new.records)[moved],
            old.customers[gone],
            old.of(records),
            new.of(records),
        )
        customers = np.unique(np.concatenate(concerned))
        customers = customers[customers >= 0]
        present, sizes = np.unique(new.customers, return_counts=True)
        of = np.zeros(len(customers), dtype=np.int64)
        found = np.isin(customers, present)
        of[found] = sizes[np.searchsorted(present, customers[found])]
        return customers, of


class ResolveStage:
    """Finds out which records are one customer."""

    name = "resolve"
    source = ""

    def __init__(
        self,
        state: State,
        settings: Settings,
        generation: int | None = None,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Bind the stage.

        Args:
            state: The open state.
            settings: `identity` says how.
            generation: The generation to write; None for the one that is live. Claims, estates and what was
                consumed of
                the log belong to the live one alone.
            now: The clock (micros).
        """
        self._state = state
        self._settings = settings
        self._generation = generation
        self._now = now

    def advance(self, limit: int) -> StageResult:
        """Resolve everything that waits, in one transaction with the cursor.

        Args:
            limit: Without effect: a batch costs the same, however many changes it holds.

        Raises:
            BundleError: The promoted model cannot be read; nothing was changed.
            CursorMoved: Another run resolved meanwhile; nothing was lost.
        """
        started = time.monotonic()
        for _ in range(_CATCH_UPS):
            with self._state.reading() as connection:
                live = live_generation(connection)
                generation = self._generation or live
                if generation == live or _caught_up(connection):
                    batch = self._compute(connection, generation, live)
                    break
            # What happened to claims is told by the live generation's clusters, so that one goes first.
            ResolveStage(self._state, self._settings, None, self._now).advance(limit)
        else:
            raise CursorMoved("Records come in faster than a rebuild can follow. Run it again.")
        if batch is None:
            return StageResult(stage=self.name, seconds=time.monotonic() - started)
        with self._state.writing() as connection:
            if live_generation(connection) != live:
                raise CursorMoved(
                    "Another generation was promoted meanwhile. Nothing was lost: run it again."
                )
            return self._write(connection, batch, started)

    def _compute(self, connection: sa.Connection, generation: int, live: int) -> _Batch | None:
        """Everything that is to be written, None when nothing is new."""
        identity = self._settings.identity
        cursor = read_cursor(connection, self.name, _cursor_source(generation, live))
        before = _stands_at(connection, cursor, generation, live)
        changes = read_changes(connection, before.change_no if before else 0)
        version = promoted_version(connection)
        position = _Position(changes.until, generation, version, _fingerprint(identity))
        first = before is None and generation == live
        whole = None if first else position.why_anew(before)
        if not changes.received and whole is None:
            return None
        bundle = model_in_use(connection).bundle
        records = identity_records(connection)
        rulings = Rulebook(changes).at(changes.until)
        linked = link(records, bundle, identity, rulings)
        old, stored = read_members(connection, generation), read_claims(connection)
        numbers = linked.clustering.records
        succession = None
        if generation == live:
            succession = succeed(connection, changes, old, stored, records, bundle, identity)
            claims, of_claims = succession.claims, (succession.numbers, succession.seniority)
        else:
            claims, of_claims = stored.claims(numbers), (stored.numbers, stored.seniority)
        labels = linked.clustering.labels
        new = Members(numbers, founders(claims, *of_claims, numbers, labels, rulings))
        known = read_members(connection, live) if before is None and generation != live else old
        accepted, pairs = linked.clustering.accepted, linked.edges.pairs
        edges = pairs.left[accepted], pairs.right[accepted], pairs.weight[accepted]
        events = events_between(known, new, Causes(whole, changes.records, changes.fresh_decisions, *edges))
        return _Batch(cursor, position, changes, old, new, linked, succession, events)

    def _write(self, connection: sa.Connection, batch: _Batch, started: float) -> StageResult:
        generation, now = batch.position.generation, self._now()
        move_cursor(connection, batch.cursor, asdict(batch.position))
        if (succession := batch.succession) is not None:
            write_claims(connection, succession.made, succession.made_seniority, succession.made_at)
            write_estates(connection, succession.estates)
            write_deaths(connection, succession.died_at)
            consumed = [version.change_no for version in batch.changes.superseded]
            delete_rows(connection, superseded_record, "change_no", consumed)
        verdicts = batch.linked.clustering.verdicts
        written, deleted = write_edges(connection, generation, batch.linked.edges, verdicts)
        write_review(connection, generation, batch.linked.edges)
        write_members(connection, generation, batch.old, batch.new)
        if succession is not None:
            claims = touched_claims(connection, succession, batch.changes.fresh_decisions)
            write_membership_history(
                connection, generation, now, *moved_between(batch.old, batch.new), claims
            )
        customers, sizes = batch.changed_customers
        first = reserve(connection, "customer_change", len(customers))
        write_customers(connection, generation, customers, sizes, first)
        write_events(connection, generation, batch.events, now)
        result = StageResult(
            stage=self.name,
            received=batch.changes.received,
            applied=batch.changes.received,
            watermark=batch.changes.watermark,
            seconds=time.monotonic() - started,
            facts={
                "records": len(batch.new.records),
                "customers": len(np.unique(batch.new.customers)),
                "edges": len(batch.linked.edges.pairs),
                "edges_written": written,
                "edges_deleted": deleted,
                "hubs": len(batch.linked.edges.hubs),
                "model": batch.position.model,
            },
        )
        record_batch(connection, result, now)
        return result


def _cursor_source(generation: int, live: int) -> str:
    """The live generation has the stage's own cursor; one that is being built has one of its own."""
    return "" if generation == live else f"generation {generation}"


def _stands_at(connection: sa.Connection, cursor: Cursor, generation: int, live: int) -> _Position | None:
    """Where a generation's graph stands; one just promoted stands where it was built."""
    before = _Position.of(cursor)
    if before is not None and generation == live and before.generation != generation:
        built = _Position.of(read_cursor(connection, ResolveStage.name, f"generation {generation}"))
        if built is not None and built.change_no == before.change_no:
            return built
    return before


def _caught_up(connection: sa.Connection) -> bool:
    """Whether the live generation has taken in everything."""
    position = _Position.of(read_cursor(connection, ResolveStage.name))
    return not read_changes(connection, position.change_no if position else 0).received


def _fingerprint(settings: IdentitySettings) -> str:
    """A digest of the settings that the graph depends on."""
    text = settings.model_dump_json(exclude={"training", "truth", "largest_cluster_alarm"})
    return blake2b(text.encode(), digest_size=8).hexdigest()
