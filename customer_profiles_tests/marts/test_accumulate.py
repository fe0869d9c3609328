import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.buckets import DAY, HOUR, MINUTE, Interaction, bucketed
from customer_profiles.marts.stored import buckets_of, purchases_of, support_matters_of
from customer_profiles.marts.windows import counting_of
from customer_profiles.monitoring.ledger import ledger_check
from customer_profiles.state.errors import CursorMoved
from customer_profiles.state.generations import begin_generation, promote_generation
from customer_profiles_tests.history.made import accumulate, history_in, pages, seal
from customer_profiles_tests.marts.made import drain, interactions
from customer_profiles_tests.marts.made import settings as company

NOW = 1_700_000_123_456_789
TABLES = ("bucket", "purchase", "support_matter")


def purchase(at, order_id, value=500, record_no=1, **properties):
    return {
        "record_no": record_no,
        "type": "purchase",
        "channel": "web",
        "occurred_at": at,
        "value": value,
        "currency": "GBP",
        "properties": {"order_id": order_id, **properties},
    }


def message(at, matter_id, record_no=1, channel="chat", **properties):
    return {
        "record_no": record_no,
        "type": "message",
        "channel": channel,
        "occurred_at": at,
        "properties": {"matter_id": matter_id, **properties},
    }


def page(at, record_no=1):
    return {"record_no": record_no, "type": "page", "channel": "web", "occurred_at": at}


moments = st.one_of(
    st.integers(NOW - 40 * DAY, NOW),
    st.integers(NOW - 26 * HOUR, NOW),
    st.integers(0, 3).map(lambda n: NOW - n),
)
given_interactions = st.lists(
    st.one_of(
        st.builds(page, moments, record_no=st.integers(1, 2)),
        st.builds(
            purchase,
            moments,
            st.sampled_from(["o1", "o2"]),
            value=st.sampled_from([100, 200]),
            record_no=st.integers(1, 2),
            category=st.sampled_from(["shoes", "hats"]),
        ),
        st.builds(
            message,
            moments,
            st.sampled_from(["m1", "m2"]),
            status=st.sampled_from(["open", "closed", None]),
            topic=st.sampled_from(["refund", None]),
        ),
    ),
    max_size=25,
)


def contents(state, table_rows):
    """Rows of the marts without the change numbers, which follow the batches."""
    with state.reading() as conn:
        activity = conn.exec_driver_sql("SELECT record_no, first_at, last_at FROM record_activity").all()
    return {**{name: table_rows(state, name) for name in TABLES}, "activity": sorted(map(tuple, activity))}


@settings(max_examples=40)
@given(given_interactions, st.integers(1, 7), st.randoms(use_true_random=False))
def test_late_and_shuffled_interactions_in_any_batches_give_what_one_batch_in_order_gives(
    state_factory, table_rows, given_interactions, limit, shuffling
):
    in_order, shuffled = state_factory("sqlcipher"), state_factory("sqlcipher")
    interactions(in_order, sorted(given_interactions, key=lambda one: one["occurred_at"]))
    drain(AccumulateStage(in_order, company()))
    other = list(given_interactions)
    shuffling.shuffle(other)
    interactions(shuffled, other)
    drain(AccumulateStage(shuffled, company()), limit)
    assert contents(shuffled, table_rows) == contents(in_order, table_rows)
    in_order.close()
    shuffled.close()


def test_the_same_holds_on_both_engines_for_a_thousand_interactions(state, table_rows):
    dice = random.Random(5)
    given = [page(NOW - dice.randrange(40 * DAY), dice.randrange(1, 9)) for _ in range(600)]
    given += [page(NOW - dice.randrange(30 * HOUR), dice.randrange(1, 9)) for _ in range(400)]
    interactions(state, given)
    results = drain(AccumulateStage(state, company()), 97)
    assert sum(result.applied for result in results) == 1_000
    rows = [Interaction(one["record_no"], "page", "web", one["occurred_at"]) for one in given]
    last_at = {n: max(one.occurred_at for one in rows if one.record_no == n) for n in range(1, 9)}
    with state.reading() as conn:
        assert sorted(map(repr, buckets_of(conn, 1, range(1, 9)))) == sorted(
            map(repr, bucketed(rows, last_at, counting_of(company())))
        )
        assert ledger_check(conn).adds_up


