"""The region that is clustered again: the same as clustering everything, and small."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import pytest

from customer_profiles.identity.clusters.greedy import greedy
from customer_profiles.identity.clusters.linkage import Linkage
from customer_profiles.identity.clusters.region import Region, recluster
from customer_profiles.identity.clusters.vetoes import Facts
from customer_profiles.identity.decisions.rulings import Apart, Rulings, Together


@dataclass
class Graph:
    """A small graph held in memory, with the clusters from before its last change."""

    facts: dict[int, Facts] = field(default_factory=dict)
    edges: dict[tuple[int, int], int] = field(default_factory=dict)
    rulings: Rulings = Rulings()
    clusters: dict[int, frozenset[int]] = field(default_factory=dict)
    linkage: Linkage = Linkage.from_bits(0.5, -8, 0.5)

    def load_clusters(self, records: Iterable[int]) -> None:
        """Everything is in memory here."""

    def load_neighbours(self, records: Iterable[int]) -> None:
        """Everything is in memory here."""

    def lives(self, record: int) -> bool:
        return record in self.facts

    def cluster_of(self, record: int) -> Iterable[int]:
        return self.clusters.get(record, frozenset())

    def neighbours(self, record: int) -> Mapping[int, int]:
        return {a if b == record else b: w for (a, b), w in self.edges.items() if record in (a, b)}

    def facts_of(self, records: Iterable[int]) -> Mapping[int, Facts]:
        return {record: self.facts[record] for record in records}

    def everything(self) -> dict[int, frozenset[int]]:
        in_turn = sorted(((w, a, b) for (a, b), w in self.edges.items()), key=lambda e: (-e[0], e[1], e[2]))
        labels, _ = greedy(sorted(self.facts), in_turn, self.facts, self.rulings, self.linkage)
        return as_sets(labels)

    def update(self, dirty: Iterable[int]) -> Region:
        region = recluster(self, dirty, self.rulings, self.linkage)
        kept = {r: c for r, c in self.clusters.items() if r in self.facts and r not in region.labels}
        self.clusters = kept | as_sets(region.labels)
        return region


def as_sets(labels: Mapping[int, int]) -> dict[int, frozenset[int]]:
    members: dict[int, set[int]] = {}
    for record, label in labels.items():
        members.setdefault(label, set()).add(record)
    return {record: frozenset(members[label]) for record, label in labels.items()}


def random_facts(chance: random.Random, spread: float) -> Facts:
    name = chance.choice(["anna", "boris", "clemens"]) if chance.random() < spread else None
    exclusive = (("user_id", frozenset(chance.choice("xyz"))),) if chance.random() < spread / 3 else ()
    return Facts(name, chance.choice(["1950-01-01", "1971-11-23"]), exclusive)


def random_rulings(chance: random.Random, rulings: Rulings, among: int) -> tuple[Rulings, set[int]]:
    """One decision more or one less, and the records it names."""
    togethers, aparts = list(rulings.togethers), list(rulings.aparts)
    undo = chance.random() < 0.4
    one, other = (frozenset(chance.sample(range(among), chance.randint(1, 2))) for _ in range(2))
    moment = chance.randint(0, 5)
    if chance.random() < 0.6:
        ruling: Together | Apart = (
            togethers.pop(chance.randrange(len(togethers)))
            if undo and togethers
            else Together(f"{chance.random()}", moment, one, other)
        )
        if not (undo and rulings.togethers):
            togethers.append(ruling)  # type: ignore[arg-type]
    elif undo and aparts:
        ruling = aparts.pop(chance.randrange(len(aparts)))
    else:
        ruling = Apart(f"{chance.random()}", moment, one, other - one)
        aparts.append(ruling)
    return Rulings(tuple(togethers), tuple(aparts)), set(ruling.side_a | ruling.side_b)


def random_change(
    chance: random.Random, graph: Graph, density: float, highest: int, spread: float
) -> set[int]:
    kind = chance.random()
    new = max(graph.facts, default=-1) + 1
    if kind < 0.3 or len(graph.facts) < 3:
        touched = {record for record in graph.facts if chance.random() < density}
        graph.facts[new] = random_facts(chance, spread)
        graph.edges.update({(record, new): chance.randint(0, highest) * 1024 for record in touched})
        return touched | {new}
    if kind < 0.5:
        gone = chance.choice(sorted(graph.facts))
        del graph.facts[gone]
        lost = [pair for pair in graph.edges if gone in pair]
        for pair in lost:
            del graph.edges[pair]
        return {gone}.union(*lost)
    if kind < 0.65:
        graph.rulings, named = random_rulings(chance, graph.rulings, new + 2)
        return named
    if kind < 0.75:
        record = chance.choice(sorted(graph.facts))
        graph.facts[record] = random_facts(chance, spread)
        return {record}
    pair = tuple(sorted(chance.sample(sorted(graph.facts), 2)))
    if graph.edges.pop(pair, None) is None or chance.random() < 0.5:  # type: ignore[arg-type]
        graph.edges[pair] = chance.randint(0, highest) * 1024  # type: ignore[index]
    return set(pair)


@pytest.mark.parametrize("seeds", [range(start, start + 100) for start in range(0, 600, 100)], ids=str)
def test_random_histories_give_what_clustering_everything_gives(seeds: range) -> None:
    for seed in seeds:
        chance = random.Random(seed)
        density, highest = chance.choice([0.1, 0.2, 0.35, 0.6]), chance.choice([6, 12, 25])
        linkage = Linkage.from_bits(chance.choice([-1, 0, 1, 3]), -8, 0.5)
        count, spread = chance.randint(4, 20), chance.choice([0, 0.3, 0.8])
        graph = Graph({record: random_facts(chance, spread) for record in range(count)}, linkage=linkage)
        for pair in itertools.combinations(range(count), 2):
            if chance.random() < density:
                graph.edges[pair] = chance.randint(0, highest) * 1024
        graph.clusters = graph.everything()
        for step in range(12):
            dirty = set().union(
                *(random_change(chance, graph, density, highest, spread) for _ in range(chance.randint(1, 3)))
            )
            graph.update(dirty)
            assert graph.clusters == graph.everything(), (seed, step)


def test_deleting_a_record_frees_those_whom_it_kept_apart() -> None:
    """r0-r1 joined, r1-r2 refused because r0 conflicts with r2; touched clusters alone would miss r2."""
    graph = Graph({0: Facts("anna", "1950-01-01"), 1: Facts(None, None), 2: Facts("boris", "1971-11-23")})
    graph.edges = {(0, 1): 30 * 1024, (1, 2): 20 * 1024}
    graph.clusters = graph.everything()
    assert graph.clusters[1] == {0, 1}
    del graph.facts[0], graph.edges[0, 1]
    graph.update({0, 1})
    assert graph.clusters == {1: frozenset({1, 2}), 2: frozenset({1, 2})}


def test_a_giant_component_of_refused_edges_is_not_loaded() -> None:
    graph = Graph({record: Facts(None, None) for record in range(1000)})
    for record in range(0, 999, 2):
        graph.edges[record, record + 1] = 20 * 1024
    for record in range(1, 998, 2):
        graph.edges[record, record + 1] = 100
    graph.clusters = graph.everything()
    graph.edges[500, 501] = 21 * 1024
    assert graph.update({500, 501}).loaded <= 6


def test_a_long_chain_of_alternating_conflicts_is_run_to_its_end() -> None:
    """Each record's place depends on the one before it; the ring grows at once after some rounds, never cut off."""
    names = ["anna", "boris", "clemens"]
    dates = ["1950-01-01", "1971-11-23", "1999-08-17"]
    chain = {n: Facts(names[n % 2], dates[n % 2]) if n % 2 == 0 else Facts(None, None) for n in range(60)}
    graph = Graph(
        {
            n: f._replace(exclusive=(("user_id", frozenset([str(n)])),)) if n % 2 == 0 else f
            for n, f in chain.items()
        }
    )
    graph.edges = {(n, n + 1): (200 - n) * 1024 for n in range(59)}
    graph.clusters = graph.everything()
    del graph.facts[0], graph.edges[0, 1]
    region = graph.update({0, 1})
    assert graph.clusters == graph.everything()
    assert region.rounds < 15
