"""The part of the graph that a change can reach, clustered again: exact, and no larger than it must be.

Pure: whoever holds the graph lends it as a `StoredGraph`. The proof that the result is that of clustering
everything is in the tests, by random histories.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from customer_profiles.identity.clusters.greedy import greedy
from customer_profiles.identity.clusters.linkage import Linkage
from customer_profiles.identity.clusters.vetoes import Facts, Verdict
from customer_profiles.identity.decisions.rulings import Rulings

_ROUNDS = 8


class StoredGraph(Protocol):
    """The graph after a change, with the clusters from before it. Only live records count."""

    def load_clusters(self, records: Iterable[int]) -> None:
        """Told which records' clusters will be asked for next."""
        ...

    def load_neighbours(self, records: Iterable[int]) -> None:
        """Told which records' neighbours will be asked for next."""
        ...

    def lives(self, record: int) -> bool:
        """Whether the record is alive now."""
        ...

    def cluster_of(self, record: int) -> Iterable[int]:
        """The cluster that a record was in before the change, dead members too; nothing for a new record."""
        ...

    def neighbours(self, record: int) -> Mapping[int, int]:
        """The weight of each stored edge of a live record, refused ones too, by the live record at its other end."""
        ...

    def facts_of(self, records: Iterable[int]) -> Mapping[int, Facts]:
        """What the vetoes look at."""
        ...


@dataclass(frozen=True)
class Region:
    """What was clustered again.

    Attributes:
        labels: For each live record of the region the smallest record of its new cluster.
        verdicts: For each edge that begins or ends in the region (smaller record, larger record) what became of it.
        loaded: How many records were looked at, the ring around the region included.
        rounds: How often the rule was run.
    """

    labels: Mapping[int, int]
    verdicts: Mapping[tuple[int, int], Verdict]
    loaded: int
    rounds: int


def recluster(graph: StoredGraph, dirty: Iterable[int], rulings: Rulings, linkage: Linkage) -> Region:
    """Cluster again what changed and whatever that can reach.

    Args:
        graph: The graph as it is now, with the clusters as they were.
        dirty: Records written or deleted, ends of edges created, removed or reweighted, holders at a
            crossing, and all
            records named by decisions made or undone.
        rulings: The decisions in force now.
        linkage: The rule by which sides hang together.

    Returns:
        The clusters of the region; every cluster outside stands as it was.
    """
    region: set[int] = set()
    dirty = set(dirty)
    graph.load_clusters(dirty)
    for record in dirty:
        region |= _cluster(graph, record)
    rounds = 0
    while True:
        rounds += 1
        around = _ring(graph, region, rulings)
        while rounds > _ROUNDS and (further := _ring(graph, region | around, rulings)):
            around |= further
        labels, verdicts = _cluster_now(graph, region | around, rulings, linkage)
        touched = {labels[record] for record in region}
        grown = {record for record in around if labels[record] in touched}
        if not grown:
            ends_here = {
                pair: verdict for pair, verdict in verdicts.items() if pair[0] in region or pair[1] in region
            }
            return Region(
                {record: labels[record] for record in region}, ends_here, len(region | around), rounds
            )
        for record in grown:
            region |= _cluster(graph, record)


def _cluster(graph: StoredGraph, record: int) -> set[int]:
    """The live records of a record's old cluster, and the record itself when it lives."""
    members = {member for member in graph.cluster_of(record) if graph.lives(member)}
    return members | {record} if graph.lives(record) else members


def _ring(graph: StoredGraph, region: set[int], rulings: Rulings) -> set[int]:
    """The old clusters next to the region through any stored edge or *together*."""
    graph.load_neighbours(region)
    beside = {neighbour for record in region for neighbour in graph.neighbours(record)}
    for record in region & rulings.partners.keys():
        beside |= {partner for partner in rulings.partners[record] if graph.lives(partner)}
    graph.load_clusters(beside - region)
    around: set[int] = set()
    for record in beside - region:
        if record not in around:
            around |= _cluster(graph, record)
    return around - region


def _cluster_now(
    graph: StoredGraph, records: set[int], rulings: Rulings, linkage: Linkage
) -> tuple[dict[int, int], dict[tuple[int, int], Verdict]]:
    graph.load_neighbours(records)
    edges = [
        (-weight, record, neighbour)
        for record in records
        for neighbour, weight in graph.neighbours(record).items()
        if record < neighbour and neighbour in records
    ]
    in_turn = [(-weight, left, right) for weight, left, right in sorted(edges)]
    labels, verdicts = greedy(sorted(records), in_turn, graph.facts_of(records), rulings, linkage)
    return labels, {
        (left, right): verdict for (_, left, right), verdict in zip(in_turn, verdicts, strict=True)
    }
