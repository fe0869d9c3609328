"""Why two records are one customer or not: every kind of answer, on records that the real stage resolved."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from customer_profiles.identity.clusters.vetoes import Verdict
from customer_profiles.identity.decisions.decisions import DecisionKind, decide, undo
from customer_profiles.identity.explain.explain import Explanation, explain
from customer_profiles.identity.explain.explain_page import shared_rows
from customer_profiles.identity.explain.links import DECISION
from customer_profiles.identity.explain.pair import ExplainError, KeyState
from customer_profiles.identity.explain.waterfall import parts_of
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles_tests.identity.made import resolve, settings_with, take_in
from customer_profiles_tests.identity.test_resolve import numbers_of

ANNA = {"given_name": "anneliese", "family_name": "lindqvist", "birth_date": "1971-03-05"}
BORIS = {"given_name": "boris", "family_name": "okafor", "birth_date": "1988-12-24"}
EMAIL = {"emails": ["anneliese@example.com"]}
PHONE = {"phones": ["+441632960001"]}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path)


def log_in(user_id: str, **others: Any) -> dict[str, Any]:
    return {"external_ids": {"user_id": [user_id]}, **others}


def told(state: State, settings: Settings, one: str, other: str) -> Explanation:
    left, right = numbers_of(state, one, other)
    with state.reading() as connection:
        return explain(connection, 1, settings.identity, [left], [right])


def explained(state: State, settings: Settings, *records: dict[str, Any]) -> Explanation:
    """Take in records a, b, c …, resolve them, and ask for a and b."""
    take_in(state, [(key, record) for key, record in zip("abcdefgh", records, strict=False)])
    resolve(state, settings)
    return told(state, settings, "a", "b")


def states(found: Explanation) -> dict[str, KeyState]:
    return {one.name: one.state for one in found.shared}


# One customer.


def test_a_shared_identifier_joins_and_is_named(state: State, settings: Settings) -> None:
    found = explained(state, settings, {**EMAIL, "city": "york"}, {**EMAIL, "city": "bath"})
    assert found.together
    assert found.sentence == "They are one customer: a shared email of 12.00 bits joins them."
    assert [(link.kind, link.bits) for link in found.path] == [("email", 12.0)]
    assert states(found)["email"] is KeyState.LIVE


def test_the_score_of_the_model_joins_and_its_parts_add_up_to_the_edge(
    state: State, settings: Settings
) -> None:
    at_home = {"postcode": "yo10 5dd", "city": "york"}
    found = explained(state, settings, {**ANNA, **at_home}, {**ANNA, **at_home, **PHONE})
    assert found.together
    assert found.edge is not None
    assert found.edge.kind == "probabilistic"
    assert parts_of(found.facts.score)[-1].total == found.facts.score.weight == found.edge.weight
    assert "the model's score of" in found.sentence


def test_a_chain_is_told_link_by_link_with_its_weakest(state: State, settings: Settings) -> None:
    found = explained(
        state, settings, log_in("u1", city="york"), log_in("u2", **PHONE), log_in("u1", **PHONE)
    )
    assert found.together
    assert found.edge is None
    assert [link.kind for link in found.path] == ["user_id", "phone"]
    assert "2 links lead from one to the other, the weakest of which is a shared phone of 9.00 bits" in (
        found.sentence
    )


def test_a_steward_who_put_two_together_is_the_reason(state: State, settings: Settings) -> None:
    explained(state, settings, ANNA, BORIS)
    a, b = numbers_of(state, "a", "b")
    with state.writing() as connection:
        made = decide(connection, DecisionKind.TOGETHER, [a], [b], by="kim", reason="a secret of theirs")
    resolve(state, settings)
    found = told(state, settings, "a", "b")
    assert found.sentence == "They are one customer: a steward put them together."
    assert [(link.kind, link.support) for link in found.path] == [(DECISION, (made,))]
    assert [(one.decision_id, one.decided_by) for one in found.decisions] == [(made, "kim")]
    assert "secret" not in repr(found)


# Two customers: an edge that was refused.


def test_an_apart_decision_refuses_and_is_named_until_it_is_undone(state: State, settings: Settings) -> None:
    explained(state, settings, log_in("u1", city="york"), log_in("u1", **PHONE))
    a, b = numbers_of(state, "a", "b")
    with state.writing() as connection:
        made = decide(connection, DecisionKind.APART, [a], [b], by="kim", reason="father and son")
    resolve(state, settings)
    found = told(state, settings, "a", "b")
    assert not found.together
    assert "was refused, for a steward ruled that they stay apart" in found.sentence
    assert found.turn is not None
    assert (found.turn.verdict, found.turn.apart) == (Verdict.APART, (made,))
    assert [one.decision_id for one in found.decisions] == [made]

    with state.writing() as connection:
        undo(connection, made)
    resolve(state, settings)
    again = told(state, settings, "a", "b")
    assert (again.together, again.decisions) == (True, ())


def test_an_exclusive_identifier_refuses_and_its_kind_is_named_not_its_values(
    state: State, tmp_path: Path
) -> None:
    settings = settings_with(tmp_path, identifiers={"crm_id": {"exclusive": True}})
    found = explained(
        state,
        settings,
        {"external_ids": {"user_id": ["u1"], "crm_id": ["secret-1"]}},
        {"external_ids": {"user_id": ["u1"], "crm_id": ["secret-2"]}},
    )
    assert not found.together
    assert "was refused, for each side has another crm_id." in found.sentence
    assert found.turn is not None
    assert (found.turn.verdict, found.turn.exclusive) == (Verdict.EXCLUSIVE, ("crm_id",))
    assert found.turn.between == ((found.left[0],), (found.right[0],))
    assert "secret" not in repr(asdict(found))


def test_first_names_and_birth_dates_that_both_differ_refuse(state: State, settings: Settings) -> None:
    found = explained(state, settings, log_in("u1", **ANNA), log_in("u1", **BORIS))
    assert not found.together
    assert "was refused, for they plainly differ in first name and in birth date." in found.sentence
    assert found.turn is not None
    assert found.turn.verdict is Verdict.NAMES
    assert found.turn.between == ((found.left[0],), (found.right[0],))
    assert "anneliese" not in repr(asdict(found)).lower()


def test_sides_that_do_not_hang_together_are_told_by_the_numbers_of_the_rule(
    state: State, tmp_path: Path
) -> None:
    settings = settings_with(tmp_path, identifiers={"phone": {"weight": 3}})
    found = explained(
        state,
        settings,
        log_in("u1", **PHONE),
        log_in("u2", **PHONE),
        log_in("u1", city="york"),
        log_in("u1", city="bath"),
        log_in("u2", city="hull"),
        log_in("u2", city="ripon"),
    )
    assert not found.together
    assert found.turn is not None
    assert found.turn.verdict is Verdict.LINKAGE
    assert [len(side) for side in (found.turn.left_side, found.turn.right_side)] == [3, 3]
    numbers = found.turn.linkage
    assert numbers is not None
    assert (numbers.strongest, numbers.edges, numbers.missing) == (3 * 1024, 1, 8)
    # 0.5 · 3 + 0.5 · (3 − 8 · 8) / 9, below 0.5
    assert numbers.mixed / 1024 == pytest.approx(0.5 * 3 + 0.5 * (3 - 64) / 9)
    assert "sides of 3 and 3 records do not hang together" in found.sentence
    assert "which makes -1.89, below the threshold of 0.50" in found.sentence


# Two customers: no edge at all.


def test_a_hub_joins_nobody_and_is_told_with_its_holders_and_cap(state: State, tmp_path: Path) -> None:
    settings = settings_with(tmp_path, identifiers={"user_id": {"cap": 2}})
    found = explained(state, settings, *(log_in("u1", city=city) for city in ("york", "bath", "hull")))
    assert not found.together
    assert found.edge is None
    assert states(found) == {"user_id": KeyState.CAP}
    assert "all that they share counts as nothing: user_id (too many holders)" in found.sentence
    [hub] = found.shared
    assert (hub.holders, hub.cap) == (3, 2)


def test_a_value_listed_as_generic_joins_nobody_and_is_told_so(state: State, settings: Settings) -> None:
    shared = {"emails": ["info@example.com"]}
    found = explained(state, settings, {**shared, "city": "york"}, {**shared, "city": "bath"})
    assert not found.together
    assert states(found)["email"] is KeyState.GENERIC
    assert "email (listed as generic)" in found.sentence


def test_a_visitor_seen_with_two_log_ins_joins_nobody_and_is_told_so(
    state: State, settings: Settings
) -> None:
    def visit(user_id: str) -> dict[str, Any]:
        return {"external_ids": {"user_id": [user_id], "anonymous_id": ["v1"]}}

    found = explained(state, settings, visit("u1"), visit("u2"))
    assert not found.together
    assert states(found) == {"anonymous_id": KeyState.LOGINS}
    assert "anonymous_id (seen with several log-ins)" in found.sentence


def test_a_dead_key_brings_nobody_together_and_is_told_with_its_rule(state: State, tmp_path: Path) -> None:
    settings = settings_with(tmp_path, blocking_cap=2)
    found = explained(state, settings, *({**ANNA, "city": city} for city in ("york", "bath", "hull")))
    assert not found.together
    assert set(states(found).values()) == {KeyState.CAP}
    assert "name + birth_date (too many holders)" in found.sentence
    assert not any(one.identifier for one in found.shared)


def test_a_score_below_the_threshold_is_told_beside_it(state: State, settings: Settings) -> None:
    at_home = {"postcode": "yo10 5dd"}
    found = explained(state, settings, {**ANNA, **at_home}, {**BORIS, **at_home})
    assert not found.together
    assert found.edge is None
    assert states(found) == {"postcode": KeyState.LIVE}
    assert found.facts.score.weight < found.edge_threshold
    assert f"compared they have {found.facts.score.weight / 1024:.2f} bits, below the 0.00" in found.sentence


def test_a_shared_email_between_other_first_names_is_told_not_to_join(
    state: State, settings: Settings
) -> None:
    found = explained(state, settings, {**ANNA, **EMAIL}, {"given_name": "boris", **EMAIL})
    assert not found.together
    assert "The shared email does not join them, for their first names differ." in found.sentence


def test_records_that_share_nothing_were_never_compared(state: State, settings: Settings) -> None:
    found = explained(state, settings, ANNA, BORIS)
    assert not found.together
    assert found.shared == ()
    assert "they share no identifier and no blocking key, so they were never compared" in found.sentence


# How it is told, and what cannot be asked.


def test_keys_of_one_rule_stand_on_one_line_with_their_number(state: State, settings: Settings) -> None:
    found = explained(state, settings, {**ANNA, "city": "york"}, {**ANNA, "city": "bath"})
    named = [row[0] for row in shared_rows(found)]
    assert len(named) == len(set(named))
    [by_name] = [one for one in found.shared if one.name == "name + birth_date"]
    assert (by_name.keys, by_name.holders) == (2, 2)  # one for the first name, one for the last


def test_live_and_dead_keys_of_one_rule_stand_on_two_lines(state: State, tmp_path: Path) -> None:
    settings = settings_with(tmp_path, blocking_cap=2)
    found = explained(
        state,
        settings,
        {**ANNA, "city": "york"},
        {**ANNA, "city": "bath"},
        {"family_name": ANNA["family_name"], "birth_date": ANNA["birth_date"]},
    )
    lines = [(one.state, one.keys, one.holders) for one in found.shared if one.name == "name + birth_date"]
    assert sorted(lines) == [(KeyState.LIVE, 1, 2), (KeyState.CAP, 1, 3)]


def test_what_cannot_be_asked_is_refused_with_what_to_do(state: State, settings: Settings) -> None:
    explained(state, settings, ANNA, BORIS)
    a, b = numbers_of(state, "a", "b")
    take_in(state, [("b", None), ("c", EMAIL)], 2_000_000)
    resolve(state, settings)
    with state.reading() as connection:
        with pytest.raises(ExplainError, match="Name records that live"):
            explain(connection, 1, settings.identity, [a], [b])
        with pytest.raises(ExplainError, match="Both sides are the same"):
            explain(connection, 1, settings.identity, [a], [a])
        [c] = numbers_of(state, "c")
        with pytest.raises(ExplainError, match="records of 2 customers"):
            explain(connection, 1, settings.identity, [a, c], [c])
