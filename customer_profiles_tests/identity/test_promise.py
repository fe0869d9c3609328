"""The promise of the identity rules: whatever the batches, incremental or rebuilt, the same clusters and the same IDs."""

from __future__ import annotations

import random
from dataclasses import replace

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from customer_profiles_tests.identity.world import Event, Person, World, edges_among, rebuilt

RECORDS = st.integers(1, 9)
SIDES = st.frozensets(RECORDS, min_size=1, max_size=2)
PEOPLE = st.builds(
    Person,
    email=st.one_of(st.none(), st.integers(0, 2)),
    phone=st.one_of(st.none(), st.integers(0, 1)),
    user_id=st.one_of(st.none(), st.none(), st.integers(0, 1)),
    name=st.one_of(st.none(), st.integers(0, 2)),
    date=st.one_of(st.none(), st.integers(0, 1)),
    postcode=st.one_of(st.none(), st.integers(0, 1)),
)


class Promise(RuleBasedStateMachine):
    """The same history, one envelope at a time and in batches of its own making."""

    def __init__(self) -> None:
        super().__init__()
        self.one_by_one, self.batched = World(), World()
        self.waiting: list[Event] = []
        self.decided = 0

    def _happens(self, event: Event) -> None:
        self.one_by_one.take([event])
        self.waiting.append(event)

    @rule(record=RECORDS, person=PEOPLE)
    def put(self, record: int, person: Person) -> None:
        self._happens(Event("put", record, person))

    @rule(record=RECORDS, field=st.sampled_from(["email", "phone", "user_id"]), value=st.integers(0, 1))
    def gain(self, record: int, field: str, value: int) -> None:
        if record in self.one_by_one.people:
            self._happens(Event("put", record, replace(self.one_by_one.people[record], **{field: value})))

    @rule(value=st.integers(0, 2))
    def cross_a_hub(self, value: int) -> None:
        """Three holders at a cap of two, then two again."""
        for record in (1, 2, 3):
            person = self.one_by_one.people.get(record, Person())
            self._happens(Event("put", record, replace(person, email=value)))
        self._happens(Event("put", 3, replace(self.one_by_one.people[3], email=None)))

    @rule(record=RECORDS)
    def delete(self, record: int) -> None:
        self._happens(Event("delete", record))

    @rule(record=RECORDS, person=PEOPLE)
    def leave_and_return(self, record: int, person: Person) -> None:
        self._happens(Event("delete", record))
        self._happens(Event("put", record, person))

    @rule(kind=st.sampled_from(["together", "apart"]), one=SIDES, other=SIDES, at=st.integers(0, 3))
    def decide(self, kind: str, one: frozenset[int], other: frozenset[int], at: int) -> None:
        if one & other:
            return
        self.decided += 1
        self._happens(Event(kind, name=f"d{self.decided}", sides=(one, other), at=at))

    @precondition(lambda self: self.one_by_one.decisions)
    @rule(data=st.data())
    def undo(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.one_by_one.decisions)))
        self._happens(Event("undo", name=name))

    @rule()
    def end_the_batch(self) -> None:
        self.batched.take(self.waiting)
        self.waiting = []
        assert self.batched.labels == self.one_by_one.labels
        assert self.batched.ids() == self.one_by_one.ids()
        assert self.batched.claims.estates == self.one_by_one.claims.estates

    @invariant()
    def incremental_is_what_a_rebuild_gives(self) -> None:
        world = self.one_by_one
        assert world.labels == rebuilt(world.people, world.rulings)

    @invariant()
    def each_customer_has_one_id_and_each_id_one_customer(self) -> None:
        ids = self.one_by_one.ids()
        assert ids == self.one_by_one.ids_by_the_book()
        customers: dict[tuple[int, int], set[int]] = {}
        for record, claim in ids.items():
            customers.setdefault(claim, set()).add(self.one_by_one.labels[record])
        assert all(len(labels) == 1 for labels in customers.values())
        assert len(customers) == len(set(self.one_by_one.labels.values()))

    def teardown(self) -> None:
        self.end_the_batch()


