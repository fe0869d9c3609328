"""What a decision would change, without making it: exactly what resolving would do, from the region it can reach.

Nothing is written. The answer is that of the graph as it stands; what waits to be resolved is counted beside it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from customer_profiles.cleaning.tables import record
from customer_profiles.identity.claims.claims import holder_of, incarnation_of, record_of
from customer_profiles.identity.clusters.region import recluster
from customer_profiles.identity.decisions.decisions import (
    Decision,
    DecisionError,
    DecisionKind,
    read_decisions,
    rulings_at,
)
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.graph.events import Causes, IdentityEvent, events_between
from customer_profiles.identity.graph.graph_store import Members
from customer_profiles.identity.graph.live_graph import LiveGraph
from customer_profiles.identity.linking import linkage_of
from customer_profiles.identity.tables import claim, customer_id, estate
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import rows_by_key
from customer_profiles.state.cursors import read_cursor

END_OF_LOG = 2**63 - 1
_NEW = "previewed"


@dataclass(frozen=True)
class LedClaim:
    """Where the ID of a claim leads, before and after.

    Attributes:
        claim_no: The claim.
        record_no: The record it is of.
        inherited: Whether its record has died in that life, so that it leads to an heir.
        before: The customer that it leads to now, None for nobody.
        after: The customer that it would lead to.
    """

    claim_no: int
    record_no: int
    inherited: bool
    before: int | None
    after: int | None


@dataclass(frozen=True)
class Preview:
    """What a decision, or taking one back, would do.

    Attributes:
        before: By customer that takes part its live records now.
        after: By customer its live records then.
        events: What would happen to customers, as resolving would write it.
        claims: The IDs that lead to these customers, now or then.
        in_its_way: Decisions in force that say the opposite of some of its pairs; *apart* wins while it is in force.
        waiting: Changes that the graph has not taken in yet, and that this preview does not know.
        loaded: How many records were looked at.
    """

    before: Mapping[int, tuple[int, ...]]
    after: Mapping[int, tuple[int, ...]]
    events: tuple[IdentityEvent, ...]
    claims: tuple[LedClaim, ...]
    in_its_way: tuple[str, ...]
    waiting: int
    loaded: int

    @property
    def changes_nothing(self) -> bool:
        """Whether every record would stay with its customer."""
        return self.before == self.after

    @property
    def inherited(self) -> tuple[LedClaim, ...]:
        """The IDs of deleted records that these customers hold or would hold: heirs of a time that is undone."""
        return tuple(one for one in self.claims if one.inherited)


def preview_decision(
    connection: sa.Connection,
    generation: int,
    settings: IdentitySettings,
    kind: DecisionKind,
    side_a: Collection[int],
    side_b: Collection[int],
) -> Preview:
    """What deciding now would do.

    Args:
        connection: Reading the state store.
        generation: The live generation.
        settings: Identifiers, caps, thresholds.
        kind: Together or apart.
        side_a: Record numbers of one side.
        side_b: Record numbers of the other.

    Raises:
        DecisionError: A side is empty, or a record stands on both.
        BundleError: The promoted model cannot be read.
    """
    if not side_a or not side_b or set(side_a) & set(side_b):
        raise DecisionError("A decision needs records on both sides, and each on one of them only.")
    decisions = read_decisions(connection)
    # The newest of all, as it will be when it is made.
    decided_at = max((one.decided_at for one in decisions), default=0) + 1
    made = Decision(_NEW, kind, frozenset(side_a), frozenset(side_b), decided_at, END_OF_LOG, None)
    in_force = [one for one in decisions if one.in_force(END_OF_LOG)]
    return _preview(connection, generation, settings, in_force, [*in_force, made], made)


def preview_undo(
    connection: sa.Connection, generation: int, settings: IdentitySettings, decision_id: str
) -> Preview:
    """What taking a decision back would do.

    Raises:
        DecisionError: There is no such decision in force.
    """
    in_force = [one for one in read_decisions(connection) if one.in_force(END_OF_LOG)]
    undone = next((one for one in in_force if one.decision_id == decision_id), None)
    if undone is None:
        raise DecisionError(
            f"There is no decision {decision_id} in force: list the decisions to see their IDs."
        )
    left = [one for one in in_force if one is not undone]
    return _preview(connection, generation, settings, in_force, left, undone)


def waiting_changes(connection: sa.Connection) -> int:
    """How many changes of records and decisions the live graph has not taken in yet."""
    position = read_cursor(connection, "resolve").position
    since = position["change_no"] if position else 0
    records = sa.select(sa.func.count()).select_from(record).where(record.c.change_no > since)
    waiting = int(connection.execute(records).scalar_one())
    for decision in read_decisions(connection):
        waiting += sum(
            at is not None and at > since for at in (decision.change_no, decision.undone_change_no)
        )
    return waiting


def _preview(
    connection: sa.Connection,
    generation: int,
    settings: IdentitySettings,
    now: Sequence[Decision],
    then: Sequence[Decision],
    changed: Decision,
) -> Preview:
    rulings_now, rulings_then = rulings_at(now, END_OF_LOG), rulings_at(then, END_OF_LOG)
    graph = LiveGraph(connection, generation, settings)
    region = recluster(graph, changed.records, rulings_then, linkage_of(settings))
    labels = dict(region.labels)
    claims = _Claims(connection, graph)
    reached = claims.leading_to({*labels, *changed.records})
    # A claim that goes to another record takes the ID of a customer with it whose records all stay.
    while outside := {
        holder
        for claim_no in reached
        if (holders := claims.holders(claim_no, rulings_now, rulings_then))[0] != holders[1]
        for holder in holders
        if holder is not None and holder not in labels
    }:
        graph.load_clusters(outside)
        for holder in outside:
            cluster = list(graph.cluster_of(holder))
            labels |= dict.fromkeys(cluster, min(cluster))
        reached = claims.leading_to({*labels, *changed.records})
    led = {one: claims.holders(one, rulings_now, rulings_then) for one in sorted(reached)}
    founder_of: dict[int, int] = {}
    for claim_no in sorted(led, key=claims.seniority.__getitem__):
        leads_to = led[claim_no][1]
        if leads_to is not None and leads_to in labels:
            founder_of.setdefault(labels[leads_to], claim_no)
    old = {one: customer for one in labels if (customer := graph.customer_of[one]) is not None}
    new = {one: founder_of[label] for one, label in labels.items()}
    causes = Causes(None, np.zeros(0, dtype=np.int64), [changed])
    return Preview(
        before=_by_customer(old),
        after=_by_customer(new),
        events=tuple(events_between(_members(old), _members(new), causes)),
        claims=tuple(_led(connection, claims, led, old, new)),
        in_its_way=tuple(_opposed(then, changed)),
        waiting=waiting_changes(connection),
        loaded=region.loaded,
    )


def _led(
    connection: sa.Connection,
    claims: _Claims,
    led: Mapping[int, tuple[int | None, int | None]],
    old: Mapping[int, int],
    new: Mapping[int, int],
) -> Iterable[LedClaim]:
    """The claims that are IDs: those that customers have, had, or would have, and those of the dead."""
    given = {
        number for (number,) in rows_by_key(connection, customer_id, "customer_no", led, ("customer_no",))
    }
    given |= {*old.values(), *new.values()}
    for claim_no, (now, then) in led.items():
        inherited = not claims.holds(claim_no)
        before, after = (None if now is None else old.get(now)), (None if then is None else new.get(then))
        if (claim_no in given or inherited) and (before, after) != (None, None):
            yield LedClaim(claim_no, record_of(claim_no), inherited, before, after)


def _opposed(then: Iterable[Decision], changed: Decision) -> Iterable[str]:
    """Decisions in force that say the opposite of a pair that the changed one names."""
    for one in then:
        if one.kind is not changed.kind and (
            (one.side_a & changed.side_a and one.side_b & changed.side_b)
            or (one.side_a & changed.side_b and one.side_b & changed.side_a)
        ):
            yield one.decision_id


def _by_customer(customer_of: Mapping[int, int]) -> dict[int, tuple[int, ...]]:
    members: dict[int, list[int]] = {}
    for record_no in sorted(customer_of):
        members.setdefault(customer_of[record_no], []).append(record_no)
    return {customer: tuple(records) for customer, records in sorted(members.items())}


def _members(customer_of: Mapping[int, int]) -> Members:
    records = sorted(customer_of)
    customers = [customer_of[one] for one in records]
    return Members(np.array(records, dtype=np.int64), np.array(customers, dtype=np.int64))


class _Claims:
    """The claims that can lead to some records, and where each of them leads."""

    def __init__(self, connection: sa.Connection, graph: LiveGraph) -> None:
        self._connection, self._graph = connection, graph
        self.seniority: dict[int, int] = {}
        self._latest: dict[int, int] = {}
        self._estates: dict[int, tuple[int, ...]] = {}

    def leading_to(self, records: Iterable[int]) -> set[int]:
        """The claims of records, and every dead claim that has one of these for an heir, and so on."""
        reached = self._load(records)
        new = set(reached)
        while new:
            rows = rows_by_key(self._connection, estate, "heir_claim_no", new, ("claim_no",))
            new = {claim_no for (claim_no,) in rows} - reached
            reached |= new
        self._load(record_of(claim_no) for claim_no in reached)
        self._load_heirs(reached)
        return reached

    def holders(self, claim_no: int, now: Rulings, then: Rulings) -> tuple[int | None, int | None]:
        """The live record that a claim leads to under each of two sets of decisions."""
        heirs = self._estates.get
        return (
            holder_of(claim_no, self.holds, lambda dead: heirs(dead, ()), now.apart),
            holder_of(claim_no, self.holds, lambda dead: heirs(dead, ()), then.apart),
        )

    def holds(self, claim_no: int) -> bool:
        """Whether the record of a claim lives in the life that the claim is of."""
        record_no = record_of(claim_no)
        return self._latest.get(record_no) == incarnation_of(claim_no) and self._graph.lives(record_no)

    def _load(self, records: Iterable[int]) -> set[int]:
        """Read the claims of records."""
        columns = ("claim_no", "record_no", "seniority", "incarnation")
        rows = rows_by_key(self._connection, claim, "record_no", set(records), columns)
        for claim_no, record_no, seniority, incarnation in rows:
            self.seniority[claim_no] = seniority
            self._latest[record_no] = max(incarnation, self._latest.get(record_no, 0))
        self._graph.load_clusters(row[1] for row in rows)
        return {row[0] for row in rows}

    def _load_heirs(self, claims: Iterable[int]) -> None:
        """Read the estates of claims, those of their heirs, and so on."""
        new = {claim_no for claim_no in claims if claim_no not in self._estates}
        while new:
            heirs: dict[int, list[tuple[int, int]]] = {claim_no: [] for claim_no in new}
            columns = ("claim_no", "rank", "heir_claim_no")
            for claim_no, rank, heir in rows_by_key(self._connection, estate, "claim_no", new, columns):
                heirs[claim_no].append((rank, heir))
            for claim_no, ranked in heirs.items():
                self._estates[claim_no] = tuple(heir for _, heir in sorted(ranked))
            new = {heir for ranked in heirs.values() for _, heir in ranked} - self._estates.keys()
            self._load(record_of(heir) for heir in new)
