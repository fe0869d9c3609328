"""The greedy rule on one component of the graph, exactly as `docs/identity.md` states it.

Pure and plain: `clusters.py` decides for which components it is needed at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from customer_profiles.identity.clusters.linkage import Linkage
from customer_profiles.identity.clusters.vetoes import NO_FACTS, Facts, Group, Verdict, groups_conflict
from customer_profiles.identity.decisions.rulings import Rulings, Tag, keeps_apart

Across = tuple[int, int, int]
"""Between two clusters: the greatest weight, the sum of weights, the number of edges."""


@dataclass(frozen=True)
class Start:
    """A clustering that is under way.

    Attributes:
        labels: For each record one record of the cluster that it is in so far.
        refused: Edges between clusters that were refused: they count for the linkage and get no second turn.
    """

    labels: Mapping[int, int]
    refused: Sequence[tuple[int, int, int]]


def greedy(
    records: Sequence[int],
    edges: Sequence[tuple[int, int, int]],
    facts: Mapping[int, Facts],
    rulings: Rulings,
    linkage: Linkage,
    start: Start | None = None,
) -> tuple[dict[int, int], list[Verdict]]:
    """Cluster records: *together* decisions first, then each edge once, in the order given.

    Args:
        records: The records; edges and decisions that name others are without effect.
        edges: Weight, smaller record, larger record; by weight falling, smaller record, larger record.
        facts: What the vetoes look at; a record that is missing has nothing to look at.
        rulings: The decisions in force.
        linkage: The rule by which sides hang together.
        start: Where to go on from, when the first edges have had their turn already.

    Returns:
        For each record the smallest record of its cluster, and for each edge what became of it.
    """
    growing = _Clusters(records, facts, rulings)
    for one, other in rulings.pairs:
        growing.join_by_decision(one, other)
    growing.form_groups()
    if start is not None:
        growing.take_up(start.labels)
        growing.place(start.refused)
    growing.place(edges)
    verdicts = []
    for _, left, right in edges:
        a, b = growing.of[left], growing.of[right]
        verdict = Verdict.ACCEPTED
        if a != b:
            verdict = growing.judge(a, b, linkage)
            if verdict is Verdict.ACCEPTED:
                growing.join(a, b)
        verdicts.append(verdict)
    return growing.labels(), verdicts


class _Clusters:
    """Clusters while they grow; a cluster goes by one of its records."""

    def __init__(self, records: Sequence[int], facts: Mapping[int, Facts], rulings: Rulings) -> None:
        self.of = {record: record for record in records}
        self.members = {record: [record] for record in records}
        self.across: dict[int, dict[int, Across]] = {}
        self.groups: dict[int, set[int]] = {}
        self.tags: dict[int, set[Tag]] = {
            record: set(rulings.tags[record]) for record in records if record in rulings.tags
        }
        self._facts = facts
        self._group_numbers: dict[Group, int] = {}
        self._groups: list[Group] = []
        self._conflicts: dict[tuple[int, int], Verdict] = {}

    def join_by_decision(self, one: int, other: int) -> None:
        """Join the clusters of two records unless an *apart* stands between them."""
        if one in self.of and other in self.of:
            a, b = self.of[one], self.of[other]
            if a != b and not self._apart(a, b):
                self.join(a, b)

    def form_groups(self) -> None:
        """Take what the decisions formed as the groups that vetoes look at."""
        for cluster, members in self.members.items():
            looked_at = (self._facts.get(record, NO_FACTS) for record in members)
            group = frozenset(facts for facts in looked_at if facts.comparable)
            if group:
                number = self._group_numbers.setdefault(group, len(self._groups))
                if number == len(self._groups):
                    self._groups.append(group)
                self.groups[cluster] = {number}

    def take_up(self, labels: Mapping[int, int]) -> None:
        """Join what was joined before."""
        for record, label in labels.items():
            if self.of[record] != self.of[label]:
                self.join(self.of[record], self.of[label])

    def place(self, edges: Sequence[tuple[int, int, int]]) -> None:
        """Sum up the edges between clusters as they are."""
        across, of = self.across, self.of
        for weight, left, right in edges:
            a, b = of[left], of[right]
            if a != b:
                between = across.setdefault(a, {}).get(b)
                value = (weight, weight, 1) if between is None else _sum(between, (weight, weight, 1))
                across[a][b] = value
                across.setdefault(b, {})[a] = value

    def judge(self, a: int, b: int, linkage: Linkage) -> Verdict:
        """What speaks against joining two clusters with an edge between them."""
        strongest, total, edges = self.across[a][b]
        if not linkage.holds(strongest, total, edges, len(self.members[a]) * len(self.members[b])):
            return Verdict.LINKAGE
        if self._apart(a, b):
            return Verdict.APART
        for one in self.groups.get(a, ()):
            for other in self.groups.get(b, ()):
                if one != other and (verdict := self._conflict(one, other)) is not Verdict.ACCEPTED:
                    return verdict
        return Verdict.ACCEPTED

    def join(self, a: int, b: int) -> None:
        """Make two clusters one; the one with fewer neighbours moves."""
        if len(self.across.get(a, ())) < len(self.across.get(b, ())):
            a, b = b, a
        moving = self.members.pop(b)
        for record in moving:
            self.of[record] = a
        self.members[a] += moving
        if b in self.groups:
            self.groups.setdefault(a, set()).update(self.groups.pop(b))
        if b in self.tags:
            self.tags.setdefault(a, set()).update(self.tags.pop(b))
        beside_a = self.across.get(a, {})
        for neighbour, between in self.across.pop(b, {}).items():
            if neighbour == a:
                del beside_a[b]
                continue
            known = beside_a.get(neighbour)
            value = between if known is None else _sum(known, between)
            beside_a[neighbour] = value
            beside_neighbour = self.across[neighbour]
            del beside_neighbour[b]
            beside_neighbour[a] = value

    def labels(self) -> dict[int, int]:
        """For each record the smallest record of its cluster."""
        smallest = {cluster: min(members) for cluster, members in self.members.items()}
        return {record: smallest[cluster] for record, cluster in self.of.items()}

    def _apart(self, a: int, b: int) -> bool:
        return a in self.tags and b in self.tags and keeps_apart(self.tags[a], self.tags[b])

    def _conflict(self, one: int, other: int) -> Verdict:
        pair = (one, other) if one < other else (other, one)
        verdict = self._conflicts.get(pair)
        if verdict is None:
            verdict = groups_conflict(self._groups[pair[0]], self._groups[pair[1]])
            self._conflicts[pair] = verdict
        return verdict


def _sum(one: Across, other: Across) -> Across:
    return (max(one[0], other[0]), one[1] + other[1], one[2] + other[2])


def join_by_decision(records: Sequence[int], rulings: Rulings) -> dict[int, int]:
    """The groups that *together* decisions form: for each record the smallest of its group."""
    growing = _Clusters(records, {}, rulings)
    for one, other in rulings.pairs:
        growing.join_by_decision(one, other)
    return growing.labels()
