"""Clusters all records at once: the greedy rule in rounds over columns.

An edge that comes first at both of its clusters finds them, when its turn comes, exactly as they are now:
only an earlier edge at one of them could change that. So all such edges can be judged in one round, whatever
lies elsewhere, and the result is that of walking every edge in order. What is left when rounds settle little
(long chains) is walked by `greedy.py`. A test holds both to the same result.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from customer_profiles.identity.clusters.greedy import Start, greedy, join_by_decision
from customer_profiles.identity.clusters.linkage import Linkage
from customer_profiles.identity.clusters.vetoes import FactColumns, Group, Verdict, groups_conflict
from customer_profiles.identity.decisions.rulings import Rulings, Tag, keeps_apart

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]
_FEW, _FEW_IN = 2000, 100
"""A round looks at every record and edge that is left, the walk only at edges, but for each it takes as long as a round for a
hundred."""
_OPEN = -1


@dataclass(frozen=True)
class Clustering:
    """Who is one customer.

    Attributes:
        records: Record numbers, rising.
        labels: For each record the smallest record of its cluster.
        verdicts: For each edge, in the order given, a `Verdict`.
    """

    records: Numbers
    labels: Numbers
    verdicts: NDArray[np.int8]

    @property
    def accepted(self) -> Flags:
        """For each edge whether it was accepted."""
        accepted: Flags = self.verdicts == Verdict.ACCEPTED
        return accepted


def cluster(
    left: Numbers,
    right: Numbers,
    weight: Numbers,
    facts: FactColumns,
    rulings: Rulings,
    linkage: Linkage,
    few: int | None = None,
) -> Clustering:
    """Cluster every record of `facts`.

    Args:
        left: The smaller record of each edge.
        right: The larger record of each edge.
        weight: The weight of each edge in 1/1024 bit.
        facts: What the vetoes look at, for every record to be clustered, and no other.
        rulings: The decisions in force.
        linkage: The rule by which sides hang together.
        few: A round that settles fewer edges than this is the last one; the rest is walked. None for what is quickest.

    Returns:
        The same for every order of the edges.
    """
    order = np.lexsort((right, left, -weight))
    places = np.searchsorted(facts.records, left[order]), np.searchsorted(facts.records, right[order])
    rounds = _Rounds(*places, weight[order].astype(np.int64), facts, rulings, linkage)
    while rounds.settle() >= (max(_FEW, rounds.size // _FEW_IN) if few is None else few):
        pass
    rounds.walk()
    verdicts = np.empty(len(order), dtype=np.int8)
    verdicts[order] = rounds.verdicts
    return Clustering(facts.records, facts.records[rounds.labels], verdicts)


class _Rounds:
    """Clusters while they grow, by the place of their first record; edges in the order of their turns."""

    def __init__(
        self,
        a: Numbers,
        b: Numbers,
        weight: Numbers,
        facts: FactColumns,
        rulings: Rulings,
        linkage: Linkage,
    ) -> None:
        self.verdicts = np.full(len(a), _OPEN, dtype=np.int8)
        self._ends = a, b
        self._facts, self._rulings, self._linkage = facts, rulings, linkage
        count = len(facts.records)
        self.labels = self._decided(count)
        self._decided_groups = self.labels.copy()
        self._sizes = np.bincount(self.labels, minlength=count).astype(np.int64)
        self._names = _Span.of(facts.first_name, facts, self.labels)
        self._dates = _Span.of(facts.birth_date, facts, self.labels)
        self._exclusive = _any(facts.has_exclusive(), self.labels)
        self._special = _any(self._ruled(), self.labels)
        self._edge = np.arange(len(a))
        self._a, self._b, self._weight = self.labels[a], self.labels[b], weight
        self._drop_within()

    @property
    def size(self) -> int:
        """How many records there are, and edges between clusters."""
        return len(self.labels) + len(self._edge)

    def settle(self) -> int:
        """Judge every edge that comes first at both its clusters; returns how many edges that settled."""
        waiting = np.flatnonzero(self.verdicts[self._edge] == _OPEN)
        if not len(waiting):
            return 0
        turn = self._first_at_both(waiting)
        a, b = self._a[turn], self._b[turn]
        verdict = self._judge(a, b)
        self.verdicts[self._edge[turn]] = verdict
        joined = verdict == Verdict.ACCEPTED
        self._join(np.minimum(a, b)[joined], np.maximum(a, b)[joined])
        return len(turn)

    def walk(self) -> None:
        """Walk every edge that is left, one component after the other."""
        for records, edges, refused, at in self._components():
            numbers = self._facts.records[records].tolist()
            labels = dict(zip(numbers, self._facts.records[self.labels[records]].tolist(), strict=True))
            looked_at = dict(zip(numbers, map(self._facts.at, records.tolist()), strict=True))
            of, verdicts = greedy(
                numbers, edges, looked_at, self._rulings, self._linkage, Start(labels, refused)
            )
            self.verdicts[at] = verdicts
            self.labels[records] = np.searchsorted(self._facts.records, [of[number] for number in numbers])

    def _decided(self, count: int) -> Numbers:
        """The clusters that *together* decisions form."""
        labels = np.arange(count)
        if self._rulings.pairs:
            named = np.array(sorted(self._rulings.partners), dtype=np.int64)
            named = named[np.isin(named, self._facts.records)]
            of = join_by_decision(named.tolist(), self._rulings)
            joined = np.array([of[record] for record in named.tolist()], dtype=np.int64)
            labels[np.searchsorted(self._facts.records, named)] = np.searchsorted(self._facts.records, joined)
        return labels

    def _ruled(self) -> Flags:
        """For each record whether a decision names it."""
        named = np.array(sorted(self._rulings.named), dtype=np.int64)
        return np.isin(self._facts.records, named)

    def _first_at_both(self, waiting: Numbers) -> Numbers:
        """The waiting edges that come first at both their clusters; no two of them meet."""
        a, b = self._a[waiting], self._b[waiting]
        first = np.full(len(self.labels), len(self._edge), dtype=np.int64)
        # The last of several values for one place stays, so the first edge is written last.
        first[a[::-1]] = waiting[::-1]
        first_as_larger = np.full(len(self.labels), len(self._edge), dtype=np.int64)
        first_as_larger[b[::-1]] = waiting[::-1]
        np.minimum(first, first_as_larger, out=first)
        turn: Numbers = waiting[(first[a] == waiting) & (first[b] == waiting)]
        return turn

    def _judge(self, a: Numbers, b: Numbers) -> NDArray[np.int8]:
        """What speaks against joining each pair of clusters; no cluster is in two pairs."""
        number = np.full(len(self.labels), -1, dtype=np.int64)
        number[a] = number[b] = np.arange(len(a))
        between = np.flatnonzero((number[self._a] >= 0) & (number[self._a] == number[self._b]))
        pair, weight = number[self._a[between]], self._weight[between]
        total = np.zeros(len(a), dtype=np.int64)
        np.add.at(total, pair, weight)
        strongest = np.zeros(len(a), dtype=np.int64)
        strongest[pair[::-1]] = weight[::-1]
        edges = np.bincount(pair, minlength=len(a)).astype(np.int64)
        holds = self._linkage.holds_for(strongest, total, edges, self._sizes[a] * self._sizes[b])
        verdict = np.where(holds, Verdict.ACCEPTED, Verdict.LINKAGE).astype(np.int8)
        differ = ~self._names.same(a, b) & ~self._dates.same(a, b)
        suspect = holds & (
            differ | (self._exclusive[a] & self._exclusive[b]) | (self._special[a] & self._special[b])
        )
        at = np.flatnonzero(suspect)
        if len(at):
            members = self._members(np.concatenate([a[at], b[at]]))
            for i in at.tolist():
                verdict[i] = self._veto(members[int(a[i])], members[int(b[i])])
        return verdict

    def _members(self, clusters: Numbers) -> dict[int, list[int]]:
        wanted = np.zeros(len(self.labels), dtype=np.bool_)
        wanted[clusters] = True
        places = np.flatnonzero(wanted[self.labels])
        members: dict[int, list[int]] = {}
        for place, label in zip(places.tolist(), self.labels[places].tolist(), strict=True):
            members.setdefault(label, []).append(place)
        return members

    def _veto(self, one: list[int], other: list[int]) -> Verdict:
        if keeps_apart(self._tags(one), self._tags(other)):
            return Verdict.APART
        groups, others = self._groups(one), self._groups(other)
        for group in groups:
            for against in others:
                if group != against and (verdict := groups_conflict(group, against)) is not Verdict.ACCEPTED:
                    return verdict
        return Verdict.ACCEPTED

    def _tags(self, places: list[int]) -> frozenset[Tag]:
        if not self._rulings.tags:
            return frozenset()
        tags = (self._rulings.tags.get(int(self._facts.records[place])) for place in places)
        return frozenset(tag for of_record in tags if of_record for tag in of_record)

    def _groups(self, places: list[int]) -> set[Group]:
        """What `join_by_decision` formed among these records; a record that no decision joined is a group of its own."""
        if len(places) == 1:
            return {frozenset((self._facts.at(places[0]),))}
        groups: dict[int, list[int]] = {}
        for place in places:
            groups.setdefault(int(self._decided_groups[place]), []).append(place)
        return {frozenset(map(self._facts.at, group)) for group in groups.values()}

    def _join(self, into: Numbers, moving: Numbers) -> None:
        self._sizes[into] += self._sizes[moving]
        self._names.join(into, moving)
        self._dates.join(into, moving)
        self._exclusive[into] |= self._exclusive[moving]
        self._special[into] |= self._special[moving]
        new = np.arange(len(self.labels))
        new[moving] = into
        self.labels = new[self.labels]
        self._a, self._b = new[self._a], new[self._b]
        self._drop_within()

    def _drop_within(self) -> None:
        """Accept the edges whose ends have become one cluster, and forget them."""
        within = self._a == self._b
        done = self._edge[within]
        self.verdicts[done[self.verdicts[done] == _OPEN]] = Verdict.ACCEPTED
        across = ~within
        self._edge, self._weight = self._edge[across], self._weight[across]
        self._a, self._b = self._a[across], self._b[across]

    def _components(
        self,
    ) -> Iterator[tuple[Numbers, list[tuple[int, int, int]], list[tuple[int, int, int]], Numbers]]:
        """Records, waiting edges and refused edges of each component through waiting edges, and the waiting edges' places."""
        open_ = self.verdicts[self._edge] == _OPEN
        if not open_.any():
            return
        links = coo_matrix(
            (np.ones(int(open_.sum()), dtype=np.int8), (self._a[open_], self._b[open_])),
            shape=(len(self.labels),) * 2,
        )
        count, component = connected_components(links, directed=False)
        busy = np.zeros(count, dtype=np.bool_)
        busy[component[self._a[open_]]] = True
        records = _by_component(np.flatnonzero(busy[component[self.labels]]), component[self.labels])
        inside = (component[self._a] == component[self._b]) & busy[component[self._a]]
        waiting = _by_component(np.flatnonzero(inside & open_), component[self._a])
        refused = _by_component(np.flatnonzero(inside & ~open_), component[self._a])
        nothing = np.zeros(0, dtype=np.int64)
        for number, of_component in records.items():
            at = waiting[number]
            yield of_component, self._plain(at), self._plain(refused.get(number, nothing)), self._edge[at]

    def _plain(self, at: Numbers) -> list[tuple[int, int, int]]:
        edge = self._edge[at]
        left, right = (self._facts.records[end[edge]] for end in self._ends)
        return list(zip(self._weight[at].tolist(), left.tolist(), right.tolist(), strict=True))