TestPromise = Promise.TestCase
TestPromise.settings = settings(
    max_examples=150, stateful_step_count=30, suppress_health_check=list(HealthCheck)
)


def test_another_order_of_arrival_gives_the_same_clusters() -> None:
    for seed in range(200):
        chance = random.Random(seed)
        pick = lambda top, chance=chance: chance.choice([None, *range(top)])  # noqa: E731
        people = {n: Person(pick(3), pick(2), pick(2), pick(3), pick(2), pick(2)) for n in range(1, 10)}
        events = [Event("put", record, person) for record, person in people.items()]
        events.append(Event("together", name="t", sides=(frozenset([1]), frozenset([2]))))
        events.append(Event("apart", name="a", sides=(frozenset([2]), frozenset([3]))))
        straight, shuffled = World(), World()
        straight.take(events)
        chance.shuffle(events)
        while events:
            size = chance.randint(1, 4)
            shuffled.take(events[:size])
            events = events[size:]
        assert shuffled.labels == straight.labels, seed


def test_a_hub_that_falls_below_its_cap_lives_again() -> None:
    """Three holders at a cap of two, one drops the value: a sticky hub would have no edge."""
    world = World()
    world.take([Event("put", n, Person(email=1)) for n in (1, 2, 3)])
    assert len(set(world.labels.values())) == 3
    world.take([Event("put", 3, Person())])
    assert world.labels == {1: 1, 2: 1, 3: 3}


def test_an_edge_whose_key_died_is_taken_back() -> None:
    """A pair scored before its key died must not keep an edge that a rebuild never sees."""
    world = World()
    someone = Person(name=0, date=0, postcode=None)
    world.take([Event("put", n, someone) for n in (1, 2)])
    assert world.edges
    world.take([Event("put", n, someone) for n in (3, 4)])
    assert not world.edges
    assert edges_among(world.people)[0] == {}


def test_an_id_never_moves_onto_another_person_by_way_of_the_first_that_lives() -> None:
    """1 dies with heirs 2, then 3; 2 leaves the customer and dies childless: 1 is gone, 3 must not inherit it."""
    world = World()
    world.take([Event("put", n, Person(email=0)) for n in (1, 2)] + [Event("put", 3, Person(phone=0))])
    world.take([Event("together", name="t", sides=(frozenset([2]), frozenset([3])))])
    world.take([Event("delete", 1)])
    assert world.claims.estates[1] == (2, 3)
    world.take([Event("undo", name="t"), Event("put", 2, Person()), Event("delete", 2)])
    assert world.ids() == {3: (3, 1)}


def test_an_apart_sends_an_id_to_the_next_in_line() -> None:
    world = World()
    world.take([Event("put", n, Person(user_id=0)) for n in (1, 2)])
    world.take(
        [
            Event("put", 3, Person(phone=0)),
            Event("together", name="t", sides=(frozenset([2]), frozenset([3]))),
        ]
    )
    world.take([Event("delete", 1)])
    assert world.ids()[2] == world.ids()[3] == (1, 1)
    world.take([Event("undo", name="t"), Event("apart", name="a", sides=(frozenset([1]), frozenset([2])))])
    assert world.ids() == {2: (2, 1), 3: (1, 1)}


def test_a_returning_record_takes_a_new_incarnation_only_when_its_id_was_inherited() -> None:
    world = World()
    world.take(
        [Event("put", 1, Person(email=0)), Event("put", 2, Person(email=0)), Event("put", 4, Person())]
    )
    world.take([Event("delete", 1), Event("delete", 4), Event("put", 1, Person()), Event("put", 4, Person())])
    assert world.ids() == {2: (1, 1), 1: (1, 2), 4: (4, 1)}
