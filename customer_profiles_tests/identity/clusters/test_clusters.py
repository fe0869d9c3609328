"""The rule of the clusters: the counter-examples that made it, and fast against plain."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.identity.clusters.clusters import Clustering, cluster
from customer_profiles.identity.clusters.linkage import Linkage, units
from customer_profiles.identity.clusters.vetoes import FactColumns, Facts, Verdict, names_conflict
from customer_profiles.identity.decisions.rulings import Apart, Rulings, Together

LINKAGE = Linkage.from_bits(threshold=0.5, missing=-8.0, share=0.5)
Edges = Mapping[tuple[int, int], float]


def clustered(
    records: int | Mapping[int, Facts],
    edges: Edges,
    rulings: Rulings | None = None,
    linkage: Linkage = LINKAGE,
    few: int = 1,
) -> Clustering:
    facts = (
        records if isinstance(records, Mapping) else {record: Facts(None, None) for record in range(records)}
    )
    pairs = list(edges)
    return cluster(
        np.array([pair[0] for pair in pairs], dtype=np.int64),
        np.array([pair[1] for pair in pairs], dtype=np.int64),
        np.array([units(edges[pair]) for pair in pairs], dtype=np.int64),
        FactColumns.of(facts),
        rulings or Rulings(),
        linkage,
        few,
    )


def sets(clustering: Clustering) -> set[frozenset[int]]:
    found: dict[int, set[int]] = {}
    for record, label in zip(clustering.records.tolist(), clustering.labels.tolist(), strict=True):
        found.setdefault(label, set()).add(record)
        assert label <= record
    return {frozenset(members) for members in found.values()}


def partition(*groups: str | set[int]) -> set[frozenset[int]]:
    return {frozenset(group) for group in groups}


def together(name: str, at: int, one: set[int], other: set[int]) -> Together:
    return Together(name, at, frozenset(one), frozenset(other))


def apart(name: str, at: int, one: set[int], other: set[int]) -> Apart:
    return Apart(name, at, frozenset(one), frozenset(other))


def by_the_book(
    facts: Mapping[int, Facts], edges: Mapping[tuple[int, int], int], rulings: Rulings, linkage: Linkage
) -> tuple[set[frozenset[int]], dict[tuple[int, int], bool]]:
    """The rule written down as plainly as can be, in exact fractions."""
    from fractions import Fraction

    cluster_of = {record: frozenset([record]) for record in facts}

    def join(a: frozenset[int], b: frozenset[int]) -> None:
        for record in a | b:
            cluster_of[record] = a | b

    def split_by_decision(a: frozenset[int], b: frozenset[int]) -> bool:
        return any(
            (a & ruling.side_a and b & ruling.side_b) or (a & ruling.side_b and b & ruling.side_a)
            for ruling in rulings.aparts
        )

    for ruling in sorted(rulings.togethers, key=lambda ruling: (-ruling.decided_at, ruling.decision_id)):
        for a, b in sorted({tuple(sorted((a, b))) for a in ruling.side_a for b in ruling.side_b if a != b}):
            if a in cluster_of and b in cluster_of and cluster_of[a] != cluster_of[b]:
                if not split_by_decision(cluster_of[a], cluster_of[b]):
                    join(cluster_of[a], cluster_of[b])
    groups = set(cluster_of.values())

    def groups_conflict(g: frozenset[int], h: frozenset[int]) -> bool:
        kinds = {kind for record in g for kind, _ in facts[record].exclusive}
        for kind in kinds:
            of_g = {v for record in g for k, vs in facts[record].exclusive if k == kind for v in vs}
            of_h = {v for record in h for k, vs in facts[record].exclusive if k == kind for v in vs}
            if of_g and of_h and not of_g & of_h:
                return True
        compared = [names_conflict(facts[x], facts[y]) for x in g for y in h]
        comparable = [c for c in compared if c is not None]
        return bool(comparable) and all(comparable)

    accepted = {}
    for (a, b), _ in sorted(edges.items(), key=lambda edge: (-edge[1], edge[0])):
        one, other = cluster_of[a], cluster_of[b]
        if one == other:
            accepted[a, b] = True
            continue
        between = [edges[p] for x in one for y in other if (p := (min(x, y), max(x, y))) in edges]
        pairs = len(one) * len(other)
        share = Fraction(linkage.share, 1024)
        mean = Fraction(sum(between) + linkage.missing * (pairs - len(between)), pairs)
        accepted[a, b] = (
            share * max(between) + (1 - share) * mean >= linkage.threshold
            and not split_by_decision(one, other)
            and not any(groups_conflict(g, h) for g in groups if g <= one for h in groups if h <= other)
        )
        if accepted[a, b]:
            join(one, other)
    return set(cluster_of.values()), accepted


@st.composite
def graphs(draw: st.DrawFn) -> tuple[dict[int, Facts], dict[tuple[int, int], int], Rulings, Linkage]:
    count = draw(st.integers(1, 14))
    random_ = random.Random(draw(st.integers(0, 2**32)))
    density, steps = random_.choice([0.1, 0.25, 0.5, 0.9]), random_.choice([3, 12, 40])
    spread = random_.choice([0.0, 0.5, 1.0])

    def facts() -> Facts:
        name = random_.choice(["anna", "boris", "clemens"]) if random_.random() < spread else None
        date = random_.choice(["1950-01-01", "1971-11-23"]) if random_.random() < spread else "1960-02-02"
        exclusive = random_.random() < spread / 3
        value = frozenset(random_.sample(["x", "y", "z"], random_.randint(1, 2)))
        return Facts(name, date, (("user_id", value),) if exclusive else ())

    edges = {
        pair: random_.randint(0, steps) * 512
        for pair in itertools.combinations(range(count), 2)
        if random_.random() < density
    }
    togethers, aparts = [], []
    for number in range(random_.choice([0, 0, 1, 4])):
        sides = [set(random_.choices(range(count + 2), k=random_.randint(1, 2))) for _ in range(2)]
        if random_.random() < 0.6:
            togethers.append(together(f"t{number}", random_.randint(0, 3), *sides))
        elif not sides[0] & sides[1]:
            aparts.append(apart(f"a{number}", 0, *sides))
    linkage = Linkage.from_bits(
        random_.choice([-1, 0.5, 3]), random_.choice([-8, -2, 0]), random_.choice([0, 0.5, 1])
    )
    return {r: facts() for r in range(count)}, edges, Rulings(tuple(togethers), tuple(aparts)), linkage


@given(graphs(), st.sampled_from([1, 2, 10_000]), st.randoms())
def test_rounds_over_columns_and_the_walk_give_what_the_rule_says(graph, few, shuffle) -> None:
    facts, edges, rulings, linkage = graph
    pairs = list(edges)
    shuffle.shuffle(pairs)
    left, right, weight = (
        np.array([value(pair) for pair in pairs], dtype=np.int64)
        for value in (lambda p: p[0], lambda p: p[1], lambda p: edges[p])
    )
    clustering = cluster(left, right, weight, FactColumns.of(facts), rulings, linkage, few)
    expected, accepted = by_the_book(facts, edges, rulings, linkage)
    assert sets(clustering) == expected
    assert dict(zip(pairs, clustering.accepted.tolist(), strict=True)) == accepted


def test_one_strong_pair_joins_two_single_records() -> None:
    assert sets(clustered(2, {(0, 1): 0.5})) == partition({0, 1})
    assert sets(clustered(2, {(0, 1): 0.4})) == partition({0}, {1})


def test_two_established_groups_need_more_than_one_weak_bridge() -> None:
    groups = {(0, 1): 20, (2, 3): 20, (4, 5): 20}
    assert sets(clustered(6, {**groups, (1, 2): 4})) == partition({0, 1}, {2, 3}, {4, 5})
    bridges = {(0, 2): 4, (0, 3): 4, (1, 2): 4}
    assert sets(clustered(6, {**groups, **bridges})) == partition({0, 1, 2, 3}, {4, 5})


def test_the_linkage_rule_is_exact_where_floating_point_is_not() -> None:
    third = {(0, 1): 30.0, (1, 2): 12.0, (0, 2): 0.0}
    exactly = Linkage(threshold=9 * 1024, missing=-8192, share=512)
    just_above = Linkage(threshold=9 * 1024 + 1, missing=-8192, share=512)
    assert sets(clustered(3, third, linkage=exactly)) == partition({0, 1, 2})
    assert sets(clustered(3, third, linkage=just_above)) == partition({0, 1}, {2})


def test_a_giant_product_of_sides_does_not_overflow() -> None:
    many = np.array([2**20], dtype=np.int64)
    sides = np.array([40 * 1024], dtype=np.int64), many * 40 * 1024, many, many**2
    assert LINKAGE.holds_for(*sides).tolist() == [LINKAGE.holds(40 * 1024, 2**20 * 40 * 1024, 2**20, 2**40)]


def test_conflicting_decisions_give_the_newest_its_way_whatever_the_arrival() -> None:
    rulings = [together("t1", 1, {0}, {1}), together("t2", 2, {1}, {2})]
    keep = apart("a", 0, {0}, {2})
    for order in itertools.permutations(rulings):
        assert sets(clustered(3, {}, Rulings(order, (keep,)))) == partition({0}, {1, 2})


def test_decisions_made_at_the_same_moment_are_ordered_by_their_id() -> None:
    rulings = together("b", 1, {0}, {1}), together("a", 1, {1}, {2})
    keep = apart("x", 0, {0}, {2})
    assert sets(clustered(3, {}, Rulings(rulings, (keep,)))) == partition({0}, {1, 2})


def test_a_together_is_blocked_by_nothing_but_an_apart() -> None:
    facts = {
        0: Facts("anna", "1950-01-01", (("user_id", frozenset("x")),)),
        1: Facts("boris", "1971-11-23", (("user_id", frozenset("y")),)),
    }
    joined = Rulings((together("t", 1, {0}, {1}),))
    assert sets(clustered(facts, {}, joined)) == partition({0, 1})
    blocked = Rulings(joined.togethers, (apart("a", 0, {0}, {1}),))
    assert sets(clustered(facts, {}, blocked)) == partition({0}, {1})


def test_an_apart_outweighs_any_edge_and_holds_through_a_third_record() -> None:
    rulings = Rulings(aparts=(apart("a", 0, {0}, {2}),))
    clustering = clustered(3, {(0, 1): 30, (1, 2): 29, (0, 2): 28}, rulings)
    assert sets(clustering) == partition({0, 1}, {2})
    assert clustering.verdicts.tolist() == [Verdict.ACCEPTED, Verdict.APART, Verdict.APART]


def test_exclusive_values_without_overlap_keep_records_apart() -> None:
    facts = {n: Facts(None, None, (("user_id", frozenset(v)),)) for n, v in enumerate(["x", "y", "xy"])}
    clustering = clustered({0: facts[0], 1: facts[1]}, {(0, 1): 30})
    assert clustering.verdicts.tolist() == [Verdict.EXCLUSIVE]
    assert sets(clustered({0: facts[0], 1: facts[2]}, {(0, 1): 30})) == partition({0, 1})


def test_a_steward_who_joined_two_exclusive_values_lets_a_third_record_in() -> None:
    facts = {n: Facts(None, None, (("user_id", frozenset(v)),)) for n, v in enumerate(["x", "y", "x"])}
    joined = Rulings((together("t", 1, {0}, {1}),))
    assert sets(clustered(facts, {(0, 2): 30, (1, 2): 20}, joined)) == partition({0, 1, 2})


def test_names_and_birth_dates_veto_only_when_every_comparable_pair_differs_in_both() -> None:
    anna, boris = Facts("anna", "1950-01-01"), Facts("boris", "1971-11-23")
    clustering = clustered({0: anna, 1: boris}, {(0, 1): 30})
    assert clustering.verdicts.tolist() == [Verdict.NAMES]
    joined = Rulings((together("t", 1, {0}, {1}),))
    assert sets(clustered({0: anna, 1: boris, 2: boris}, {(0, 2): 30, (1, 2): 20}, joined)) == partition(
        {0, 1, 2}
    )
    assert sets(clustered({0: anna, 1: Facts("boris", "1950-01-01")}, {(0, 1): 30})) == partition({0, 1})
    assert sets(clustered({0: anna, 1: Facts(None, "1971-11-23")}, {(0, 1): 30})) == partition({0, 1})


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        (("anna", "1950-01-01"), ("boris", "1971-11-23"), True),
        (("anna", "1950-01-01"), ("hanna", "1971-11-23"), False),
        (("anna", "1950-01-01"), ("a", "1971-11-23"), False),
        (("anna", "1950-03-07"), ("boris", "1950-07-03"), False),
        (("anna", "1950-03-07"), ("boris", "1950-03-09"), False),
        (("anna maria", "1950-03-07"), ("maria", "1971-11-23"), False),
    ],
)
def test_a_slip_of_the_pen_is_no_other_name_and_no_other_date(one, other, conflict) -> None:
    assert names_conflict(Facts(*one), Facts(*other)) is conflict


def test_a_refusal_is_final_even_when_its_ends_meet_later() -> None:
    edges = {(0, 1): 20, (2, 3): 20, (1, 2): 5, (0, 2): 4.9, (0, 3): 4.9, (1, 3): 4.9}
    linkage = Linkage.from_bits(5, -8, 0.5)
    clustering = clustered(4, {**edges, (0, 2): 5, (0, 3): 5, (1, 3): 5}, linkage=linkage)
    assert sets(clustering) == partition({0, 1, 2, 3})
    assert sets(clustered(4, edges, linkage=linkage)) == partition({0, 1}, {2, 3})


def test_the_order_of_ties_is_that_of_the_records_never_that_of_arrival() -> None:
    rulings = Rulings(aparts=(apart("a", 0, {0}, {2}),))
    for pairs in itertools.permutations([(0, 1), (1, 2)]):
        clustering = clustered(3, dict.fromkeys(pairs, 10.0), rulings)
        assert sets(clustering) == partition({0, 1}, {2})


def test_no_edges_and_no_records_are_no_trouble() -> None:
    assert sets(clustered(0, {})) == set()
    assert sets(clustered(3, {})) == partition({0}, {1}, {2})
