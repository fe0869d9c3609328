"""Verifying the live graph: it finds what is damaged, in everything and in a sample, and says nothing of a sound one."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles.identity.evaluation.verify import Difference, Fault, Part, Verification, verify_all
from customer_profiles.identity.evaluation.verify_sample import verify_sample
from customer_profiles.identity.graph.standing import NotResolved
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles_tests.identity.histories import IDENTITY, someone
from customer_profiles_tests.identity.made import resolve, settings_with, take_in

Verify = Callable[[sa.Connection, Settings], Verification]

WAYS: dict[str, Verify] = {
    "all": lambda connection, settings: verify_all(connection, settings.identity, lambda *_: None),
    "sample": lambda connection, settings: verify_sample(
        connection, settings.identity, 1_000, lambda *_: None
    ),
}
TWINS = {"given_name": "anna", "family_name": "lindqvist", "emails": ["anna@example.com"]}


@pytest.fixture(params=WAYS)
def verify(request: pytest.FixtureRequest) -> Verify:
    return WAYS[request.param]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path, **IDENTITY)


def found(state: State, settings: Settings, verify: Verify) -> Verification:
    with state.reading() as connection:
        return verify(connection, settings)


def damage(state: State, statement: str) -> None:
    with state.writing() as connection:
        assert connection.execute(sa.text(statement)).rowcount


@pytest.fixture
def damaged(state: State, settings: Settings) -> State:
    """A state with one customer of two records, and a third record beside."""
    take_in(state, [("a", TWINS), ("b", {**TWINS, "birth_date": "1971-03-05"}), ("c", {"given_name": "zoe"})])
    resolve(state, settings)
    return state


def test_a_graph_that_many_batches_made_is_what_a_rebuild_gives(
    state: State, settings: Settings, verify: Verify
) -> None:
    chance = random.Random(7)
    for batch in range(1, 5):
        people = {f"r{chance.randrange(30)}": someone(chance) for _ in range(15)}
        gone = dict.fromkeys([f"r{chance.randrange(30)}" for _ in range(2 * batch % 3)])
        take_in(state, [*people.items(), *gone.items()], batch * 1_000_000)
        resolve(state, settings)
    result = found(state, settings, verify)
    assert result.holds and not result.differences
    assert result.compared[Part.EDGE] and result.compared[Part.KEY] and result.compared[Part.MEMBER]


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("DELETE FROM edge", Difference(Part.EDGE, Fault.MISSING, (1, 2))),
        ("UPDATE edge SET weight = weight + 1", Difference(Part.EDGE, Fault.OTHER, (1, 2), ("weight",))),
        (
            "INSERT INTO review_pair (generation, left_no, right_no, weight, reason) VALUES (1, 1, 3, 5, 'x')",
            Difference(Part.REVIEW, Fault.EXTRA, (1, 3)),
        ),
        (
            "UPDATE member SET customer_no = 3 WHERE record_no = 2",
            Difference(Part.MEMBER, Fault.OTHER, (2,), ("customer_no",)),
        ),
        ("DELETE FROM member WHERE record_no = 3", Difference(Part.MEMBER, Fault.MISSING, (3,))),
        (
            "UPDATE resolved_record SET birth_date = '1990-01-01' WHERE record_no = 3",
            Difference(Part.RECORD, Fault.OTHER, (3,), ("birth_date",)),
        ),
    ],
)
def test_damage_is_found_and_told_by_record_number(
    damaged: State, settings: Settings, verify: Verify, statement: str, expected: Difference
) -> None:
    assert found(damaged, settings, verify).holds
    damage(damaged, statement)
    result = found(damaged, settings, verify)
    assert expected in result.differences


def test_a_verdict_that_clustering_did_not_give_is_found(
    damaged: State, settings: Settings, verify: Verify
) -> None:
    damage(damaged, "UPDATE edge SET accepted = 0, refusal = 'apart'")
    [difference] = found(damaged, settings, verify).differences
    assert (difference.part, difference.fault, difference.records) == (Part.VERDICT, Fault.OTHER, (1, 2))


@pytest.mark.parametrize(("kind", "part"), [("key", Part.KEY), ("copy", Part.COPY)])
def test_an_index_that_lacks_a_run_is_found(
    damaged: State, settings: Settings, verify: Verify, kind: str, part: Part
) -> None:
    damage(damaged, f"DELETE FROM index_run WHERE kind = '{kind}'")
    result = found(damaged, settings, verify)
    assert result.differing[part]
    assert Difference(part, Fault.MISSING, (3,)) in result.differences


def test_it_refuses_where_there_is_no_graph_or_changes_wait(
    state: State, settings: Settings, verify: Verify
) -> None:
    with pytest.raises(NotResolved, match="no identity graph yet"):
        found(state, settings, verify)
    take_in(state, [("a", TWINS)])
    resolve(state, settings)
    take_in(state, [("b", TWINS)], 2_000_000)
    with pytest.raises(NotResolved, match="Changes wait"):
        found(state, settings, verify)


def test_it_refuses_while_other_settings_wait_to_be_taken_up(
    damaged: State, verify: Verify, tmp_path: Path
) -> None:
    with pytest.raises(NotResolved, match="other settings"):
        found(damaged, settings_with(tmp_path, cluster_threshold=9.0), verify)
