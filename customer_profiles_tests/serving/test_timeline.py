from pathlib import Path

import pytest

from customer_profiles.serving.timeline import read_timeline
from customer_profiles.state.engine import State
from customer_profiles.state.history.history import History
from customer_profiles_tests.history.made import NOW, accumulate, history_in, pages, seal
from customer_profiles_tests.marts.made import customers, drain, interactions, records, settings
from customer_profiles_tests.serving.test_profile import claims, identifiers, say

DAY = 24 * 60 * 60 * 1_000_000


@pytest.fixture
def history(tmp_path: Path) -> History:
    return history_in(tmp_path / "history")


@pytest.fixture
def customer(state: State, history: History) -> State:
    """Ada, of two records, who did something long ago and something now."""
    records(state, [{"record_no": 1}, {"record_no": 2}])
    customers(state, {1: [1, 2], 3: [3]})
    claims(state, 1, 2, 3)
    identifiers(state, [(1, "email", "ada@x.example")])
    about = {"category": "hats", "topic": "refund", "path": "/secret"}
    old = [{**one, "properties": about} for one in pages(range(30), records=3)]
    interactions(state, [*old, {**old[0], "occurred_at": NOW - DAY, "type": "message"}])
    drain(accumulate(state, history))
    say(state, 1, "marketing", "granted")
    return state


def timeline(state: State, purpose: str = "support", most: int = 100):
    return read_timeline(state, settings(), "email:ada@x.example", purpose, NOW, most)


def test_what_was_done_long_ago_is_shown_wherever_it_is(customer: State, history: History) -> None:
    before = timeline(customer)
    assert len(before) == 21
    assert [one.occurred_at for one in before] == sorted((one.occurred_at for one in before), reverse=True)

    assert seal(customer, history).sealed.applied == 30

    assert timeline(customer) == before
    assert timeline(customer, most=5) == before[:5]
    assert before[0].type == "message"


def test_a_purpose_sees_the_properties_that_were_declared_for_it(customer: State, history: History) -> None:
    seal(customer, history)

    assert timeline(customer)[3].properties == {"category": "hats", "topic": "refund"}
    assert timeline(customer, "marketing")[3].properties == {"category": "hats"}


def test_a_purpose_that_consent_denies_gets_nothing(customer: State, history: History) -> None:
    seal(customer, history)
    say(customer, 2, "marketing", "refused", stated_at=2)

    assert timeline(customer, "marketing") == []
    assert timeline(customer, "nobody_declared_it") == []
