import pytest

from customer_profiles.cleaning.appliers import Arrival
from customer_profiles.cleaning.apply_interactions import InteractionApplier
from customer_profiles.cleaning.rows import CleanRow
from customer_profiles.marts import recount
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.buckets import DAY, HOUR, MINUTE, Bucket, Grain
from customer_profiles.marts.facts import grammar_of, read_fact, value_of
from customer_profiles.marts.recount import read_buckets
from customer_profiles.marts.segments import RefreshSegmentsStage
from customer_profiles.marts.stored import purchases_of
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.marts.windows import counting_of
from customer_profiles.pipeline.behind import behind
from customer_profiles.sources.envelope import Envelope
from customer_profiles_tests.marts.made import customers, drain, interactions, records, settings

NOW = 1_700_000_000_000_000 // MINUTE * MINUTE
SHORT = settings(lengths=["5m", "24h"])
LONG = settings(lengths=["45m", "36h", "90d"], properties=["category"])


def page(at, record_no=1, **properties):
    return {
        "record_no": record_no,
        "type": "page",
        "channel": "web",
        "occurred_at": at,
        "properties": properties,
    }


def told(state, given, *names, record_nos=(1,)):
    """Facts of records as whoever has these settings reads them."""
    with state.reading() as conn:
        rows = read_buckets(conn, state.history, 1, counting_of(given), record_nos)
    buckets = [Bucket(row[0], Grain(row[1]), *row[2:]) for row in rows]
    return [value_of(read_fact(name, grammar_of(given)), buckets, NOW) for name in names]


def waiting(state):
    with state.reading() as conn:
        return behind(conn, NOW).total["accumulate"]


LONGER = ("page_count_36h", "page_days_90d", "page_count_90d[category=shoes]", "interaction_count_45m")


@pytest.fixture
def counted(state):
    """Five records with interactions of three days, counted for short windows alone."""
    given = [
        page(NOW - ago, record_no, category="shoes")
        for record_no in range(1, 6)
        for ago in (0, 30 * MINUTE, 30 * HOUR, 3 * DAY)
    ]
    interactions(state, given)
    drain(AccumulateStage(state, SHORT))
    return state


def test_longer_windows_and_new_properties_reach_back_once_the_settings_ask_for_them(counted, monkeypatch):
    monkeypatch.setattr(recount, "RECORDS_AT_ONCE", 2)
    stage = AccumulateStage(counted, LONG)
    for left in (True, True, False):
        # Right from the first moment, whether a record waits or not.
        for record_no in range(1, 6):
            assert told(counted, LONG, *LONGER, record_nos=[record_no]) == [3, 3, 4, 2]
        assert stage.advance(1_000).more == left
        assert (waiting(counted) > 0) == left
    assert stage.advance(1_000).facts == {}
    assert told(counted, LONG, *LONGER, record_nos=range(1, 6)) == [15, 3, 20, 10]
    assert told(counted, SHORT, "page_count_24h") == [2]


def test_other_settings_leave_what_new_ones_would_have_counted_from_the_start(
    counted, state_factory, table_rows, state
):
    drain(AccumulateStage(counted, LONG))
    fresh = state_factory("sqlcipher" if state.dialect == "sqlite" else "postgres")
    given = [
        page(NOW - ago, record_no, category="shoes")
        for record_no in range(1, 6)
        for ago in (0, 30 * MINUTE, 30 * HOUR, 3 * DAY)
    ]
    interactions(fresh, given)
    drain(AccumulateStage(fresh, LONG))
    assert table_rows(counted, "bucket") == table_rows(fresh, "bucket")


def test_what_comes_in_while_records_are_counted_anew_is_counted_once(counted, monkeypatch):
    monkeypatch.setattr(recount, "RECORDS_AT_ONCE", 1)
    stage = AccumulateStage(counted, LONG)
    stage.advance(1_000)
    interactions(counted, [page(NOW - HOUR, record_no, category="hats") for record_no in (1, 5)])
    stage.advance(1_000)
    for record_no in (1, 5):
        assert told(counted, LONG, "page_count_36h", record_nos=[record_no]) == [4]
    drain(stage)
    for record_no, count in ((1, 4), (2, 3), (5, 4)):
        assert told(counted, LONG, "page_count_36h", record_nos=[record_no]) == [count]


