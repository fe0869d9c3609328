"""The stage that finds out who is who: changed records in, edges, customers, claims and identity events out.

A batch costs what it reaches: its keys are looked up, its pairs scored, and the region that can change is clustered
again, in one transaction with the cursor. A first load, another model or other settings, and a rebuild compute everything
instead, in a snapshot, and write what differs. Both give the same graph; tests and `identity verify` hold them to it.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.claims.claim_store import (
    ClaimsByNeed,
    StoredClaims,
    read_claims,
    write_claims,
    write_deaths,
    write_estates,
)
from customer_profiles.identity.claims.claims import Claims, founders, record_of
from customer_profiles.identity.claims.succession import Rulebook, Succession, simple_arrivals, succeed
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
from customer_profiles.identity.graph.stored_graph import StoredGraph
from customer_profiles.identity.linking import Linked, link, linkage_of
from customer_profiles.identity.model.models import model_in_use, promoted_version
from customer_profiles.identity.tables import member
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import rows_by_key
from customer_profiles.state.cursors import Cursor, CursorMoved, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation
from customer_profiles.state.sequences import reserve

Numbers = NDArray[np.int64]
INDEX_FORMAT = 2
"""Stands in the cursor: a graph whose index has another format is computed anew."""
FEW = 2_000
"""So many waiting records are always taken batch by batch, however small the graph is."""
SHARE = 0.2
"""When more records than this share of the graph wait, computing everything costs less than batches."""
BATCH = 5_000
_CATCH_UPS = 5


@dataclass(frozen=True)
class _Position:
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
class _Task:
    """What one call of the stage is to do."""

    cursor: Cursor
    before: _Position | None
    position: _Position
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
        with _garbage_left_alone(), self._state.writing() as connection:
            task = self._task(connection, min(limit, BATCH))
            if task is None:
                return StageResult(stage=self.name, seconds=time.monotonic() - started)
            if _starts_anew(task):
                raise CursorMoved(
                    "The model or the settings changed meanwhile. Nothing was lost: run it again."
                )
            return self._advance_by_region(connection, task, started)

    @property
    def rows_read(self) -> int:
        """How many entries and contents batches have looked up in the index so far: the work of a batch, counted."""
        return self._warm[1].index.rows_read if self._warm is not None else 0

    # Everything at once.

    def _computes_everything(self) -> bool:
        with self._state.reading() as connection:
            live = live_generation(connection)
            generation = self._generation or live
            before = _stands_at(
                connection,
                read_cursor(connection, self.name, _cursor_source(generation, live)),
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
            "settings": _fingerprint(self._settings.identity),
        }

    def _advance_whole(self, started: float, limit: int) -> StageResult:
        for _ in range(_CATCH_UPS):
            with self._state.reading() as connection:
                task = self._task(connection, None)
                if task is None:
                    return StageResult(stage=self.name, seconds=time.monotonic() - started)
                if task.is_live or _caught_up(connection, task.live):
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
            succession, stored = _succeed_whole(connection, task, stored, old, rulebook)
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
            left_to = _co_members(connection, generation, changes)
            claims = ClaimsByNeed(connection, alive.__contains__)
            claims.load([*changes.records.tolist(), *left_to])
            # Only records of the batch, and heirs of theirs, are asked for before the graph is there.
            claims.claims.lives = _Living(connection, generation, alive, set(changes.records.tolist()))
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
            if self._warm is not None:
                self._warm[1].close()
            bundle = model_in_use(connection).bundle
            self._warm = name, EdgeFinder(bundle, self._settings.identity, Index(task.generation))
        finder = self._warm[1]
        finder.index.refresh(connection)
        return finder

    # Both ways.

    def _task(self, connection: sa.Connection, limit: int | None) -> _Task | None:
        """What is to be done; None when nothing is new."""
        live = live_generation(connection)
        generation = self._generation or live
        cursor = read_cursor(connection, self.name, _cursor_source(generation, live))
        before = _stands_at(connection, cursor, generation, live)
        since = before.change_no if before else 0
        if generation == live:
            changes = read_changes(connection, since, generation, limit)
        else:
            followed = _Position.of(read_cursor(connection, self.name))
            until = followed.change_no if followed else 0
            changes = read_followed(connection, before.change_no if before else None, until, generation)
        position = _Position(
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
            write_membership_history(connection, generation, now, *moved_between(old, new), claims)
            write_events(connection, generation, events_between(old, new, causes), now)
        customers, sizes = _changed_customers(old, new, task.changes.records)
        first = reserve(connection, "customer_change", len(customers))
        write_customers(connection, generation, customers, sizes, first)

    def _told(
        self,
        connection: sa.Connection,
        task: _Task,
        position: _Position,
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


@contextmanager
def _garbage_left_alone() -> Iterator[None]:
    """No search for reference cycles meanwhile: a batch makes a million small objects and hardly a cycle among them."""
    searched = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if searched:
            gc.enable()


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
    before = _stands_at(connection, read_cursor(connection, ResolveStage.name), live, live)
    if before is None:
        raise NotResolved("There is no identity graph yet: `customer-profiles run` makes it.")
    now = replace(
        before, generation=live, model=promoted_version(connection), settings=_fingerprint(settings)
    )
    changes = read_changes(connection, before.change_no, live, 1)
    if changes.received or now.why_anew(before) or before.index != INDEX_FORMAT:
        raise NotResolved(
            "Changes wait to be resolved (records, decisions, another model or other settings): "
            "`customer-profiles run` takes them in."
        )
    return Standing(live, changes, before.records, before.customers, before.edges)


@dataclass(frozen=True)
class _Computed:
    """Everything, computed anew."""

    records: pa.Table
    linked: Linked
    index: WholeIndex
    old: Members
    new: Members
    succession: Succession | None


class _Living:
    """Whether a record lives at this moment of a batch: told for those that change, looked up for others."""

    def __init__(
        self, connection: sa.Connection, generation: int, alive: set[int], changing: set[int]
    ) -> None:
        self._connection, self._generation = connection, generation
        self._alive, self._changing = alive, changing

    def __call__(self, record_no: int) -> bool:
        if record_no in self._changing:
            return record_no in self._alive
        key = [(self._generation, record_no)]
        return bool(rows_by_key(self._connection, member, ("generation", "record_no"), key, ("record_no",)))


def _succeed_whole(
    connection: sa.Connection, task: _Task, stored: StoredClaims, old: Members, rulebook: Rulebook
) -> tuple[Succession, StoredClaims]:
    """Claims and estates through a part of the log, and all claims with those of records that simply came."""
    changes = task.changes
    simple = simple_arrivals(changes, record_of(stored.numbers))
    stored = stored.with_arrivals(changes.record_nos[simple], changes.positions[simple])
    alive = set(changes.lived.tolist())
    arrived = changes.record_nos[simple]
    changing = set(changes.record_nos[~simple].tolist())

    def lives(record_no: int) -> bool:
        if record_no in changing:
            return record_no in alive
        return _in(old.records, record_no) or _in(arrived, record_no)

    claims: Claims = stored.claims(lives)
    left_to = _co_members(connection, task.generation, changes)
    return succeed(changes, simple, claims, alive, left_to, rulebook), stored


def _co_members(connection: sa.Connection, generation: int, changes: Changes) -> list[int]:
    """The other members of the customer of the record that the first envelope deletes."""
    if not changes.first_departs:
        return []
    gone = int(changes.record_nos[0])
    key = [(generation, gone)]
    rows = rows_by_key(connection, member, ("generation", "record_no"), key, ("customer_no",))
    members = rows_by_key(
        connection,
        member,
        ("generation", "customer_no"),
        [(generation, *row) for row in rows],
        ("record_no",),
    )
    return sorted(record_no for (record_no,) in members if record_no != gone)


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


def _grown(task: _Task, edges: int, found: ChangedClusters) -> _Position:
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


def _caught_up(connection: sa.Connection, live: int) -> bool:
    """Whether the live generation has taken in everything."""
    position = _Position.of(read_cursor(connection, ResolveStage.name))
    return not read_changes(connection, position.change_no if position else 0, live, 1).received


def _in(numbers: Numbers, number: int) -> bool:
    place = int(np.searchsorted(numbers, number))
    return place < len(numbers) and int(numbers[place]) == number


def _fingerprint(settings: IdentitySettings) -> str:
    """A digest of the settings that the graph depends on."""
    text = settings.model_dump_json(exclude={"training", "truth", "largest_cluster_alarm"})
    return blake2b(text.encode(), digest_size=8).hexdigest()
