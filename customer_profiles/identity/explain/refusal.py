"""What became of an edge when it was its turn, told with the numbers that decided it. Pure.

The clustering is walked again over the two customers at the ends alone. That is exact: until the end every cluster is a part
of one customer of today, and what becomes of an edge depends on the two clusters that it lies between, and on no other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from customer_profiles.identity.clusters.greedy import greedy, join_by_decision
from customer_profiles.identity.clusters.linkage import UNIT, Linkage
from customer_profiles.identity.clusters.vetoes import NO_FACTS, Facts, Verdict, groups_conflict
from customer_profiles.identity.decisions.rulings import Apart, Rulings

StoredEdge = tuple[int, int, int]
"""Weight in 1/1024 bit, smaller record, larger record."""


@dataclass(frozen=True)
class LinkageNumbers:
    """How well two sides hang together, in 1/1024 bit: the rule's own numbers.

    Attributes:
        strongest: The strongest edge between them.
        mean: The mean over all pairs across, those without an edge counted as `missing_weight`.
        mixed: What the rule makes of the two.
        threshold: What it must reach.
        edges: How many pairs across have an edge.
        missing: How many have none.
        missing_weight: What such a pair weighs.
    """

    strongest: int
    mean: float
    mixed: float
    threshold: int
    edges: int
    missing: int
    missing_weight: int


@dataclass(frozen=True)
class Turn:
    """An edge at its turn.

    Attributes:
        verdict: What became of it.
        joined_before: Whether its ends had become one customer before, by heavier edges or a decision.
        left_side: The cluster of the smaller record at that time.
        right_side: That of the larger record.
        linkage: How the sides hang together.
        apart: The decisions that keep the sides apart.
        exclusive: The kinds of identifiers of which a customer has one value, and the sides have different ones.
        between: The records of each side that the veto is about.
    """

    verdict: Verdict
    joined_before: bool
    left_side: tuple[int, ...]
    right_side: tuple[int, ...]
    linkage: LinkageNumbers | None = None
    apart: tuple[str, ...] = ()
    exclusive: tuple[str, ...] = ()
    between: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())


def turn_of(
    pair: tuple[int, int],
    records: Iterable[int],
    edges: Iterable[StoredEdge],
    facts: Mapping[int, Facts],
    rulings: Rulings,
    linkage: Linkage,
) -> Turn:
    """What became of the edge between two records.

    Args:
        pair: The smaller and the larger record; there is an edge between them.
        records: All records of the two customers (or of the one).
        edges: All stored edges among them, refused ones too.
        facts: What the vetoes look at.
        rulings: The decisions in force.
        linkage: The rule by which sides hang together.
    """
    records = sorted(records)
    in_turn = sorted(edges, key=lambda edge: (-edge[0], edge[1], edge[2]))
    _, verdicts = greedy(records, in_turn, facts, rulings, linkage)
    label_of = join_by_decision(records, rulings)
    groups = _clusters(label_of)
    clusters = _clusters(label_of)
    for (_, left, right), verdict in zip(in_turn, verdicts, strict=True):
        one, other = clusters[label_of[left]], clusters[label_of[right]]
        joined = label_of[left] == label_of[right]
        if (left, right) == pair:
            turn = Turn(verdict, joined, tuple(sorted(one)), tuple(sorted(other)))
            return turn if joined else _told(turn, in_turn, groups.values(), facts, rulings, linkage)
        if verdict is Verdict.ACCEPTED and not joined:
            for record in other:
                label_of[record] = label_of[left]
            one |= other
    raise ValueError("there is no edge between the two records")


def linkage_between(
    left: Iterable[int], right: Iterable[int], edges: Iterable[StoredEdge], linkage: Linkage
) -> LinkageNumbers | None:
    """How two sides hang together; None where no edge lies between them."""
    left, right = set(left), set(right)
    across = [
        weight
        for weight, one, other in edges
        if (one in left and other in right) or (one in right and other in left)
    ]
    if not across:
        return None
    pairs = len(left) * len(right)
    mean = (sum(across) + linkage.missing * (pairs - len(across))) / pairs
    return LinkageNumbers(
        strongest=max(across),
        mean=mean,
        mixed=(linkage.share * max(across) + (UNIT - linkage.share) * mean) / UNIT,
        threshold=linkage.threshold,
        edges=len(across),
        missing=pairs - len(across),
        missing_weight=linkage.missing,
    )


def aparts_between(left: Iterable[int], right: Iterable[int], rulings: Rulings) -> tuple[str, ...]:
    """The *apart* decisions that have a record of each side on their two sides, by ID."""
    left, right = frozenset(left), frozenset(right)

    def stands_between(apart: Apart) -> bool:
        return bool(
            (apart.side_a & left and apart.side_b & right) or (apart.side_a & right and apart.side_b & left)
        )

    return tuple(sorted(apart.decision_id for apart in rulings.aparts if stands_between(apart)))


def _told(
    turn: Turn,
    edges: Sequence[StoredEdge],
    groups: Iterable[set[int]],
    facts: Mapping[int, Facts],
    rulings: Rulings,
    linkage: Linkage,
) -> Turn:
    left, right = frozenset(turn.left_side), frozenset(turn.right_side)
    exclusive: tuple[str, ...] = ()
    between: tuple[tuple[int, ...], tuple[int, ...]] = ((), ())
    if turn.verdict in (Verdict.EXCLUSIVE, Verdict.NAMES):
        between = _in_conflict(left, right, groups, facts, turn.verdict)
        exclusive = _exclusive_kinds(*between, facts) if turn.verdict is Verdict.EXCLUSIVE else ()
    return Turn(
        verdict=turn.verdict,
        joined_before=turn.joined_before,
        left_side=turn.left_side,
        right_side=turn.right_side,
        linkage=linkage_between(left, right, edges, linkage),
        apart=aparts_between(left, right, rulings),
        exclusive=exclusive,
        between=between,
    )


def _in_conflict(
    left: frozenset[int],
    right: frozenset[int],
    groups: Iterable[set[int]],
    facts: Mapping[int, Facts],
    verdict: Verdict,
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The first two groups across of which the veto says so."""
    ordered = sorted(tuple(sorted(group)) for group in groups)

    def seen(group: tuple[int, ...]) -> frozenset[Facts]:
        looked_at = (facts.get(record, NO_FACTS) for record in group)
        return frozenset(one for one in looked_at if one.comparable)

    for one in (group for group in ordered if group[0] in left):
        for other in (group for group in ordered if group[0] in right):
            if groups_conflict(seen(one), seen(other)) is verdict:
                return one, other
    return (), ()


def _exclusive_kinds(
    left: Iterable[int], right: Iterable[int], facts: Mapping[int, Facts]
) -> tuple[str, ...]:
    def values(records: Iterable[int]) -> dict[str, set[str]]:
        held: dict[str, set[str]] = {}
        for record in records:
            for kind, of_kind in facts.get(record, NO_FACTS).exclusive:
                held.setdefault(kind, set()).update(of_kind)
        return held

    one, other = values(left), values(right)
    return tuple(sorted(kind for kind in one.keys() & other.keys() if one[kind].isdisjoint(other[kind])))


def _clusters(label_of: Mapping[int, int]) -> dict[int, set[int]]:
    clusters: dict[int, set[int]] = {}
    for record, label in label_of.items():
        clusters.setdefault(label, set()).add(record)
    return clusters
