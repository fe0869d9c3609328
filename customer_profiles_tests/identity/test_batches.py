"""Batches must not matter, on the real stage with the real scorer: random histories with caps that cross all the time."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.identity.decisions.decisions import DecisionKind, decide, undo
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.generations import begin_generation
from customer_profiles_tests.conftest import Engine
from customer_profiles_tests.identity.made import (
    SOURCE,
    customers_of,
    founders_of,
    resolve,
    settings_with,
    take_in,
)

FAMILIES = [("lindqvist", "LS1 4AP"), ("okafor", "EX2 8QT"), ("marchetti", "G12 9XZ")]
FIRST = ["anna", "boris", "clemens", "dorothea"]
DATES = ["1971-03-05", "1988-12-24", "1950-07-19"]
IDENTITY = {
    "identifiers": {"email": {"cap": 2}, "phone": {"cap": 3}, "user_id": {"cap": 3, "exclusive": True}},
    "blocking_cap": 6,
}


def someone(chance: random.Random) -> dict[str, Any]:
    family, postcode = chance.choice(FAMILIES)
    first = chance.choice(FIRST)
    fields: dict[str, Any] = {"given_name": first, "family_name": family}
    if chance.random() < 0.7:
        fields["birth_date"] = chance.choice(DATES)
    if chance.random() < 0.6:
        fields["postcode"] = postcode
    if chance.random() < 0.5:
        fields["emails"] = [f"{first}@example.com"]
    if chance.random() < 0.3:
        fields["phones"] = [f"+44163296000{chance.randint(0, 3)}"]
    if chance.random() < 0.2:
        fields["external_ids"] = {"user_id": [chance.choice("pq")]}
    return fields


def history(seed: int, length: int) -> list[tuple[str, Any]]:
    """Envelopes of eighteen records and decisions among them."""
    chance = random.Random(seed)
    keys = [f"r{n}" for n in range(18)]
    people = {key: someone(chance) for key in keys}
    happened: list[tuple[str, Any]] = [("envelope", (key, people[key])) for key in keys[:12]]
    decided = 0
    for _ in range(length):
        kind = chance.random()
        if kind < 0.45:
            key = chance.choice(keys)
            people[key] = someone(chance)
            happened.append(("envelope", (key, people[key])))
        elif kind < 0.55:  # something changed that identity does not look at
            key = chance.choice(keys)
            happened.append(("envelope", (key, {**people[key], "language": chance.choice(["en", "de"])})))
        elif kind < 0.88:
            happened.append(("envelope", (chance.choice(keys), None)))
        elif kind < 0.96 or not decided:
            decided += 1
            happened.append(
                (chance.choice(list(DecisionKind)), (f"d{decided}", *chance.sample(keys[:12], 2)))
            )
        else:
            happened.append(("undo", f"d{chance.randint(1, decided)}"))
    return happened


def happen(state: State, kind: str, what: Any, at: int) -> None:
    if kind == "envelope":
        take_in(state, [what], at)
        return
    with state.writing() as connection:
        if kind == "undo":
            query = "SELECT count(*) FROM decision WHERE decision_id = :id AND undone_at IS NULL"
            if connection.execute(sa.text(query), {"id": what}).scalar_one():
                undo(connection, what, at)
            return
        name, *keys = what
        query = "SELECT source_key, record_no FROM record WHERE source = :source"
        numbers = dict(tuple(row) for row in connection.execute(sa.text(query), {"source": SOURCE}))
        sides = [[numbers[key]] for key in keys]
        decide(
            connection,
            DecisionKind(kind),
            *sides,
            by="steward",
            reason="seen",
            decided_at=at,
            decision_id=name,
        )


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "seed"), [("sqlcipher", 1), ("sqlcipher", 2), ("postgres", 3)])
def test_one_by_one_in_batches_and_rebuilt_give_the_same_customers_and_ids(
    engine: Engine,
    seed: int,
    state_factory: Callable[[Engine], State],
    table_rows: Callable[[State, str], list[tuple[object, ...]]],
    tmp_path: Path,
) -> None:
    settings = settings_with(tmp_path, **IDENTITY)
    one_by_one, batched = state_factory(engine), state_factory(engine)
    chance = random.Random(seed)
    for at, (kind, what) in enumerate(history(seed, length=15), start=1):
        for state in (one_by_one, batched):
            happen(state, kind, what, at * 1_000_000)
        if at >= 12:
            resolve(one_by_one, settings)
        if at > 12 and chance.random() < 0.12:
            resolve(batched, settings)
            assert customers_of(batched) == customers_of(one_by_one), at
    resolve(batched, settings)
    for table in ("claim", "estate", "edge", "member", "superseded_record"):
        assert table_rows(batched, table) == table_rows(one_by_one, table), table
    with batched.writing() as connection:
        generation = begin_generation(connection)
    resolve(batched, settings, generation)
    assert founders_of(batched, generation) == founders_of(batched)
    assert graph_of(batched, generation) == graph_of(batched, 1)


def graph_of(state: State, generation: int) -> dict[str, list[tuple[Any, ...]]]:
    """Everything of a generation's graph that does not depend on how it came to be."""
    columns = {
        "edge": "left_no, right_no, weight, kind, accepted, refusal, support",
        "review_pair": "left_no, right_no, weight",
        "member": "record_no, customer_no",
        "resolved_record": "record_no, content_no, first_name, birth_date",
    }
    with state.reading() as connection:
        return {
            table: [
                tuple(row)
                for row in connection.execute(
                    sa.text(f"SELECT {names} FROM {table} WHERE generation = {generation} ORDER BY 1, 2")
                )
            ]
            for table, names in columns.items()
        }


