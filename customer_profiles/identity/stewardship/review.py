"""The review queue: matches that a person should look at, those first whose answer is worth most.

Four kinds. *Band*: two customers that were nearly joined: pairs below the edge threshold, or edges that do not hold the
sides together. *Bridge*: one weak edge that alone holds two halves of
a customer together. *Conflict*: strong edges between two customers that a veto refused. *Sample*: accepted
edges picked by chance, to learn how often the graph is right.

The worth of a question is the number of pairs of records that an unexpected answer would put right, times the chance of
that answer. For two customers the chance comes from the mean weight of all pairs across, where a pair without an edge
speaks against: a family whose strongest pair looks alike ranks below two records of one person. For a bridge it
comes from the linkage of the halves, by which they were joined. A veto against a weight is a coin toss between two
rules. The sample is in the order of its hash, never of worth: picked by worth it would no longer be a sample.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.clusters.cut_edges import cut_edges
from customer_profiles.identity.clusters.linkage import UNIT, Linkage, units
from customer_profiles.identity.decisions.decisions import Decision, DecisionKind, read_decisions
from customer_profiles.identity.graph.graph_store import Members, read_columns, read_members
from customer_profiles.identity.linking import linkage_of
from customer_profiles.identity.tables import edge, review_pair
from customer_profiles.settings.identity import IdentitySettings

Numbers = NDArray[np.int64]
Floats = NDArray[np.float64]

WEAK_BRIDGE = 7.0
"""Halves that hang together by fewer bits than this are worth a look: the odds that they are two are over 1 in 128."""
STRONG_CONFLICT = 3.0
"""A refused edge of fewer bits is no contradiction of the veto that refused it."""
_SAMPLE_IN = 5
"""One in so many lines of the whole queue is of the sample."""
_REFUSALS = ("names", "exclusive", "apart", "linkage")
_LINKAGE = len(_REFUSALS) - 1
END_OF_LOG = 2**63 - 1


class ReviewKind(StrEnum):
    """Why a match should be looked at."""

    BAND = "band"
    BRIDGE = "bridge"
    CONFLICT = "conflict"
    SAMPLE = "sample"


@dataclass(frozen=True)
class ReviewItem:
    """One question to a steward: are these two the same person?

    Attributes:
        kind: Why it is asked.
        left_no: The smaller record of the pair that stands for the two sides.
        right_no: The larger record.
        weight: Weight of their edge or pair, in bits.
        bits: Of a bridge the linkage of its halves, of a sampled match its weight, else the mean weight of all pairs
            across; in bits.
        worth: Pairs of records that an unexpected answer would put right, times the chance of it.
        customers: The customer, or the two.
        records: Records of the one side and of the other.
        refusal: The veto, of a conflict.
    """

    kind: ReviewKind
    left_no: int
    right_no: int
    weight: float
    bits: float
    worth: float
    customers: tuple[int, ...]
    records: tuple[int, int]
    refusal: str | None = None


@dataclass(frozen=True)
class ReviewPage:
    """A part of the queue.

    Attributes:
        items: In order of worth; one line in five is the next of the sample.
        waiting: By kind how many there are.
    """

    items: tuple[ReviewItem, ...]
    waiting: dict[ReviewKind, int]


def review_queue(
    connection: sa.Connection,
    generation: int,
    settings: IdentitySettings,
    kind: ReviewKind | None = None,
    limit: int = 20,
    skip: int = 0,
) -> ReviewPage:
    """A page of the review queue; what a decision in force has answered is left out.

    The pairs and edges of the generation are read in columns, and only what is shown is taken from them.

    Args:
        connection: Reading the state store.
        generation: The live generation.
        settings: The linkage rule.
        kind: Only this kind; None for all.
        limit: How many at most.
        skip: How many from the start to leave out.
    """
    graph = _Columns.read(connection, generation, settings)
    ranked = {one: _RANKED[one](graph) for one in ReviewKind if kind in (None, one)}
    waiting = {one: len(found) for one, found in ranked.items()}
    if kind is not None:
        return ReviewPage(tuple(_items(ranked[kind], skip, limit)), waiting)
    worthy = _merged([ranked[one] for one in ReviewKind if one is not ReviewKind.SAMPLE])
    sample = ranked[ReviewKind.SAMPLE]
    return ReviewPage(tuple(_interleaved(worthy, sample, skip, limit)), waiting)


def sample_order(left: Numbers, right: Numbers) -> Numbers:
    """The places of pairs in the order of the sample: by a hash of their record numbers, whenever and whatever they are."""
    with np.errstate(over="ignore"):
        state = left.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15) + right.astype(np.uint64)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            state = (state ^ (state >> np.uint64(shift))) * np.uint64(factor)
        state ^= state >> np.uint64(31)
    order: Numbers = np.lexsort((right, left, state))
    return order


def decided_pairs(decisions: Iterable[Decision]) -> dict[tuple[int, int], DecisionKind]:
    """What the decisions in force say of each pair that they name; of two that contradict *apart* counts, as it does."""
    said: dict[tuple[int, int], DecisionKind] = {}
    for one in sorted(decisions, key=lambda one: one.kind is DecisionKind.APART):
        if one.in_force(END_OF_LOG):
            for a in one.side_a:
                said |= {(min(a, b), max(a, b)): one.kind for b in one.side_b}
    return said


def among_pairs(left: Numbers, right: Numbers, pairs: Collection[tuple[int, int]]) -> NDArray[np.bool_]:
    """For each pair of records whether it is among these."""
    if not pairs:
        return np.zeros(len(left), dtype=np.bool_)
    named = np.isin(left, np.array([a for a, _ in pairs], dtype=np.int64))
    known = set(pairs)
    for i in np.flatnonzero(named).tolist():
        named[i] = (int(left[i]), int(right[i])) in known
    return named


@dataclass(frozen=True)
class _Found:
    """Questions of one kind in columns, in their order."""

    kind: ReviewKind
    left: Numbers
    right: Numbers
    weight: Numbers
    bits: Floats
    worth: Floats
    one: Numbers
    other: Numbers
    sizes: tuple[Numbers, Numbers]
    refusals: NDArray[np.int64] | None = None

    def __len__(self) -> int:
        return len(self.left)

    def take(self, at: Numbers) -> _Found:
        """The questions at these places."""
        return _Found(
            self.kind,
            self.left[at],
            self.right[at],
            self.weight[at],
            self.bits[at],
            self.worth[at],
            self.one[at],
            self.other[at],
            (self.sizes[0][at], self.sizes[1][at]),
            None if self.refusals is None else self.refusals[at],
        )

    def by_worth(self) -> _Found:
        """The worthiest first; of equal ones the smaller records."""
        return self.take(np.lexsort((self.right, self.left, -self.worth)))

    def item(self, i: int) -> ReviewItem:
        customers = dict.fromkeys((int(self.one[i]), int(self.other[i])))
        return ReviewItem(
            kind=self.kind,
            left_no=int(self.left[i]),
            right_no=int(self.right[i]),
            weight=int(self.weight[i]) / UNIT,
            bits=float(self.bits[i]),
            worth=float(self.worth[i]),
            customers=tuple(customers),
            records=(int(self.sizes[0][i]), int(self.sizes[1][i])),
            refusal=None if self.refusals is None else _REFUSALS[int(self.refusals[i])],
        )


@dataclass(frozen=True)
class _Columns:
    """Edges and pairs of the band of a generation, without what decisions have answered.

    Attributes:
        left: The smaller record of each.
        right: The larger.
        weight: In 1/1024 bit.
        one: The customer of the smaller record.
        other: The customer of the larger.
        accepted: Whether it is an accepted edge.
        refusal: The place of its refusal among `_REFUSALS`; -1 for none.
        band: Whether it is no edge but a pair in the band.
        members: Who belongs to whom.
        links: Pairs of records that a *together* joins.
        answered: Whether a decision in force names the pair.
        linkage: The rule by which sides hang together.
    """

    left: Numbers
    right: Numbers
    weight: Numbers
    one: Numbers
    other: Numbers
    accepted: NDArray[np.bool_]
    refusal: Numbers
    band: NDArray[np.bool_]
    members: Members
    links: Sequence[tuple[int, int]]
    answered: NDArray[np.bool_]
    linkage: Linkage

    @classmethod
    def read(cls, connection: sa.Connection, generation: int, settings: IdentitySettings) -> _Columns:
        refusal = sa.case({name: i for i, name in enumerate(_REFUSALS)}, value=edge.c.refusal, else_=-1)
        edges = read_columns(
            connection,
            sa.select(
                edge.c.left_no, edge.c.right_no, edge.c.weight, edge.c.accepted, refusal.label("refusal")
            ).where(edge.c.generation == generation),
        )
        pairs = read_columns(
            connection,
            sa.select(review_pair.c.left_no, review_pair.c.right_no, review_pair.c.weight).where(
                review_pair.c.generation == generation
            ),
        )
        members = read_members(connection, generation)
        said = decided_pairs(read_decisions(connection))
        left, right, weight = (np.concatenate([edges[i], pairs[i]]) for i in range(3))
        band = np.arange(len(left)) >= len(edges[0])
        nothing = np.zeros(len(pairs[0]), dtype=np.int64)
        return cls(
            left=left,
            right=right,
            weight=weight,
            one=members.of(left),
            other=members.of(right),
            accepted=np.concatenate([edges[3], nothing]).astype(np.bool_),
            refusal=np.concatenate([edges[4], nothing - 1]),
            band=band,
            members=members,
            links=[pair for pair, kind in said.items() if kind is DecisionKind.TOGETHER],
            answered=among_pairs(left, right, said),
            linkage=linkage_of(settings),
        )

    def sizes(self, customers: Numbers) -> Numbers:
        """How many records customers have."""
        present, counts = np.unique(self.members.customers, return_counts=True)
        sizes: Numbers = counts[np.searchsorted(present, customers)]
        return sizes

    def mean(self, total: Numbers, edges: Numbers, pairs: Numbers) -> Floats:
        """The mean weight of all pairs between sides, in bits."""
        return np.asarray((total + self.linkage.missing * (pairs - edges)) / pairs / UNIT, dtype=np.float64)

    def hold(self, weight: Numbers, pairs: Numbers) -> Floats:
        """The linkage of sides that one edge holds together, in bits."""
        share = self.linkage.share / UNIT
        one = np.ones(len(weight), dtype=np.int64)
        held: Floats = share * weight / UNIT + (1 - share) * self.mean(weight, one, pairs)
        return held

    @property
    def vetoed(self) -> NDArray[np.bool_]:
        """Whether it is a strong edge that a veto refused."""
        vetoed: NDArray[np.bool_] = (self.refusal >= 0) & (self.refusal != _LINKAGE)
        return vetoed & (self.weight >= units(STRONG_CONFLICT))

    def between(
        self, chosen: NDArray[np.bool_], barred: NDArray[np.bool_], kind: ReviewKind, doubt: float
    ) -> _Found:
        """One question for each two customers with a chosen pair between them and no barred one.

        The heaviest of the chosen pairs stands for the two; all pairs count for how they hang together.
        """
        across = (self.one != self.other) & (self.one >= 0) & (self.other >= 0)
        first, second = np.minimum(self.one, self.other), np.maximum(self.one, self.other)
        at = np.flatnonzero(across)
        at = at[
            np.lexsort((self.right[at], self.left[at], -self.weight[at], ~chosen[at], second[at], first[at]))
        ]
        new = np.ones(len(at), dtype=np.bool_)
        new[1:] = (np.diff(first[at]) != 0) | (np.diff(second[at]) != 0)
        group = np.cumsum(new) - 1
        count = int(new.sum())
        edges = np.bincount(group, minlength=count).astype(np.int64)
        total = np.zeros(count, dtype=np.int64)
        np.add.at(total, group, self.weight[at])
        closed = np.bincount(group, weights=self.answered[at] | barred[at], minlength=count) > 0
        top = at[new]
        keep = chosen[top] & ~closed
        top, edges, total = top[keep], edges[keep], total[keep]
        sizes = self.sizes(self.one[top]), self.sizes(self.other[top])
        pairs = sizes[0] * sizes[1]
        bits = self.mean(total, edges, pairs)
        return _Found(
            kind,
            self.left[top],
            self.right[top],
            self.weight[top],
            bits,
            doubt * _odds(bits) * pairs,
            self.one[top],
            self.other[top],
            sizes,
            self.refusal[top] if kind is ReviewKind.CONFLICT else None,
        )


def _band(graph: _Columns) -> _Found:
    # Two customers with a strong edge between them that a veto refused are a conflict, whatever else lies there.
    nearly = graph.band | (graph.refusal == _LINKAGE)
    return graph.between(nearly, graph.vetoed, ReviewKind.BAND, 1.0).by_worth()


def _conflicts(graph: _Columns) -> _Found:
    nothing = np.zeros(len(graph.left), dtype=np.bool_)
    return graph.between(graph.vetoed, nothing, ReviewKind.CONFLICT, 0.5).by_worth()


def _bridges(graph: _Columns) -> _Found:
    """Cut edges of the accepted graph with two records or more on each side."""
    inside = graph.accepted & (graph.one == graph.other) & (graph.one >= 0)
    at = np.flatnonzero(inside)
    # The heaviest edge that can be a weak bridge holds two large halves; the rest need not be walked.
    weak = graph.weight[at] < _heaviest_weak(graph.linkage)
    customers = np.unique(graph.one[at[weak]])
    customers = customers[graph.sizes(customers) > 3]
    at = at[np.isin(graph.one[at], customers)]
    cut, one, other = cut_edges(graph.left[at], graph.right[at], graph.links)
    kept = (one > 1) & (other > 1)
    top, one, other = at[cut[kept]], one[kept], other[kept]
    weight = graph.weight[top]
    bits = graph.hold(weight, one * other)
    found = _Found(
        ReviewKind.BRIDGE,
        graph.left[top],
        graph.right[top],
        weight,
        bits,
        _odds(-bits) * one * other,
        graph.one[top],
        graph.other[top],
        (one, other),
    )
    return found.take(np.flatnonzero((bits < WEAK_BRIDGE) & ~graph.answered[top])).by_worth()


def _sample(graph: _Columns) -> _Found:
    at = np.flatnonzero(graph.accepted & ~graph.answered)
    at = at[sample_order(graph.left[at], graph.right[at])]
    size = graph.sizes(graph.one[at])
    bits = graph.weight[at] / UNIT
    return _Found(
        ReviewKind.SAMPLE,
        graph.left[at],
        graph.right[at],
        graph.weight[at],
        bits,
        _odds(-bits),
        graph.one[at],
        graph.other[at],
        (size, size),
    )


_RANKED = {
    ReviewKind.BAND: _band,
    ReviewKind.BRIDGE: _bridges,
    ReviewKind.CONFLICT: _conflicts,
    ReviewKind.SAMPLE: _sample,
}


def _heaviest_weak(linkage: Linkage) -> int:
    """No edge of this weight or more can be a bridge of fewer bits than `WEAK_BRIDGE`, however large its halves."""
    share = max(linkage.share, 1) / UNIT
    return round((units(WEAK_BRIDGE) - (1 - share) * linkage.missing) / share)


def _odds(bits: Floats) -> Floats:
    """The chance that something of so many bits is true."""
    return 1 / (1 + np.exp2(-bits))


def _items(found: _Found, skip: int, limit: int) -> Iterator[ReviewItem]:
    return (found.item(i) for i in range(skip, min(skip + limit, len(found))))


def _merged(kinds: Sequence[_Found]) -> list[tuple[_Found, int]]:
    """All questions of several kinds, the worthiest first."""
    kind = np.concatenate([np.full(len(found), i) for i, found in enumerate(kinds)])
    place = np.concatenate([np.arange(len(found)) for found in kinds])
    worth = np.concatenate([found.worth for found in kinds])
    order = np.lexsort((place, kind, -worth))
    return [(kinds[i], j) for i, j in zip(kind[order].tolist(), place[order].tolist(), strict=True)]


def _interleaved(
    worthy: Sequence[tuple[_Found, int]], sample: _Found, skip: int, limit: int
) -> Iterator[ReviewItem]:
    """A part of the queue in which every fifth line is the next of the sample, and the end once all else is told."""

    def sampled(lines: int) -> int:
        return min(len(sample), max(lines // _SAMPLE_IN, lines - len(worthy)))

    for line in range(skip, min(skip + limit, len(worthy) + len(sample))):
        if sampled(line + 1) > sampled(line):
            yield sample.item(sampled(line))
        else:
            found, i = worthy[line - sampled(line)]
            yield found.item(i)
