import pytest

from customer_profiles.marts.stored import traits_of
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.state.errors import CursorMoved
from customer_profiles.state.generations import begin_generation, promote_generation
from customer_profiles_tests.marts.made import customers, drain, event, records, settings

KEY = bytes(32)
TABLES = ("trait", "profile", "profile_history", "customer_id", "cursor", "ledger", "sequence")


def stage(state, at=100, generation=None):
    return RefreshTraitsStage(state, settings(), KEY, generation, lambda: at)


def values(state, customer_no, generation=1):
    with state.reading() as conn:
        traits = traits_of(conn, generation, [customer_no]).get(customer_no, {})
    return {name: one.value for name, one in traits.items()}


def history(state):
    with state.reading() as conn:
        rows = conn.exec_driver_sql(
            "SELECT customer_no, name, old, new, changed_at, cause_kind"
            " FROM profile_history ORDER BY history_no"
        )
        return [tuple(row) for row in rows]


def profiles(state):
    with state.reading() as conn:
        rows = conn.exec_driver_sql("SELECT customer_no, version, gone_at FROM profile ORDER BY customer_no")
        return [tuple(row) for row in rows]


def test_a_customer_has_the_contracts_fields_preferences_identifiers_and_declared_extras_as_traits(state):
    records(
        state,
        [
            {
                "record_no": 1,
                "given_name": "Ada",
                "emails": ["ada@x.example"],
                "preferences": {"newsletter": True},
                "external_ids": {"user_id": ["u1"]},
                "extra": {"points": 7, "undeclared": "x"},
            }
        ],
    )
    customers(state, {1: [1]})
    assert drain(stage(state))[0].applied == 1
    assert values(state, 1) == {
        "given_name": "Ada",
        "emails": ["ada@x.example"],
        "preference_newsletter": True,
        "external_user_id": ["u1"],
        "points": 7,
    }


def test_refreshing_again_changes_nothing(state, table_rows):
    records(state, [{"record_no": 1, "given_name": "Ada"}])
    customers(state, {1: [1]})
    drain(stage(state))
    before = {name: table_rows(state, name) for name in TABLES}
    assert stage(state).advance(10).received == 0
    customers(state, {1: [1]})
    result = stage(state, at=200).advance(10)
    assert (result.received, result.unchanged) == (1, 1)
    for name in ("trait", "profile", "profile_history", "customer_id"):
        assert table_rows(state, name) == before[name]


def test_a_change_writes_the_traits_that_differ_and_their_history_with_its_cause(state):
    records(state, [{"record_no": 1, "given_name": "Ada", "city": "Leeds"}])
    customers(state, {1: [1]})
    drain(stage(state))
    records(state, [{"record_no": 1, "given_name": "Ada", "city": "York"}])
    customers(state, {1: [1]})
    drain(stage(state, at=200))
    assert values(state, 1) == {"given_name": "Ada", "city": "York"}
    assert history(state)[2:] == [(1, "city", '"Leeds"', '"York"', 200, "record")]
    assert profiles(state) == [(1, 2, None)]


def test_a_customer_merged_away_loses_its_traits_and_its_history_says_so(state):
    records(state, [{"record_no": 1, "city": "Leeds"}, {"record_no": 2, "city": "York", "updated_at": 9}])
    customers(state, {1: [1], 2: [2]})
    drain(stage(state))
    customers(state, {2: [], 1: [1, 2]})
    event(state, "merge", 1, [2])
    event(state, "merge", 2, [1])
    drain(stage(state, at=200))
    assert values(state, 2) == {}
    assert values(state, 1) == {"city": "York"}
    assert history(state)[2:] == [
        (2, "city", '"York"', None, 200, "identity"),
        (1, "city", '"Leeds"', '"York"', 200, "identity"),
    ]
    assert profiles(state) == [(1, 2, None), (2, 2, 200)]
    customers(state, {1: [1], 2: [2]})
    drain(stage(state, at=300))
    assert profiles(state) == [(1, 3, None), (2, 3, None)]
    assert values(state, 2) == {"city": "York"}


def test_a_batch_that_dies_halfway_leaves_the_state_before_it(state, table_rows, monkeypatch):
    records(state, [{"record_no": 1, "given_name": "Ada"}])
    customers(state, {1: [1]})
    before = {name: table_rows(state, name) for name in TABLES}

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("customer_profiles.marts.traits.move_cursor", die)
        with pytest.raises(KeyboardInterrupt):
            stage(state).advance(10)
    assert {name: table_rows(state, name) for name in TABLES} == before


def test_a_generation_that_is_being_built_writes_no_history(state):
    records(state, [{"record_no": 1, "given_name": "Ada"}])
    customers(state, {1: [1]})
    drain(stage(state))
    with state.writing() as conn:
        rebuilt = begin_generation(conn)
    customers(state, {1: [1]}, generation=rebuilt)
    before = history(state)
    drain(stage(state, generation=rebuilt))
    assert values(state, 1, rebuilt) == {"given_name": "Ada"}
    assert history(state) == before


def test_a_customer_without_a_single_trait_comes_and_goes_for_consumers_too(state):
    records(state, [{"record_no": 1}])
    customers(state, {1: [1]})
    drain(stage(state))
    assert profiles(state) == [(1, 1, None)]
    customers(state, {1: []})
    drain(stage(state, at=200))
    assert profiles(state) == [(1, 2, 200)]


def test_a_customer_that_changed_between_look_and_writing_stays_and_comes_again(state):
    records(state, [{"record_no": 1, "country": "GB"}, {"record_no": 2, "country": "FR"}])
    customers(state, {1: [1], 2: [2]})
    looked = stage(state).look(10)
    records(state, [{"record_no": 1, "country": "IE"}])
    customers(state, {1: [1]})

    result = stage(state).write(looked)
    assert (result.received, result.applied) == (1, 1)
    assert (values(state, 1), values(state, 2)) == ({}, {"country": "FR"})
    assert profiles(state) == [(2, 1, None)]

    assert drain(stage(state))[0].received == 1
    assert (values(state, 1), values(state, 2)) == ({"country": "IE"}, {"country": "FR"})
    assert [row[:4] for row in history(state)] == [
        (2, "country", None, '"FR"'),
        (1, "country", None, '"IE"'),
    ]


def test_a_look_from_before_another_batch_or_another_generation_is_not_written(state):
    records(state, [{"record_no": 1, "country": "GB"}])
    customers(state, {1: [1]})
    looked = stage(state).look(10)
    drain(stage(state))
    with pytest.raises(CursorMoved):
        stage(state).write(looked)
    customers(state, {1: [1]})
    looked = stage(state).look(10)
    with state.writing() as conn:
        promote_generation(conn, begin_generation(conn), {})
    with pytest.raises(CursorMoved, match="Another generation is live"):
        stage(state).write(looked)
    assert [row[1] for row in profiles(state)] == [1]