def settled(
    state: State, settings: Settings, batches: list[list[tuple[str, Any]]]
) -> dict[str, tuple[str, int]]:
    """Who founds whose customer after these batches, each of them taken in at once."""
    at = 0
    for batch in batches:
        for key, fields in batch:
            at += 1
            take_in(state, [(key, fields)], at * 1_000_000)
        resolve(state, settings)
    return founders_of(state)


def test_a_hub_that_falls_within_a_batch_joins_before_the_next_deletion(state: State, tmp_path: Path) -> None:
    """Three share an email at a cap of two; one goes, so the two left are one customer when the next goes."""
    settings = settings_with(tmp_path, **IDENTITY)
    shared = {"emails": ["all@example.com"]}
    three = [
        ("r1", {"given_name": "anna", **shared}),
        ("r2", {"given_name": "ann", **shared}),
        ("r3", shared),
    ]
    assert settled(state, settings, [three, [("r3", None), ("r1", None)]]) == {"r2": ("r1", 1)}


def test_a_hub_that_rises_within_a_batch_parts_before_the_next_deletion(state: State, tmp_path: Path) -> None:
    settings = settings_with(tmp_path, **IDENTITY)
    shared = {"emails": ["all@example.com"]}
    two = [("r1", {"given_name": "anna", **shared}), ("r2", {"given_name": "ann", **shared})]
    assert settled(state, settings, [two, [("r3", shared), ("r1", None), ("r3", None)]]) == {"r2": ("r2", 1)}


def test_a_key_that_comes_back_to_life_within_a_batch_joins_before_the_next_deletion(
    state: State, tmp_path: Path
) -> None:
    """Three of one name and birth date at a cap of two: no key is alive until one of them goes."""
    settings = settings_with(tmp_path, blocking_cap=2)
    someone = {"given_name": "anna", "family_name": "lindqvist", "birth_date": "1971-03-05"}
    three = [(f"r{n}", {**someone, "city": f"town {n}"}) for n in (1, 2, 3)]
    assert settled(state, settings, [three, [("r3", None), ("r1", None)]]) == {"r2": ("r1", 1)}


def test_a_crowd_of_copies_that_loses_its_first_within_a_batch_stays_one_customer(
    state: State, tmp_path: Path
) -> None:
    settings = settings_with(tmp_path)
    copies = [(f"r{n:02}", {"given_name": "anna", "emails": ["anna@example.com"]}) for n in range(1, 13)]
    leaving = [(f"r{n:02}", None) for n in range(1, 12)]
    assert settled(state, settings, [copies, leaving]) == {"r12": ("r01", 1)}


def test_a_change_that_identity_does_not_look_at_keeps_every_edge(state: State, tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    someone = {"given_name": "anna", "family_name": "lindqvist", "emails": ["anna@example.com"]}
    two = [("r1", someone), ("r2", {**someone, "birth_date": "1971-03-05"})]
    assert settled(state, settings, [two]) == {"r1": ("r1", 1), "r2": ("r1", 1)}
    before = graph_of(state, 1)
    assert before["edge"]
    take_in(state, [("r2", {**two[1][1], "language": "de"})], at=9_000_000)
    resolve(state, settings)
    assert graph_of(state, 1) == before


def test_a_visitor_of_copies_with_two_log_ins_is_a_hub_also_when_nobody_else_is_left(
    state: State, tmp_path: Path
) -> None:
    """Both copies name two log-ins that are generic: only the visitor could join them, and it is nobody's."""
    settings = settings_with(tmp_path, generic_values={"user_id": ["guest", "test"]})
    copy = {"external_ids": {"user_id": ["guest", "test"], "anonymous_id": ["v"]}}
    copies = [("r1", copy), ("r2", copy), ("r3", {"external_ids": {"anonymous_id": ["v"]}})]
    assert len(set(settled(state, settings, [copies]).values())) == 3
    take_in(state, [("r3", None)], at=9_000_000)
    resolve(state, settings)
    with state.writing() as connection:
        generation = begin_generation(connection)
    resolve(state, settings, generation)
    assert founders_of(state) == founders_of(state, generation) == {"r1": ("r1", 1), "r2": ("r2", 1)}


def test_a_decision_within_a_batch_takes_effect_before_the_deletion_that_follows_it(
    state: State, tmp_path: Path
) -> None:
    """r1 and r2 are made one customer, then r1 goes: r2 keeps its ID."""
    settings = settings_with(tmp_path)
    settled(state, settings, [[("r1", {"given_name": "anna"}), ("r2", {"family_name": "okafor"})]])
    happen(state, "together", ("d1", "r1", "r2"), at=8_000_000)
    take_in(state, [("r1", None)], at=9_000_000)
    resolve(state, settings)
    assert founders_of(state) == {"r2": ("r1", 1)}


def test_a_decision_undone_within_a_batch_counts_no_more_at_the_deletion_that_follows(
    state: State, tmp_path: Path
) -> None:
    settings = settings_with(tmp_path)
    settled(state, settings, [[("r1", {"given_name": "anna"}), ("r2", {"family_name": "okafor"})]])
    happen(state, "together", ("d1", "r1", "r2"), at=7_000_000)
    resolve(state, settings)
    happen(state, "undo", "d1", at=8_000_000)
    take_in(state, [("r1", None)], at=9_000_000)
    resolve(state, settings)
    assert founders_of(state) == {"r2": ("r2", 1)}
