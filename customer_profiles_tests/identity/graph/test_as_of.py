"""As of: at every commit of random histories, rebuilds among them, the history tells what a remembered copy does."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command

from customer_profiles.identity.claims.claims import claim_number
from customer_profiles.identity.claims.customer_ids import records_of_claims
from customer_profiles.identity.decisions.decisions import DecisionKind, decide, undo
from customer_profiles.identity.graph.as_of import (
    AsOfError,
    commit_at,
    commit_numbered,
    customer_of_claim_at,
    customers_at,
    latest_commit,
    members_at,
    stays_of,
)
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.pipeline.rebuild import rebuild
from customer_profiles.pipeline.stage import Stage
from customer_profiles.settings import Settings
from customer_profiles.state import revisions
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation
from customer_profiles.state.schema import Store
from customer_profiles_tests.identity.made import settings_with, take_in

EMAILS = [f"p{n}@example.com" for n in range(4)]
PHONES = [f"+44163296000{n}" for n in range(3)]
KEYS = [f"r{n}" for n in range(9)]


def someone(chance: random.Random) -> dict[str, Any]:
    held: dict[str, Any] = {"given_name": chance.choice(["anna", "boris", None])}
    if chance.random() < 0.7:
        held["emails"] = [chance.choice(EMAILS)]
    if chance.random() < 0.5:
        held["phones"] = [chance.choice(PHONES)]
    return held


class History:
    """A state through which a random history runs, and what was true after each of its commits."""

    def __init__(self, state: State, settings: Settings, seed: int) -> None:
        self.state, self.settings = state, settings
        self.chance = random.Random(seed)
        self.members: dict[int, dict[int, int]] = {}
        self.holders: dict[int, dict[int, int | None]] = {}
        self.at = 1_000_000
        self.decided: list[str] = []

    def step(self) -> None:
        self.at += 1_000_000
        what = self.chance.random()
        if what < 0.7 or not self.members:
            keys = self.chance.choices(KEYS, k=self.chance.randint(1, 4))
            gone = self.chance.random() < 0.35
            take_in(
                self.state,
                [
                    (key, None if gone and self.chance.random() < 0.7 else someone(self.chance))
                    for key in keys
                ],
                at=self.at,
            )
        elif what < 0.85:
            self._decide()
        else:
            stages = lambda generation: [ResolveStage(self.state, self.settings, generation, self._now)]  # noqa: E731
            rebuild(self.state, stages, lambda stage: stage.advance(1000))
        ResolveStage(self.state, self.settings, now=self._now).advance(1000)
        self._remember()

    def _now(self) -> int:
        return self.at

    def _decide(self) -> None:
        with self.state.writing() as connection:
            if self.decided and self.chance.random() < 0.3:
                undo(connection, self.decided.pop())
                return
            records = list(connection.execute(sa.text("SELECT record_no FROM record")).scalars())
            one, other = (self.chance.choice(records) for _ in range(2))
            if one != other:
                kind = self.chance.choice([DecisionKind.TOGETHER, DecisionKind.APART, DecisionKind.APART])
                made = decide(
                    connection, kind, [one], [other], by="steward", reason="seen", decided_at=self.at
                )
                self.decided.append(made)

    def _remember(self) -> None:
        with self.state.reading() as connection:
            now, live = latest_commit(connection).commit_no, live_generation(connection)
            rows = connection.execute(
                sa.text("SELECT record_no, customer_no FROM member WHERE generation = :live"), {"live": live}
            )
            self.members[now] = {record_no: customer_no for record_no, customer_no in rows}
            claims = list(connection.execute(sa.text("SELECT claim_no FROM claim")).scalars())
            self.holders[now] = records_of_claims(connection, live, claims)

    def holds(self) -> None:
        """Every remembered commit is told as it was."""
        with self.state.reading() as connection:
            everybody = list(connection.execute(sa.text("SELECT record_no FROM record")).scalars())
            claims = list(connection.execute(sa.text("SELECT claim_no FROM claim")).scalars())
            for commit_no, members in self.members.items():
                assert customers_at(connection, commit_no, everybody) == members
                for customer_no in set(members.values()):
                    of_customer = sorted(one for one, other in members.items() if other == customer_no)
                    assert list(members_at(connection, commit_no, customer_no)) == of_customer
                for claim_no in claims:
                    holder = self.holders[commit_no].get(claim_no)
                    expected = None if holder is None else members.get(holder)
                    assert customer_of_claim_at(connection, commit_no, claim_no) == expected, (
                        commit_no,
                        claim_no,
                    )


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path, identifiers={"email": {"cap": 3}, "phone": {"cap": 3}})


@pytest.mark.parametrize("seed", range(4))
def test_every_commit_is_told_as_it_was_whatever_happened_since(
    state: State, settings: Settings, seed: int
) -> None:
    history = History(state, settings, seed)
    for _ in range(14):
        history.step()
    history.holds()


def test_the_history_is_appended_and_never_rewritten(state: State, settings: Settings) -> None:
    history = History(state, settings, 7)
    tables = ("identity_commit", "membership_history", "claim_history")
    before: dict[str, set[Any]] = {table: set() for table in tables}
    for _ in range(12):
        history.step()
        with state.reading() as connection:
            for table in tables:
                now = {tuple(row) for row in connection.execute(sa.text(f"SELECT * FROM {table}"))}
                assert before[table] <= now, table
                before[table] = now


def test_a_history_that_an_older_version_wrote_tells_the_same(state: State, settings: Settings) -> None:
    history = History(state, settings, 11)
    for _ in range(14):
        history.step()
    everything = sa.text("SELECT * FROM membership_history ORDER BY record_no, commit_no")
    with state.reading() as connection:
        before = connection.execute(everything).mappings().all()
    assert any(row["came_from_no"] for row in before)

    with state.writing() as connection:
        revisions._enter_schema(connection, Store.STATE)
        command.downgrade(revisions._config(Store.STATE, connection), "0013")
        revisions.upgrade(connection, Store.STATE)

    with state.reading() as connection:
        assert connection.execute(everything).mappings().all() == before
    history.holds()


def test_only_records_that_moved_get_a_row(state: State, settings: Settings) -> None:
    take_in(state, [("a", {"emails": [EMAILS[0]]}), ("b", {"emails": [EMAILS[1]]})])
    stage = ResolveStage(state, settings, now=lambda: 5)
    stage.advance(10)
    take_in(state, [("a", {"emails": [EMAILS[0]], "language": "de"})], at=2_000_000)
    stage.advance(10)
    take_in(state, [("c", {"emails": [EMAILS[1]]})], at=3_000_000)
    stage.advance(10)
    with state.reading() as connection:
        moved = connection.execute(sa.text("SELECT moved FROM identity_commit ORDER BY commit_no")).scalars()
        assert list(moved) == [2, 0, 1]
        rows = connection.execute(sa.text("SELECT count(*) FROM membership_history")).scalar_one()
        assert rows == 3


def test_a_rebuild_that_changes_nothing_is_a_commit_that_moves_nobody(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a", {"emails": [EMAILS[0]]}), ("b", {"emails": [EMAILS[0]]})])
    ResolveStage(state, settings).advance(10)
    rebuild(state, lambda number: [ResolveStage(state, settings, number)], lambda stage: stage.advance(10))
    with state.reading() as connection:
        last = latest_commit(connection)
    assert (last.commit_no, last.generation, last.moved) == (2, 2, 0)


def test_a_rebuild_that_splits_customers_is_a_commit_of_its_own(state: State, settings: Settings) -> None:
    shared = [EMAILS[0]]
    take_in(state, [("a", {"emails": shared}), ("b", {"emails": shared, "city": "Leeds"}), ("c", {})])
    ResolveStage(state, settings).advance(10)
    strict = settings_with(settings.folder, identifiers={"email": {"cap": 1}})
    rebuild(state, lambda number: [ResolveStage(state, strict, number)], lambda stage: stage.advance(10))
    with state.reading() as connection:
        a, b, c = connection.execute(sa.text("SELECT record_no FROM record ORDER BY source_key")).scalars()
        assert latest_commit(connection).moved == 1
        assert customers_at(connection, 1, [a, b, c]) == {a: a, b: a, c: c}
        assert customers_at(connection, 2, [a, b, c]) == {a: a, b: b, c: c}


def test_a_record_that_only_the_live_generation_had_is_gone_with_the_switch(
    state: State, settings: Settings
) -> None:
    take_in(state, [("a", {"emails": [EMAILS[0]]})])
    ResolveStage(state, settings).advance(10)
    came: list[str] = []

    def drain(stage: Stage) -> None:
        """One more record comes each time that the new generation has caught up, until it is not waited for any more."""
        stage.advance(10)
        came.append(f"b{len(came)}")
        take_in(state, [(came[-1], {"emails": [EMAILS[0]]})], at=len(came) * 2_000_000)
        ResolveStage(state, settings).advance(10)

    rebuild(state, lambda number: [ResolveStage(state, settings, number)], drain)
    ResolveStage(state, settings).advance(10)
    with state.reading() as connection:
        numbers = dict(
            tuple(row) for row in connection.execute(sa.text("SELECT source_key, record_no FROM record"))
        )
        last, switch = numbers[came[-1]], len(came) + 2
        told = [last in customers_at(connection, at, [last]) for at in range(switch - 2, switch + 2)]
        assert customers_at(connection, switch, [numbers["a"], numbers["b0"]]) == {
            numbers["a"]: numbers["a"], numbers["b0"]: numbers["a"],
        }  # fmt: skip
    assert told == [False, True, False, True]


def test_an_id_is_followed_through_deletion_and_return(state: State, settings: Settings) -> None:
    person = {"given_name": "anna", "emails": [EMAILS[0]]}
    stage = ResolveStage(state, settings)
    take_in(state, [("a", person), ("b", person)])
    stage.advance(10)
    take_in(state, [("a", None)], at=2_000_000)
    stage.advance(10)
    take_in(state, [("a", {"emails": [EMAILS[3]]})], at=3_000_000)
    stage.advance(10)
    with state.reading() as connection:
        a, b = connection.execute(sa.text("SELECT record_no FROM record ORDER BY source_key")).scalars()
        first, second = claim_number(a, 1), claim_number(a, 2)
        assert [members_at(connection, at, first) for at in (1, 2, 3)] == [(a, b), (b,), (b,)]
        assert [customer_of_claim_at(connection, at, second) for at in (1, 2, 3)] == [None, None, second]
        assert members_at(connection, 3, second) == (a,)
        stays = [(stay.customer_no, stay.since, stay.until) for stay in stays_of(connection, [a])]
    assert stays == [(first, 1, 2), (second, 3, None)]


def test_an_id_is_followed_from_heir_to_heir(state: State, settings: Settings) -> None:
    person = {"given_name": "anna", "emails": [EMAILS[0]]}
    stage = ResolveStage(state, settings)
    take_in(state, [("a", person), ("b", person), ("c", person)])
    stage.advance(10)
    for at, key in enumerate("ab", start=2):
        take_in(state, [(key, None)], at=at * 1_000_000)
        stage.advance(10)
    with state.writing() as connection:
        a, b, c = connection.execute(sa.text("SELECT record_no FROM record ORDER BY source_key")).scalars()
        decide(connection, DecisionKind.APART, [b], [c], by="steward", reason="seen", decided_at=4_000_000)
    stage.advance(10)
    take_in(state, [("c", None)], at=5_000_000)
    stage.advance(10)
    with state.reading() as connection:
        led_to = {
            claim_no: [customer_of_claim_at(connection, at, claim_no) for at in (1, 2, 3, 4, 5)]
            for claim_no in (a, b, c)
        }
    assert led_to == {a: [a, a, a, None, None], b: [a, a, a, None, None], c: [a, a, a, c, None]}


def test_a_moment_before_the_history_and_a_commit_that_is_not_there_are_refused(
    state: State, settings: Settings
) -> None:
    with state.reading() as connection, pytest.raises(AsOfError, match="Nothing was resolved yet"):
        latest_commit(connection)
    take_in(state, [("a", {"emails": [EMAILS[0]]})])
    ResolveStage(state, settings, now=lambda: 500).advance(10)
    with state.reading() as connection:
        assert commit_at(connection, 500).commit_no == commit_numbered(connection, 1).commit_no == 1
        with pytest.raises(AsOfError, match="begins later"):
            commit_at(connection, 499)
        with pytest.raises(AsOfError, match="from 1 to 1"):
            commit_numbered(connection, 2)