@dataclass
class _Span:
    """The least and the greatest code among the records of each cluster that can be compared."""

    least: NDArray[np.int32]
    most: NDArray[np.int32]

    @classmethod
    def of(cls, codes: NDArray[np.int32], facts: FactColumns, labels: Numbers) -> _Span:
        comparable = (facts.first_name >= 0) & (facts.birth_date >= 0)
        least = np.full(len(labels), np.iinfo(np.int32).max, dtype=np.int32)
        most = np.full(len(labels), -1, dtype=np.int32)
        np.minimum.at(least, labels[comparable], codes[comparable])
        np.maximum.at(most, labels[comparable], codes[comparable])
        return cls(least, most)

    def same(self, a: Numbers, b: Numbers) -> Flags:
        """Whether two clusters together have one code, or one of them has none."""
        one = np.minimum(self.least[a], self.least[b]) >= np.maximum(self.most[a], self.most[b])
        result: Flags = one | (self.most[a] < 0) | (self.most[b] < 0)
        return result

    def join(self, into: Numbers, moving: Numbers) -> None:
        self.least[into] = np.minimum(self.least[into], self.least[moving])
        self.most[into] = np.maximum(self.most[into], self.most[moving])


def _any(flags: Flags, labels: Numbers) -> Flags:
    result = np.zeros(len(labels), dtype=np.bool_)
    result[labels[flags]] = True
    return result


def _by_component(places: Numbers, component: Numbers) -> dict[int, Numbers]:
    """Places by their component, in rising order within each."""
    if not len(places):
        return {}
    of = component[places]
    order = np.argsort(of, kind="stable")
    numbers, starts = np.unique(of[order], return_index=True)
    return dict(zip(numbers.tolist(), np.split(places[order], starts[1:]), strict=True))
