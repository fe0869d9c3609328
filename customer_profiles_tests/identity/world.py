"""A small world for state machines: the real clusters, regions, claims and estates over a pure scorer in Splink's place.

`World` takes envelopes one by one or in batches and keeps its graph by regions; `rebuilt` computes everything from the live
records and decisions. Small caps make hubs and dead keys cross all the time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np

from customer_profiles.identity.claims.claims import Claims, claim_number, founders, incarnation_of, record_of
from customer_profiles.identity.clusters.greedy import greedy
from customer_profiles.identity.clusters.linkage import Linkage, units
from customer_profiles.identity.clusters.region import recluster
from customer_profiles.identity.clusters.vetoes import Facts
from customer_profiles.identity.decisions.rulings import Apart, Rulings, Together

CAP, KEY_CAP = 2, 3
WEIGHTS = {"user_id": 15, "email": 12, "phone": 9}
LINKAGE = Linkage.from_bits(0.5, -8, 0.5)
NAMES = ("anna", "boris", "clemens")
DATES = ("1950-01-01", "1971-11-23")


@dataclass(frozen=True)
class Person:
    """What a record of this world says."""

    email: int | None = None
    phone: int | None = None
    user_id: int | None = None
    name: int | None = None
    date: int | None = None
    postcode: int | None = None

    def values(self) -> set[tuple[str, int]]:
        held = {kind: getattr(self, kind) for kind in WEIGHTS}
        return {(kind, value) for kind, value in held.items() if value is not None}

    def keys(self) -> set[tuple[object, ...]]:
        keys: set[tuple[object, ...]] = set()
        if self.postcode is not None:
            keys.add(("postcode", self.postcode))
        if self.name is not None and self.date is not None:
            keys.add(("person", self.name, self.date))
        return keys


@dataclass(frozen=True)
class Event:
    """One envelope: a put or a deletion of a record, or a decision made or undone."""

    kind: str
    record: int = 0
    person: Person | None = None
    name: str = ""
    sides: tuple[frozenset[int], frozenset[int]] = (frozenset(), frozenset())
    at: int = 0


def edges_among(people: Mapping[int, Person]) -> tuple[dict[tuple[int, int], int], set[tuple[str, int]]]:
    """All edges among live records, and the hubs."""
    holders: dict[object, set[int]] = {}
    for record, person in people.items():
        for key in (*person.values(), *person.keys()):
            holders.setdefault(key, set()).add(record)
    hubs = {key for key, held in holders.items() if key[0] in WEIGHTS and len(held) > CAP}  # type: ignore[index]
    live = {key for key, held in holders.items() if key[0] not in WEIGHTS and len(held) <= KEY_CAP}  # type: ignore[index]
    edges = {}
    for a, b in combinations(sorted(people), 2):
        one, other = people[a], people[b]
        shared = (one.values() & other.values()) - hubs  # type: ignore[operator]
        weights = [WEIGHTS[kind] for kind, _ in shared]
        if one.keys() & other.keys() & live and (score := _score(one, other, hubs)) >= 0:  # type: ignore[arg-type]
            weights.append(score)
        if weights:
            edges[a, b] = units(max(weights))
    return edges, hubs  # type: ignore[return-value]


def _score(one: Person, other: Person, hubs: set[tuple[str, int]]) -> int:
    score = 0
    for field_, agree, differ in (("name", 3, -2), ("date", 4, -3), ("postcode", 2, 0), ("phone", 4, -1)):
        a, b = getattr(one, field_), getattr(other, field_)
        if a is not None and b is not None and not {(field_, a), (field_, b)} & hubs:
            score += agree if a == b else differ
    return score


def facts_among(people: Mapping[int, Person], hubs: set[tuple[str, int]]) -> dict[int, Facts]:
    """What the vetoes look at; a user ID is exclusive."""
    return {
        record: Facts(
            None if person.name is None else NAMES[person.name],
            None if person.date is None else DATES[person.date],
            (("user_id", frozenset([str(person.user_id)])),)
            if person.user_id is not None and ("user_id", person.user_id) not in hubs
            else (),
        )
        for record, person in people.items()
    }


def rebuilt(people: Mapping[int, Person], rulings: Rulings) -> dict[int, int]:
    """The clusters of all live records, by clustering everything."""
    edges, hubs = edges_among(people)
    in_turn = sorted(((w, a, b) for (a, b), w in edges.items()), key=lambda e: (-e[0], e[1], e[2]))
    labels, _ = greedy(sorted(people), in_turn, facts_among(people, hubs), rulings, LINKAGE)
    return labels


@dataclass
class World:
    """The graph, kept by regions, with claims and estates."""

    people: dict[int, Person] = field(default_factory=dict)
    labels: dict[int, int] = field(default_factory=dict)
    decisions: dict[str, Together | Apart] = field(default_factory=dict)
    edges: dict[tuple[int, int], int] = field(default_factory=dict)
    facts: dict[int, Facts] = field(default_factory=dict)
    position: int = 0
    dirty: set[int] = field(default_factory=set)
    claims: Claims = field(init=False)

    def __post_init__(self) -> None:
        self.claims = Claims({}, {}, {}, lambda record: record in self.people)

    @property
    def rulings(self) -> Rulings:
        decided = self.decisions.values()
        return Rulings(
            tuple(one for one in decided if isinstance(one, Together)),
            tuple(one for one in decided if isinstance(one, Apart)),
        )

    def take(self, batch: Iterable[Event]) -> None:
        """Take a batch; the graph is brought up to date before each deletion and at the end."""
        for event in batch:
            self.position += 1
            if event.kind == "put":
                self._put(event)
            elif event.kind == "delete":
                self._delete(event)
            else:
                self._decide(event)
        self.flush()

    def _put(self, event: Event) -> None:
        assert event.person is not None
        if event.record not in self.people:
            self.claims.arrive(event.record, self.position, self.rulings)
        self.people[event.record] = event.person
        self.dirty.add(event.record)

    def _delete(self, event: Event) -> None:
        if event.record in self.people:
            self.flush()
            label = self.labels[event.record]
            co_members = [one for one in self.labels if self.labels[one] == label and one != event.record]
            self.claims.depart(event.record, co_members)
            del self.people[event.record]
            self.dirty.add(event.record)

    def _decide(self, event: Event) -> None:
        if event.kind == "undo":
            gone = self.decisions.pop(event.name, None)
            self.dirty |= gone.side_a | gone.side_b if gone else set()
            return
        made = Together if event.kind == "together" else Apart
        self.decisions[event.name] = made(event.name, event.at, *event.sides)
        self.dirty |= event.sides[0] | event.sides[1]

    def flush(self) -> None:
        """Cluster again what the changes so far can reach."""
        if not self.dirty:
            return
        edges, hubs = edges_among(self.people)
        facts = facts_among(self.people, hubs)
        differing = {
            pair for pair in edges.keys() | self.edges.keys() if edges.get(pair) != self.edges.get(pair)
        }
        masked = {one for one in self.people if facts.get(one) != self.facts.get(one)}
        dirty = self.dirty.union(masked, *differing)
        self.edges, self.facts, self.dirty = edges, facts, set()
        region = recluster(self, dirty, self.rulings, LINKAGE)
        kept = {one: label for one, label in self.labels.items() if one in self.people}
        self.labels = kept | dict(region.labels)

    def load_clusters(self, records: Iterable[int]) -> None:
        """Everything is in memory here."""

    def load_neighbours(self, records: Iterable[int]) -> None:
        """Everything is in memory here."""

    def lives(self, record: int) -> bool:
        return record in self.people

    def cluster_of(self, record: int) -> list[int]:
        label = self.labels.get(record)
        return [one for one in self.labels if label is not None and self.labels[one] == label]

    def neighbours(self, record: int) -> dict[int, int]:
        return {a if b == record else b: w for (a, b), w in self.edges.items() if record in (a, b)}

    def facts_of(self, records: Iterable[int]) -> dict[int, Facts]:
        return {record: self.facts[record] for record in records}

    def ids(self) -> dict[int, tuple[int, int]]:
        """By live record the claim that gives its customer its ID: record and incarnation."""
        numbers = np.array(sorted(self.claims.seniority), dtype=np.int64)
        seniority = np.array([self.claims.seniority[one] for one in numbers.tolist()], dtype=np.int64)
        records = np.array(sorted(self.people), dtype=np.int64)
        labels = np.array([self.labels[one] for one in records.tolist()], dtype=np.int64)
        found = founders(self.claims, numbers, seniority, records, labels, self.rulings)
        return {
            record: (record_of(number), incarnation_of(number))
            for record, number in zip(records.tolist(), found.tolist(), strict=True)
        }

    def ids_by_the_book(self) -> dict[int, tuple[int, int]]:
        """The same, as the rule says it: every claim is resolved, the most senior one of a cluster wins."""
        best: dict[int, tuple[int, int]] = {}
        for number, seniority in self.claims.seniority.items():
            holder = self._holder(number)
            if holder is not None:
                label = self.labels[holder]
                best[label] = min(best.get(label, (seniority, number)), (seniority, number))
        return {
            record: (record_of(best[label][1]), incarnation_of(best[label][1]))
            for record, label in self.labels.items()
        }

    def _holder(self, number: int) -> int | None:
        record = record_of(number)
        if record in self.people and self.claims.current(record) == number:
            return record
        for heir in self.claims.estates.get(number, ()):
            if not self.rulings.apart(record, record_of(heir)):
                return self._holder(heir)
        return None


__all__ = ["Event", "Person", "World", "claim_number", "edges_among", "rebuilt"]
