"""The stage that finds out who is who: changed records in, edges, customers, claims and identity events out.

A batch costs what it reaches: its keys are looked up, its pairs scored, and the region that can change is clustered
again, in one transaction with the cursor. A first load, another model or other settings, and a rebuild compute everything
instead, in a snapshot, and write what differs. Both give the same graph; tests and `identity verify` hold them to it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.claims.claim_store import (
    ClaimsByNeed,
    read_claims,
    write_claims,
    write_deaths,
    write_estates,
)
from customer_profiles.identity.claims.claims import founders
from customer_profiles.identity.claims.heirs import Living, co_members, succeed_whole
from customer_profiles.identity.claims.succession import Rulebook, Succession, succeed
from customer_profiles.identity.clusters.changed_clusters import ChangedClusters, change_clusters
from customer_profiles.identity.edges.changed_edges import change_edges_of
from customer_profiles.identity.edges.finder import EdgeFinder
from customer_profiles.identity.edges.index import Index
from customer_profiles.identity.edges.index_rows import WholeIndex
from customer_profiles.identity.graph.changes import (
    Changes,
    all_living,
    forget_overwritten,
    living_now,
    read_changes,
    read_followed,
    waiting,
)
from customer_profiles.identity.graph.events import Causes, events_between, write_events
from customer_profiles.identity.graph.graph_store import (
    Members,
    change_edges,
    change_review,
    read_members,
    write_customers,
    write_edges,
    write_members,
    write_resolved,
    write_review,
    write_verdicts,
)
from customer_profiles.identity.graph.membership_history import (
    moved_between,
    touched_claims,
    write_membership_history,
)
from customer_profiles.identity.graph.standing import (
    INDEX_FORMAT,
    RESOLVE,
    Position,
    caught_up,
    cursor_source,
    fingerprint,
    stands_at,
)
from customer_profiles.identity.graph.stored_graph import StoredGraph
from customer_profiles.identity.linking import Linked, link, linkage_of
from customer_profiles.identity.model.models import model_in_use, promoted_version
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.state.cursors import Cursor, CursorMoved, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.garbage import garbage_left_alone
from customer_profiles.state.generations import live_generation
from customer_profiles.state.sequences import reserve

Numbers = NDArray[np.int64]
FEW = 2_000
"""So many waiting records are always taken batch by batch, however small the graph is."""
SHARE = 0.2
"""When more records than this share of the graph wait, computing everything costs less than batches."""
BATCH = 5_000
_CATCH_UPS = 5


@dataclass(frozen=True)
class _Task:
    """What one call of the stage is to do."""

    cursor: Cursor
    before: Position | None
    position: Position
    changes: Changes
    live: int
    whole: str | None
    """Why everything counts as changed, for identity events; None when it is only the log that went on."""

    @property
    def generation(self) -> int:
        return self.position.generation

    @property
    def is_live(self) -> bool:
        return self.generation == self.live


class ResolveStage:
    """Finds out which records are one customer. Keep it: the model and what was read of the index stay warm."""

    name = RESOLVE
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
        self._warm: tuple[tuple[int, int, str], EdgeFinder] | None = None

    def advance(self, limit: int) -> StageResult:
        """Resolve the next part of what waits, in one transaction with the cursor.

        Args:
            limit: About so many envelopes at most.

        Raises:
            BundleError: The promoted model cannot be read; nothing was changed.
            CursorMoved: Another run resolved meanwhile; nothing was lost.
        """
        started = time.monotonic()
        if self._computes_everything():
            return self._advance_whole(started, limit)
        try:
            with garbage_left_alone(), self._state.writing() as connection:
                task = self._task(connection, min(limit, BATCH))
                if task is None:
                    return StageResult(stage=self.name, seconds=time.monotonic() - started)
                if _starts_anew(task):
                    raise CursorMoved(
                        "The model or the settings changed meanwhile. Nothing was lost: run it again."
                    )
                return self._advance_by_region(connection, task, started)
        except BaseException:
            # What it wrote to the index and read again was never committed: others may get those numbers.
            self._cool()
            raise

    @property
    def rows_read(self) -> int:
        """How many entries and contents batches have looked up in the index so far: the work of a batch, counted."""
        return self._warm[1].index.rows_read if self._warm is not None else 0

    # Everything at once.

    def _computes_everything(self) -> bool:
        with self._state.reading() as connection:
            live = live_generation(connection)
            generation = self._generation or live
            before = stands_at(
                connection,
                read_cursor(connection, self.name, cursor_source(generation, live)),
                generation,
                live,
            )
            if before is None or before.index != INDEX_FORMAT:
                return True
            position = replace(before, **self._made_by(connection, generation))
            if position.why_anew(before) is not None:
                return True
            most = max(FEW, round(SHARE * before.records))
            if waiting(connection, before.change_no, most + 1) <= most:
                return False
            # Only as much as can be taken at once counts: many deletions are many small batches.
            return len(read_changes(connection, before.change_no, generation, most + 1).positions) > most

    def _made_by(self, connection: sa.Connection, generation: int) -> dict[str, Any]:
        return {
            "generation": generation,
            "model": promoted_version(connection),
            "settings": fingerprint(self._settings.identity),
        }

    def _advance_whole(self, started: float, limit: int) -> StageResult:
        for _ in range(_CATCH_UPS):
            with self._state.reading() as connection:
                task = self._task(connection, None)
                if task is None:
                    return StageResult(stage=self.name, seconds=time.monotonic() - started)
                if task.is_live or caught_up(connection, task.live):
                    computed = self._compute(connection, task)
                    break
            # What happened to claims is told by the live generation's clusters, so that one goes first.
            ResolveStage(self._state, self._settings, None, self._now).advance(limit)
        else:
            raise CursorMoved("Records come in faster than a rebuild can follow. Run it again.")
        with self._state.writing() as connection:
            if live_generation(connection) != task.live:
                raise CursorMoved(
                    "Another generation was promoted meanwhile. Nothing was lost: run it again."
                )
            return self._write_whole(connection, task, computed, started)

    def _compute(self, connection: sa.Connection, task: _Task) -> _Computed:
        identity = self._settings.identity
        bundle = model_in_use(connection).bundle
        records = all_living(connection, task.changes)
        rulebook = Rulebook(task.changes.decisions)
        rulings = rulebook.at(task.changes.until)
        linked = link(records, bundle, identity, rulings)
        index = WholeIndex(records, bundle, identity)
        numbers = linked.clustering.records
        living = set(numbers.tolist())
        stored = read_claims(connection)
        old = read_members(connection, task.generation)
        succession = None
        claims = stored.claims(living.__contains__)
        if task.is_live:
            succession, stored = succeed_whole(
                connection, task.generation, task.changes, stored, old, rulebook
            )
            claims = succession.claims
            claims.lives = living.__contains__
        known = claims.made if succession is not None else []
        all_numbers = np.concatenate([stored.numbers, np.array(known, dtype=np.int64)])
        seniority = np.array([claims.seniority[number] for number in known], dtype=np.int64)
        founded = founders(
            claims,
            all_numbers,
            np.concatenate([stored.seniority, seniority]),
            numbers,
            linked.clustering.labels,
            rulings,
        )
        return _Computed(records, linked, index, old, Members(numbers, founded), succession)

    def _write_whole(
        self, connection: sa.Connection, task: _Task, computed: _Computed, started: float
    ) -> StageResult:
        generation, linked, new = task.generation, computed.linked, computed.new
        position = replace(
            task.position,
            records=len(new.records),
            customers=len(np.unique(new.customers)),
            edges=len(linked.edges.pairs),
        )
        move_cursor(connection, task.cursor, asdict(position))
        if computed.succession is not None:
            self._write_succession(connection, task.changes, computed.succession)
        written, deleted = write_edges(connection, generation, linked.edges, linked.clustering.verdicts)
        write_review(connection, generation, linked.edges)
        index = Index(generation)
        index.clear(connection)
        index.write(connection, "content", computed.index.contents)
        index.write(connection, "key", computed.index.keys)
        index.write(connection, "copy", computed.index.copies)
        write_resolved(connection, generation, computed.records, computed.index.content_of)
        accepted, pairs = linked.clustering.accepted, linked.edges.pairs
        edges = pairs.left[accepted], pairs.right[accepted], pairs.weight[accepted]
        changes = task.changes
        causes = Causes(task.whole, changes.records, changes.fresh_decisions, *edges)
        self._write_customers(connection, task, computed.old, new, causes, computed.succession)
        facts = {"edges_written": written, "edges_deleted": deleted, "hubs": len(linked.edges.hubs)}
        return self._told(connection, task, position, started, facts)

    # Batch by batch.

    def _advance_by_region(self, connection: sa.Connection, task: _Task, started: float) -> StageResult:
        changes, generation, identity = task.changes, task.generation, self._settings.identity
        finder = self._finder(connection, task)
        rulebook = Rulebook(changes.decisions)
        succession = None
        alive = set(changes.lived.tolist())
        if task.is_live:
            left_to = co_members(connection, generation, changes)
            claims = ClaimsByNeed(connection, alive.__contains__)
            claims.load([*changes.records.tolist(), *left_to])
            # Only records of the batch, and heirs of theirs, are asked for before the graph is there.
            claims.claims.lives = Living(connection, generation, alive, set(changes.records.tolist()))
            nobody = np.zeros(len(changes.positions), dtype=np.bool_)
            succession = succeed(changes, nobody, claims.claims, alive, left_to, rulebook)
            self._write_succession(connection, changes, succession)
        living = living_now(connection, changes)
        edges = change_edges_of(finder, connection, changes.records, living)
        written, deleted = change_edges(connection, generation, edges.edges, edges.old_edges)
        change_review(connection, generation, edges.edges, edges.old_review)
        numbers = living["record_no"].to_numpy()
        contents = np.array([edges.content_of[number] for number in numbers.tolist()], dtype=np.int64)
        write_resolved(connection, generation, living, contents, np.setdiff1d(changes.records, numbers))
        graph = StoredGraph(
            connection,
            generation,
            conflict_veto=finder.bundle.conflict_veto,
            exclusive=finder.exclusive_values(connection),
        )
        claims = ClaimsByNeed(connection, graph.lives)
        found = change_clusters(
            graph,
            edges.dirty.union(changes.records.tolist()),
            changes.fresh_decisions,
            rulebook.at(changes.since),
            rulebook.at(changes.until),
            linkage_of(identity),
            claims,
            changes.since if task.is_live and changes.only_arrivals else None,
        )
        write_verdicts(connection, generation, found.region.verdicts, graph.refusals)
        position = _grown(task, len(edges.edges.pairs) - len(edges.old_edges), found)
        move_cursor(connection, task.cursor, asdict(position))
        causes = Causes(None, changes.records, changes.fresh_decisions, *found.accepted)
        self._write_customers(connection, task, found.old, found.new, causes, succession)
        facts = {
            "edges_written": written,
            "edges_deleted": deleted,
            "candidates": edges.candidates,
            "region": len(found.region.labels),
            "region_loaded": found.region.loaded,
        }
        return self._told(connection, task, position, started, facts)

    def _finder(self, connection: sa.Connection, task: _Task) -> EdgeFinder:
        """The edge finder of this graph: warm when the last batch was of the same."""
        name = (task.generation, task.position.model, task.position.settings)
        if self._warm is None or self._warm[0] != name:
            self._cool()
            bundle = model_in_use(connection).bundle
            self._warm = name, EdgeFinder(bundle, self._settings.identity, Index(task.generation))
        finder = self._warm[1]
        finder.index.refresh(connection)
        return finder

    def _cool(self) -> None:
        """Let go of what was read."""
        if self._warm is not None:
            self._warm[1].close()
        self._warm = None

    # Both ways.

    def _task(self, connection: sa.Connection, limit: int | None) -> _Task | None:
        """What is to be done; None when nothing is new."""
        live = live_generation(connection)
        generation = self._generation or live
        cursor = read_cursor(connection, self.name, cursor_source(generation, live))
        before = stands_at(connection, cursor, generation, live)
        since = before.change_no if before else 0
        if generation == live:
            changes = read_changes(connection, since, generation, limit)
        else:
            followed = Position.of(read_cursor(connection, self.name))
            until = followed.change_no if followed else 0
            changes = read_followed(connection, before.change_no if before else None, until, generation)
        position = Position(
            change_no=changes.until, index=INDEX_FORMAT, **self._made_by(connection, generation)
        )
        first = before is None and generation == live
        whole = None if first else position.why_anew(before)
        current = before is not None and before.index == INDEX_FORMAT
        if not changes.received and whole is None and (current or first):
            return None
        return _Task(cursor, before, position, changes, live, whole)

    def _write_succession(self, connection: sa.Connection, changes: Changes, succession: Succession) -> None:
        write_claims(connection, succession.made, succession.made_seniority, succession.made_at)
        write_estates(connection, succession.estates)
        write_deaths(connection, succession.died_at)
        forget_overwritten(connection, changes)

    def _write_customers(
        self,
        connection: sa.Connection,
        task: _Task,
        old: Members,
        new: Members,
        causes: Causes,
        succession: Succession | None,
    ) -> None:
        generation, now = task.generation, self._now()
        write_members(connection, generation, old, new)
        # To customers something happens in the live generation alone; what one that is built does, when it is switched to.
        if succession is not None:
            claims = touched_claims(connection, succession, task.changes.fresh_decisions)
            write_membership_history(connection, generation, now, moved_between(old, new), claims)
            write_events(connection, generation, events_between(old, new, causes), now)
        customers, sizes = _changed_customers(old, new, task.changes.records)
        first = reserve(connection, "customer_change", len(customers))
        write_customers(connection, generation, customers, sizes, first)

    def _told(
        self,
        connection: sa.Connection,
        task: _Task,
        position: Position,
        started: float,
        facts: dict[str, int],
    ) -> StageResult:
        changes = task.changes
        result = StageResult(
            stage=self.name,
            received=changes.received,
            applied=changes.received,
            watermark=changes.watermark,
            seconds=time.monotonic() - started,
            more=changes.more,
            facts={
                "records": position.records,
                "customers": position.customers,
                "edges": position.edges,
                **facts,
                "model": position.model,
            },
        )
        record_batch(connection, result, self._now())
        return result


@dataclass(frozen=True)
class _Computed:
    """Everything, computed anew."""

    records: pa.Table
    linked: Linked
    index: WholeIndex
    old: Members
    new: Members
    succession: Succession | None


def _changed_customers(old: Members, new: Members, changed: Numbers) -> tuple[Numbers, Numbers]:
    """Customers with other members or other content than before, and how many members each has now."""
    moved = old.of(new.records) != new.customers
    gone = ~np.isin(old.records, new.records)
    concerned = (
        new.customers[moved],
        old.of(new.records)[moved],
        old.customers[gone],
        old.of(changed),
        new.of(changed),
    )
    customers = np.unique(np.concatenate(concerned))
    customers = customers[customers >= 0]
    present, sizes = np.unique(new.customers, return_counts=True)
    of = np.zeros(len(customers), dtype=np.int64)
    found = np.isin(customers, present)
    of[found] = sizes[np.searchsorted(present, customers[found])]
    return customers, of


def _grown(task: _Task, edges: int, found: ChangedClusters) -> Position:
    """The position, with the size of the graph after a batch."""
    before = task.before
    assert before is not None, "a batch follows a whole graph"
    return replace(
        task.position,
        records=before.records + len(found.new.records) - len(found.old.records),
        customers=before.customers
        + len(np.unique(found.new.customers))
        - len(np.unique(found.old.customers)),
        edges=before.edges + edges,
    )


def _starts_anew(task: _Task) -> bool:
    return task.before is None or task.before.index != INDEX_FORMAT or task.whole is not None
