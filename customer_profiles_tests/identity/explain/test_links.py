"""The links of a customer at a past commit: what is known is told, what may be newer is left out and counted."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles.identity.decisions.decisions import DecisionKind, decide, undo
from customer_profiles.identity.explain.links import DECISION, LinksThen, links_at
from customer_profiles.identity.explain.words import edges_then
from customer_profiles.identity.graph.as_of import commit_numbered, members_at
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles_tests.identity.made import settings_with, take_in
from customer_profiles_tests.identity.test_resolve import numbers_of

SHARED = {"emails": ["anna@example.com"]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path)


def resolve_at(state: State, settings: Settings, at: int) -> None:
    ResolveStage(state, settings, now=lambda: at).advance(100)


def links_of(state: State, key: str, commit_no: int) -> LinksThen:
    [customer_no] = numbers_of(state, key)  # its founder keeps the number
    with state.reading() as connection:
        members = members_at(connection, commit_no, customer_no)
        return links_at(connection, 1, members, commit_numbered(connection, commit_no).committed_at)


def test_an_edge_between_records_that_have_not_changed_since_is_shown(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a", SHARED), ("b", {**SHARED, "city": "york"})], at=10)
    resolve_at(state, settings, 11)
    take_in(state, [("c", {**SHARED, "city": "bath"})], at=20)
    resolve_at(state, settings, 21)

    then = links_of(state, "a", 1)

    assert ([(link.left_no, link.right_no) for link in then.links], then.left_out) == (
        [tuple(numbers_of(state, "a", "b"))],
        0,
    )


def test_an_edge_whose_record_changed_after_the_commit_is_left_out_and_counted(
    state: State, settings: Settings
) -> None:
    user = {"external_ids": {"user_id": ["u1"]}}
    take_in(state, [("a", user), ("b", {**user, "city": "york"})], at=10)
    resolve_at(state, settings, 11)
    take_in(state, [("b", {**user, **SHARED}), ("a", {**user, **SHARED, "city": "york"})], at=20)
    resolve_at(state, settings, 21)

    assert links_of(state, "a", 1) == LinksThen((), 1)
    assert len(links_of(state, "a", 2).links) == 1
    assert "1 edge is left out" in edges_then(1)
    assert "left out" not in edges_then(0)


def test_what_stewards_had_put_together_is_that_of_the_commit(state: State, settings: Settings) -> None:
    take_in(state, [("a", {"city": "york"}), ("b", {"city": "bath"})], at=10)
    resolve_at(state, settings, 11)
    a, b = numbers_of(state, "a", "b")
    with state.writing() as connection:
        made = decide(connection, DecisionKind.TOGETHER, [a], [b], by="kim", reason="seen", decided_at=20)
    resolve_at(state, settings, 21)
    with state.writing() as connection:
        undo(connection, made, 30, by="kim", reason="a slip")
    resolve_at(state, settings, 31)

    assert [[link.kind for link in links_of(state, "a", at).links] for at in (1, 2, 3)] == [
        [],
        [DECISION],
        [],
    ]
    with state.reading() as connection:
        assert links_at(connection, 1, [a, b], 11).links == links_at(connection, 1, [a, b], 31).links == ()
        edges = connection.execute(sa.text("SELECT count(*) FROM edge")).scalar_one()
    assert edges == 0
