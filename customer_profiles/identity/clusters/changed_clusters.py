"""Which customers a batch changes, at the cost of the region that it can reach: clusters, verdicts, and who gives each its ID."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from customer_profiles.identity.claims.claim_store import ClaimsByNeed
from customer_profiles.identity.clusters.linkage import Linkage
from customer_profiles.identity.clusters.region import Region, recluster
from customer_profiles.identity.decisions.decisions import Decision
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.graph.graph_store import Members
from customer_profiles.identity.graph.stored_graph import StoredGraph

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class ChangedClusters:
    """The customers that a batch may have changed: every member of each, before and after.

    Attributes:
        old: Who belonged to whom.
        new: Who belongs to whom.
        region: What was clustered again.
        accepted: The accepted edges within the region: smaller record, larger record, weight.
    """

    old: Members
    new: Members
    region: Region
    accepted: tuple[Numbers, Numbers, Numbers]


def change_clusters(
    graph: StoredGraph,
    dirty: Iterable[int],
    fresh: Iterable[Decision],
    before: Rulings,
    now: Rulings,
    linkage: Linkage,
    claims: ClaimsByNeed,
    only_arrivals_since: int | None = None,
) -> ChangedClusters:
    """Cluster again what a batch can reach, and find who gives each cluster its ID.

    Args:
        graph: Edges, records, claims and estates as they are now, members as they were.
        dirty: Records written or deleted, ends of edges that changed, records whose facts changed.
        fresh: The decisions made or undone.
        before: The decisions in force before.
        now: The decisions in force now.
        linkage: The rule by which sides hang together.
        claims: The claims.
        only_arrivals_since: The log position before the batch, when it deletes nobody and decides nothing and the claims
            are those of its end; None otherwise.
    """
    dirty, fresh = set(dirty), list(fresh)
    named = {record for decision in fresh for record in decision.records}
    region = recluster(graph, dirty | named, now, linkage)
    clusters: dict[int, list[int]] = {}
    for record, label in region.labels.items():
        clusters.setdefault(label, []).append(record)
    _add_redirected(clusters, graph, named, before, now, claims)
    if only_arrivals_since is None:
        founders = claims.founders(clusters, now)
    else:
        founders = claims.founders_after_arrivals(
            clusters, graph.customer_of, graph.members, only_arrivals_since, now
        )
    new = {record: founders[label] for label, records in clusters.items() for record in records}
    touched = {graph.customer_of[record] for record in new if record in graph.customer_of}
    touched |= {graph.customer_of[record] for record in dirty if record in graph.customer_of}
    old = {record: customer for customer in touched for record in graph.members[customer]}
    return ChangedClusters(_members(old), _members(new), region, _accepted(graph, region))


def _add_redirected(
    clusters: dict[int, list[int]],
    graph: StoredGraph,
    named: set[int],
    before: Rulings,
    now: Rulings,
    claims: ClaimsByNeed,
) -> None:
    """Add the clusters outside the region that gain or lose a claim, for a decision that names its record.

    The record may be alive: the claims of its earlier lives are with heirs all the same.
    """
    if not named:
        return
    known = {record for records in clusters.values() for record in records}
    holders: set[int] = set()
    for claim_no in claims.leading_to(claims.claims_of(named)):
        was, is_ = (claims.claims.resolve(claim_no, rulings) for rulings in (before, now))
        if was != is_:
            holders |= {holder for holder in (was, is_) if holder is not None}
    for holder in sorted(holders - known):
        if holder not in known:
            members = [record for record in graph.cluster_of(holder) if graph.lives(record)]
            clusters[min(members)] = members
            known.update(members)


def _members(customer_of: Mapping[int, int]) -> Members:
    records = np.array(sorted(customer_of), dtype=np.int64)
    return Members(records, np.array([customer_of[record] for record in records.tolist()], dtype=np.int64))


def _accepted(graph: StoredGraph, region: Region) -> tuple[Numbers, Numbers, Numbers]:
    labels = region.labels
    rows = [
        (left, right, graph.neighbours(left)[right])
        for left, right in region.verdicts
        if left in labels and labels.get(right) == labels[left]
    ]
    found = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return found[:, 0], found[:, 1], found[:, 2]