def test_what_comes_between_look_and_writing_is_counted_once(state_factory, table_rows):
    at_once, in_halves = state_factory("sqlcipher"), state_factory("sqlcipher")
    first, later = [page(NOW), purchase(NOW, "o1")], [page(NOW - HOUR), purchase(NOW - MINUTE, "o1", 700)]
    interactions(at_once, first + later)
    drain(AccumulateStage(at_once, company()))

    interactions(in_halves, first)
    stage = AccumulateStage(in_halves, company())
    looked = stage.look(10)
    interactions(in_halves, later)
    assert (stage.write(looked).applied, stage.write(stage.look(10)).applied) == (2, 2)

    assert contents(in_halves, table_rows) == contents(at_once, table_rows)
    at_once.close()
    in_halves.close()


def test_a_look_from_before_another_batch_or_another_generation_is_not_written(state, table_rows):
    interactions(state, [page(NOW), purchase(NOW, "o1")])
    stage = AccumulateStage(state, company())
    looked = stage.look(1)
    drain(AccumulateStage(state, company()))
    before = {name: table_rows(state, name) for name in (*TABLES, "record_activity", "cursor", "ledger")}
    with pytest.raises(CursorMoved):
        stage.write(looked)
    assert {name: table_rows(state, name) for name in before} == before

    interactions(state, [page(NOW)])
    looked = stage.look(1)
    with state.writing() as conn:
        promote_generation(conn, begin_generation(conn), {})
    with pytest.raises(CursorMoved, match="elsewhere than when accumulate looked"):
        stage.write(looked)


def test_a_look_from_before_a_sealing_is_not_written(state, tmp_path):
    history = history_in(tmp_path)
    interactions(state, pages(range(40)))
    drain(accumulate(state, history))
    interactions(state, [page(NOW)])
    stage = accumulate(state, history)
    looked = stage.look(10)
    seal(state, history)
    with pytest.raises(CursorMoved, match="elsewhere than when accumulate looked"):
        stage.write(looked)
    assert drain(stage)[0].applied == 1


def test_advancing_again_changes_nothing(state, table_rows):
    interactions(state, [page(NOW), purchase(NOW, "o1"), message(NOW, "m1", status="open")])
    drain(AccumulateStage(state, company()))
    before = {name: table_rows(state, name) for name in (*TABLES, "record_activity", "cursor", "ledger")}
    assert drain(AccumulateStage(state, company()))[0].received == 0
    assert {name: table_rows(state, name) for name in before} == before


def test_an_order_is_worth_what_was_said_of_it_last_and_placed_when_it_was_first_heard_of(state):
    interactions(
        state,
        [
            purchase(NOW, "o1", 700, lines=[{"category": "hats"}, {"category": "shoes"}]),
            purchase(NOW - HOUR, "o1", 500, category="hats"),
        ],
    )
    drain(AccumulateStage(state, company()), 1)
    with state.reading() as conn:
        (order,) = purchases_of(conn, 1, [1])
    assert (order.purchased_at, order.stated_at, order.value) == (NOW - HOUR, NOW, 700)
    assert order.categories == ("hats", "shoes")


def test_a_matter_stands_where_its_newest_message_left_it_whatever_came_in_last(state):
    interactions(
        state,
        [
            message(NOW, "m1", status="closed"),
            message(NOW - MINUTE, "m1", status="open", topic="refund", sentiment="negative"),
        ],
    )
    drain(AccumulateStage(state, company()), 1)
    with state.reading() as conn:
        (matter,) = support_matters_of(conn, 1, [1])
    assert not matter.open
    assert (matter.status[1], matter.topic[1], matter.sentiment[1]) == ("closed", "refund", "negative")
    assert (matter.opened_at, matter.last_at) == (NOW - MINUTE, NOW)


def test_a_batch_that_dies_halfway_leaves_the_state_before_it(state, table_rows, monkeypatch):
    interactions(state, [page(NOW), purchase(NOW, "o1")])
    before = {
        name: table_rows(state, name) for name in (*TABLES, "record_activity", "cursor", "ledger", "sequence")
    }

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("customer_profiles.marts.accumulate.move_cursor", die)
        with pytest.raises(KeyboardInterrupt):
            AccumulateStage(state, company()).advance(10)
    assert {name: table_rows(state, name) for name in before} == before
    assert AccumulateStage(state, company()).advance(10).applied == 2
