"""The stage that finds out who is who, on both engines: what it writes, and that batches do not matter."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles.identity.decisions.decisions import DecisionKind, decide, undo
from customer_profiles.identity.evaluation.verify import verify_all
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.settings import Settings
from customer_profiles.state.cursors import CursorMoved
from customer_profiles.state.engine import State
from customer_profiles.state.generations import begin_generation, promote_generation
from customer_profiles_tests.identity.made import (
    customers_of,
    founders_of,
    partition_of,
    resolve,
    resolve_by,
    settings_with,
    take_in,
)

ANNA = {
    "given_name": "anna",
    "family_name": "lindqvist",
    "birth_date": "1971-03-05",
    "emails": ["anna@example.com"],
}
ANNA_TOO = {
    "given_name": "anna",
    "family_name": "lindqvist",
    "emails": ["anna@example.com"],
    "phones": ["+441632960001"],
}
ANNA_THREE = {"family_name": "lindqvist", "birth_date": "1971-03-05", "phones": ["+441632960001"]}
BORIS = {
    "given_name": "boris",
    "family_name": "okafor",
    "birth_date": "1988-12-24",
    "emails": ["boris@example.com"],
}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path)


def events(state: State) -> list[tuple[str, str]]:
    with state.reading() as connection:
        return [
            (kind, cause)
            for kind, cause in connection.execute(
                sa.text("SELECT kind, cause_kind FROM identity_event ORDER BY event_no")
            )
        ]


def numbers_of(state: State, *keys: str) -> list[int]:
    with state.reading() as connection:
        rows = connection.execute(sa.text("SELECT source_key, record_no FROM record")).all()
    return [dict(tuple(row) for row in rows)[key] for key in keys]


def test_records_that_share_a_person_become_one_customer_with_the_oldest_id(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a1", ANNA), ("b", BORIS), ("a2", ANNA_TOO), ("a3", ANNA_THREE)])
    result = resolve(state, settings)
    assert (result.received, result.applied, result.more) == (4, 4, False)
    assert partition_of(customers_of(state)) == {frozenset({"a1", "a2", "a3"}), frozenset({"b"})}
    assert founders_of(state)["a3"] == ("a1", 1)
    assert events(state) == [("create", "record"), ("create", "record")]


def test_nothing_new_changes_nothing(
    state: State, settings: Settings, table_rows: Callable[[State, str], list[tuple[object, ...]]]
) -> None:
    take_in(state, [("a1", ANNA), ("a2", ANNA_TOO)])
    stage = ResolveStage(state, settings)
    resolve_by(stage)
    tables = ("edge", "member", "customer", "claim", "identity_event", "cursor", "ledger")
    before = {table: table_rows(state, table) for table in tables}
    assert resolve_by(stage).received == 0
    assert {table: table_rows(state, table) for table in before} == before


def test_only_customers_whose_members_or_content_changed_get_a_new_change_number(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a1", ANNA), ("b", BORIS)])
    stage = ResolveStage(state, settings)
    resolve_by(stage)
    with state.reading() as connection:
        newest = connection.execute(sa.text("SELECT max(changed_no) FROM customer")).scalar_one()
    take_in(state, [("b", {**BORIS, "language": "de"})], at=2_000_000)
    resolve_by(stage)
    with state.reading() as connection:
        changed = connection.execute(
            sa.text("SELECT customer_no FROM customer WHERE changed_no > :newest"), {"newest": newest}
        ).scalars()
        assert list(changed) == numbers_of(state, "b")


def test_a_merge_keeps_the_older_id_and_a_lost_bridge_restores_the_other(
    state: State, settings: Settings
) -> None:
    take_in(
        state,
        [
            ("a1", {"given_name": "anna", "emails": ["one@example.com"]}),
            ("a2", {"phones": ["+441632960001"]}),
        ],
    )
    stage = ResolveStage(state, settings)
    resolve_by(stage)
    assert founders_of(state) == {"a1": ("a1", 1), "a2": ("a2", 1)}
    bridge = {"given_name": "anna", "emails": ["one@example.com"], "phones": ["+441632960001"]}
    take_in(state, [("a1", bridge)], at=2_000_000)
    resolve_by(stage)
    assert founders_of(state) == {"a1": ("a1", 1), "a2": ("a1", 1)}
    assert events(state)[-1] == ("merge", "record")
    take_in(state, [("a1", {"given_name": "anna", "emails": ["one@example.com"]})], at=3_000_000)
    resolve_by(stage)
    assert founders_of(state) == {"a1": ("a1", 1), "a2": ("a2", 1)}
    assert events(state)[-1] == ("split", "record")


def test_the_id_of_a_deleted_founder_stays_with_its_heirs(state: State, settings: Settings) -> None:
    take_in(state, [("a1", ANNA), ("a2", ANNA_TOO), ("b", BORIS)])
    stage = ResolveStage(state, settings)
    resolve_by(stage)
    take_in(state, [("a1", None), ("b", None)], at=2_000_000)
    resolve_by(stage)
    assert founders_of(state) == {"a2": ("a1", 1)}
    assert events(state)[-1] == ("delete", "record")
    with state.reading() as connection:
        gone = connection.execute(sa.text("SELECT customer_no FROM customer WHERE size = 0")).scalars()
        assert list(gone) == numbers_of(state, "b")
        left = connection.execute(sa.text("SELECT count(*) FROM superseded_record")).scalar_one()
        assert left == 0


def test_a_record_whose_id_was_inherited_comes_back_in_a_new_incarnation(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a1", ANNA), ("a2", ANNA_TOO)])
    stage = ResolveStage(state, settings)
    resolve_by(stage)
    take_in(state, [("a1", None)], at=2_000_000)
    take_in(state, [("a1", BORIS)], at=3_000_000)
    resolve_by(stage)
    assert founders_of(state) == {"a2": ("a1", 1), "a1": ("a1", 2)}


def test_a_record_that_left_nobody_behind_comes_back_as_it_was(state: State, settings: Settings) -> None:
    stage = ResolveStage(state, settings)
    for at, fields in enumerate((ANNA, None, ANNA), start=1):
        take_in(state, [("a1", fields)], at=at * 1_000_000)
        resolve_by(stage)
    assert founders_of(state) == {"a1": ("a1", 1)}


def test_the_estate_is_that_of_the_moment_of_the_deletion_within_a_batch(
    state: State, settings: Settings
) -> None:
    """a2 joins a1 only after b left, and leaves before the batch ends: neither may inherit the wrong ID."""
    take_in(state, [("a1", ANNA), ("x", BORIS)])
    stage = ResolveStage(state, settings)
    resolve_by(stage)
    history = [
        ("a2", ANNA_TOO),
        ("a1", None),
        ("a2", {"given_name": "zoe", "emails": ["zoe@example.com"]}),
        ("a3", ANNA),
        ("x", None),
    ]
    for at, envelope in enumerate(history, start=2):
        take_in(state, [envelope], at=at * 1_000_000)
    result = resolve_by(stage)
    assert result.received == 5
    assert founders_of(state) == {"a2": ("a1", 1), "a3": ("a3", 1)}


def test_decisions_of_a_steward_are_obeyed_and_taken_back(state: State, settings: Settings) -> None:
    take_in(state, [("a1", ANNA), ("a2", ANNA_TOO), ("b", BORIS)])
    stage = ResolveStage(state, settings)
    resolve_by(stage)
    a1, a2, b = numbers_of(state, "a1", "a2", "b")
    with state.writing() as connection:
        decide(connection, DecisionKind.APART, [a1], [a2], by="steward", reason="twins", decision_id="d1")
        decide(connection, DecisionKind.TOGETHER, [a2], [b], by="steward", reason="married", decision_id="d2")
    assert resolve_by(stage).received == 2
    assert partition_of(customers_of(state)) == {frozenset({"a1"}), frozenset({"a2", "b"})}
    assert {cause for _, cause in events(state)[2:]} == {"decision"}
    with state.writing() as connection:
        undo(connection, "d1")
        undo(connection, "d2")
    resolve_by(stage)
    assert founders_of(state) == {"a1": ("a1", 1), "a2": ("a1", 1), "b": ("b", 1)}


def test_a_rebuild_gives_the_same_customers_and_leaves_the_facts_alone(
    state: State, settings: Settings, table_rows: Callable[[State, str], list[tuple[object, ...]]]
) -> None:
    take_in(state, [("a1", ANNA), ("a2", ANNA_TOO), ("b", BORIS)])
    resolve(state, settings)
    take_in(state, [("a1", None)], at=2_000_000)
    with state.writing() as connection:
        number = begin_generation(connection)
    rebuilding = ResolveStage(state, settings, number)
    rebuilding.advance(10)
    facts = {table: table_rows(state, table) for table in ("claim", "estate", "identity_event")}
    assert founders_of(state, number) == founders_of(state) == {"a2": ("a1", 1), "b": ("b", 1)}
    with state.writing() as connection:
        promote_generation(connection, number, {})
    assert resolve(state, settings).received == 0
    assert {table: table_rows(state, table) for table in facts} == facts
    take_in(state, [("b", None)], at=3_000_000)
    resolve(state, settings)
    assert founders_of(state, number) == {"a2": ("a1", 1)}


def test_changed_settings_compute_the_graph_again_and_say_so(
    state: State, settings: Settings, tmp_path: Path
) -> None:
    take_in(state, [("a1", ANNA), ("a2", ANNA_TOO)])
    resolve(state, settings)
    strict = settings_with(tmp_path, cluster_threshold=60.0)
    resolve(state, strict)
    assert partition_of(customers_of(state)) == {frozenset({"a1"}), frozenset({"a2"})}
    assert events(state)[-1] == ("split", "settings")
    assert resolve(state, strict).received == 0


def test_of_two_runs_at_once_one_writes_and_the_other_says_that_nothing_was_lost(
    state: State, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    take_in(state, [("a1", ANNA)])
    stage, other = ResolveStage(state, settings), ResolveStage(state, settings)
    compute = stage._compute

    def compute_while_another_runs(*args):
        batch = compute(*args)
        other.advance(10)
        return batch

    monkeypatch.setattr(stage, "_compute", compute_while_another_runs)
    with pytest.raises(CursorMoved):
        resolve_by(stage)
    assert founders_of(state) == {"a1": ("a1", 1)}
    assert events(state) == [("create", "record")]


def test_a_decision_on_a_record_that_came_back_moves_the_id_of_its_earlier_life(
    state: State, settings: Settings
) -> None:
    """a brought b and c together, left, and came back as another: its first ID is with b, until a and b are ruled apart."""
    take_in(
        state,
        [
            ("a", {"external_ids": {"user_id": ["u"]}, "phones": ["+441632960001"]}),
            ("b", {"external_ids": {"user_id": ["u"]}}),
            ("c", {"phones": ["+441632960001"]}),
        ],
    )
    stage = ResolveStage(state, settings)
    resolve_by(stage)
    take_in(state, [("a", None)], at=2_000_000)
    take_in(state, [("a", BORIS)], at=3_000_000)
    resolve_by(stage)
    assert founders_of(state) == {"a": ("a", 2), "b": ("a", 1), "c": ("c", 1)}

    a, b = numbers_of(state, "a", "b")
    with state.writing() as connection:
        decide(connection, DecisionKind.APART, [a], [b], by="steward", reason="seen", decision_id="d1")
    resolve_by(stage)
    assert founders_of(state) == {"a": ("a", 2), "b": ("b", 1), "c": ("a", 1)}
    with state.reading() as connection:
        assert verify_all(connection, settings.identity, lambda *_: None).holds

    with state.writing() as connection:
        undo(connection, "d1")
    resolve_by(stage)
    assert founders_of(state) == {"a": ("a", 2), "b": ("a", 1), "c": ("c", 1)}