def test_segments_of_new_windows_are_right_in_the_first_batch(counted):
    records(counted, [{"record_no": number} for number in range(1, 6)])
    customers(counted, {number: [number] for number in range(1, 6)})
    given = settings({"steady": "page_days_90d >= 3"}, ["90d"])
    drain(RefreshTraitsStage(counted, given, bytes(32), None, lambda: NOW))
    drain(RefreshSegmentsStage(counted, given, None, lambda: NOW))
    with counted.reading() as conn:
        inside = conn.exec_driver_sql(
            "SELECT count(*) FROM segment_membership WHERE until IS NULL"
        ).scalar_one()
    assert inside == 5


def test_a_record_with_more_interactions_than_fit_in_a_page_is_counted_anew_whole(counted, monkeypatch):
    monkeypatch.setattr(recount, "_PAGE", 3)
    drain(AccumulateStage(counted, LONG))
    assert told(counted, LONG, *LONGER) == [3, 3, 4, 2]


def arrive(state, event_id, record_key, at, again=False, **more):
    values = {
        "event_id": event_id,
        "record_key": record_key,
        "source": "web",
        "identifiers": None,
        "type": "purchase",
        "channel": "web",
        "occurred_at": at,
        "received_at": at,
        "value": 100,
        "currency": "GBP",
        "properties": {"order_id": event_id},
        **more,
    }
    with state.writing() as conn:
        arrival = Arrival("events", Envelope(event_id, {}), CleanRow(values), again=again)
        InteractionApplier(LONG, "web").apply(conn, [arrival], NOW)
        rows = conn.exec_driver_sql("SELECT source_key, record_no FROM record").all()
    return {key: number for key, number in rows}


def test_an_interaction_that_is_read_again_as_another_records_moves_with_all_that_was_kept_of_it(state):
    arrive(state, "e1", "ann", NOW)
    numbers = arrive(state, "e2", "bob", NOW - DAY)
    stage = AccumulateStage(state, LONG)
    drain(stage)
    arrive(state, "e1", "bob", NOW - 2 * DAY, again=True, value=300)
    assert waiting(state) == 2
    assert drain(stage)[0].facts == {"records_counted_anew": 2}
    assert waiting(state) == 0
    facts = ("purchase_count_90d", "purchase_value_90d", "purchase_days_90d")
    assert told(state, LONG, *facts, record_nos=[numbers["ann"]]) == [0, 0, 0]
    assert told(state, LONG, *facts, record_nos=[numbers["bob"]]) == [2, 400, 2]
    with state.reading() as conn:
        assert purchases_of(conn, 1, [numbers["ann"]]) == []
        assert {one.order_id for one in purchases_of(conn, 1, [numbers["bob"]])} == {"e1", "e2"}
    arrive(state, "e3", "ann", NOW - HOUR)
    drain(stage)
    assert told(state, LONG, *facts, record_nos=[numbers["ann"]]) == [1, 100, 1]


def test_the_customer_whose_interaction_went_away_leaves_the_segment_it_was_in_for_it(state):
    arrive(state, "e1", "ann", NOW)
    numbers = arrive(state, "e2", "bob", NOW)
    customers(state, {number: [number] for number in numbers.values()})
    given = settings({"buyer": "purchase_count_36h >= 1"}, ["36h"])

    def refresh():
        drain(AccumulateStage(state, given))
        drain(RefreshTraitsStage(state, given, bytes(32), None, lambda: NOW + 1))
        drain(RefreshSegmentsStage(state, given, None, lambda: NOW + 1))
        with state.reading() as conn:
            sql = "SELECT customer_no, kind FROM segment_change ORDER BY change_no"
            return [tuple(row) for row in conn.exec_driver_sql(sql)]

    ann, bob = numbers["ann"], numbers["bob"]
    assert refresh() == [(ann, "entered"), (bob, "entered")]
    arrive(state, "e1", "bob", NOW, again=True)
    assert refresh()[2:] == [(ann, "left")]


def test_an_interaction_that_says_the_same_again_is_not_counted_anew(state):
    arrive(state, "e1", "ann", NOW)
    drain(AccumulateStage(state, LONG))
    arrive(state, "e1", "ann", NOW, again=True)
    assert waiting(state) == 0
