import pytest

from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.buckets import DAY, HOUR, MINUTE
from customer_profiles.marts.promotion import carry_over
from customer_profiles.marts.segment_changes import changes_since
from customer_profiles.marts.segments import RefreshSegmentsStage
from customer_profiles.marts.traits import RefreshTraitsStage
from customer_profiles.state.errors import CursorMoved
from customer_profiles.state.generations import begin_generation, promote_generation
from customer_profiles_tests.marts.made import customers, drain, event, interactions, records, settings

KEY = bytes(32)
NOW = 1_700_000_000_000_000 // MINUTE * MINUTE
TABLES = ("segment_membership", "segment_due", "profile", "cursor", "ledger", "sequence")
SEGMENTS = {
    "british": "country = 'GB'",
    "browsing": "page_count_1h >= 2",
    "quiet": "days_since_last_interaction >= 30",
    "unseen": "interaction_count_lifetime = 0",
}


def page(at, record_no=1):
    return {"record_no": record_no, "type": "page", "channel": "web", "occurred_at": at}


def refresh(state, at, segments=SEGMENTS, generation=None):
    drain(AccumulateStage(state, settings(segments), generation))
    drain(RefreshTraitsStage(state, settings(segments), KEY, generation, lambda: at))
    return drain(RefreshSegmentsStage(state, settings(segments), generation, lambda: at), 3)


def inside(state, generation=1):
    return {
        (segment, customer_no)
        for segment, customer_no, _, until in all_of(state, generation)
        if until is None
    }


def all_of(state, generation=1):
    sql = "SELECT generation, segment, customer_no, since, until FROM segment_membership ORDER BY 1, 2, 3, 4"
    with state.reading() as conn:
        return [tuple(row)[1:] for row in conn.exec_driver_sql(sql) if row[0] == generation]


def feed(state, since=0):
    """Kind, segment, customer, moment, cause and its number of each change."""
    with state.reading() as conn:
        return [
            (one.kind, one.segment, one.customer_no, one.changed_at, str(one.cause.kind), one.cause.number)
            for one in changes_since(conn, since, 1_000)
        ]


@pytest.fixture
def two_customers(state):
    records(state, [{"record_no": 1, "country": "GB", "updated_at": 2}, {"record_no": 2, "country": "FR"}])
    customers(state, {1: [1], 2: [2]})
    return state


def test_customers_enter_and_leave_as_their_traits_and_interactions_change(two_customers):
    state = two_customers
    refresh(state, NOW)
    assert inside(state) == {("british", 1), ("unseen", 1), ("unseen", 2)}
    records(state, [{"record_no": 2, "country": "GB"}])
    customers(state, {2: [2]})
    interactions(state, [page(NOW, 1), page(NOW + 1, 1)])
    refresh(state, NOW + 5)
    assert inside(state) == {("british", 1), ("british", 2), ("browsing", 1), ("unseen", 2)}
    assert ("unseen", 1, NOW, NOW + 5) in all_of(state)


def test_at_first_each_customer_is_looked_at_once_whatever_they_did_and_what_they_do_then_counts(state):
    people = range(1, 9)
    records(state, [{"record_no": one, "country": "GB"} for one in people])
    customers(state, {one: [one] for one in people})
    for one in reversed(people):
        interactions(state, [page(NOW, one)])
        drain(AccumulateStage(state, settings(SEGMENTS)))
    drain(RefreshTraitsStage(state, settings(SEGMENTS), KEY, None, lambda: NOW))
    stage = RefreshSegmentsStage(state, settings(SEGMENTS), None, lambda: NOW + 5)
    assert stage.advance(3).received == 3
    interactions(state, [page(NOW + 1, 1), page(NOW + 1, 8)])
    drain(AccumulateStage(state, settings(SEGMENTS)))
    assert sum(one.received for one in drain(stage, 3)) == 8 - 3 + 2
    assert {one for one in inside(state) if one[0] == "browsing"} == {("browsing", 1), ("browsing", 8)}


def test_a_segment_that_changes_with_time_alone_changes_when_it_is_due_and_not_before(two_customers):
    state = two_customers
    interactions(state, [page(NOW - 10 * MINUTE), page(NOW)])
    refresh(state, NOW)
    due = NOW - 10 * MINUTE + HOUR + MINUTE
    assert refresh(state, due - 1)[0].received == 0
    assert ("browsing", 1) in inside(state)
    assert refresh(state, due)[0].applied == 1
    assert ("browsing", 1) not in inside(state)
    assert refresh(state, NOW + 30 * DAY - 1)[0].applied == 0
    refresh(state, NOW + 30 * DAY)
    assert ("quiet", 1) in inside(state)
    assert refresh(state, NOW + 300 * DAY)[0].received <= 1
    assert refresh(state, NOW + 300 * DAY)[0].received == 0


def test_refreshing_again_changes_nothing(two_customers, table_rows):
    state = two_customers
    interactions(state, [page(NOW), page(NOW)])
    refresh(state, NOW)
    before = {name: table_rows(state, name) for name in TABLES}
    assert refresh(state, NOW + 1)[0].received == 0
    assert {name: table_rows(state, name) for name in TABLES} == before


def test_a_merge_counts_the_interactions_of_both_and_a_split_of_each(two_customers):
    state = two_customers
    interactions(state, [page(NOW, 1), page(NOW, 2)])
    refresh(state, NOW)
    assert inside(state) == {("british", 1)}
    customers(state, {2: [], 1: [1, 2]})
    refresh(state, NOW + 1)
    assert inside(state) == {("british", 1), ("browsing", 1)}
    customers(state, {1: [1], 2: [2]})
    refresh(state, NOW + 2)
    assert inside(state) == {("british", 1)}


def test_a_customer_waits_for_its_traits_whatever_else_makes_it_due(two_customers):
    state = two_customers
    interactions(state, [page(NOW, 1)])
    drain(AccumulateStage(state, settings(SEGMENTS)))
    drain(RefreshSegmentsStage(state, settings(SEGMENTS), None, lambda: NOW))
    assert all_of(state) == []
    refresh(state, NOW + 1)
    assert inside(state) == {("british", 1), ("unseen", 2)}
    refresh(state, NOW + HOUR)
    assert {since for _, _, since, _ in all_of(state)} == {NOW + 1}


def test_a_customer_that_is_gone_is_in_no_segment_even_one_for_those_who_did_nothing(two_customers):
    state = two_customers
    refresh(state, NOW)
    customers(state, {2: []})
    refresh(state, NOW + 1)
    assert inside(state) == {("british", 1), ("unseen", 1)}


def test_new_rules_are_evaluated_for_everybody_and_a_segment_that_is_dropped_is_left(two_customers):
    state = two_customers
    records(state, [{"record_no": n, "country": "FR"} for n in range(3, 12)])
    customers(state, {n: [n] for n in range(3, 12)})
    refresh(state, NOW)
    refresh(state, NOW + 1, {"french": "country = 'FR'"})
    assert inside(state) == {("french", n) for n in range(2, 12)}
    assert ("british", 1, NOW, NOW + 1) in all_of(state)


def test_a_batch_that_dies_halfway_leaves_the_state_before_it(two_customers, table_rows, monkeypatch):
    state = two_customers
    drain(RefreshTraitsStage(state, settings(), KEY, None, lambda: NOW))
    before = {name: table_rows(state, name) for name in TABLES}

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("customer_profiles.marts.segments.move_cursor", die)
        with pytest.raises(KeyboardInterrupt):
            RefreshSegmentsStage(state, settings(SEGMENTS), None, lambda: NOW).advance(10)
    assert {name: table_rows(state, name) for name in TABLES} == before


def test_a_promoted_rebuild_keeps_histories_and_goes_on_with_the_versions(two_customers, table_rows):
    state = two_customers
    interactions(state, [page(NOW), page(NOW)])
    refresh(state, NOW)
    refresh(state, NOW + 2 * HOUR)
    with state.writing() as conn:
        rebuilt = begin_generation(conn)
    customers(state, {1: [1], 2: [2]}, generation=rebuilt)
    refresh(state, NOW + 2 * HOUR, generation=rebuilt)
    before, history = all_of(state), table_rows(state, "profile_history")
    with state.writing() as conn:
        assert carry_over(conn, 1, rebuilt, NOW + 3 * HOUR) == 0
        promote_generation(conn, rebuilt, {})
    assert all_of(state, rebuilt) == before
    assert table_rows(state, "profile_history") == history
    versions = {
        (generation, customer_no): version
        for generation, customer_no, version, *_ in table_rows(state, "profile")
    }
    assert all(versions[rebuilt, n] > versions[1, n] for n in (1, 2))
    assert refresh(state, NOW + 3 * HOUR)[0].received == 0


def test_a_customer_whose_traits_are_not_folded_yet_is_looked_at_once_they_are(two_customers):
    state = two_customers
    refresh(state, NOW)
    records(state, [{"record_no": 2, "country": "GB"}])
    customers(state, {2: [2]})
    drain(RefreshSegmentsStage(state, settings(SEGMENTS), None, lambda: NOW + 1))
    assert ("british", 2) not in inside(state)
    refresh(state, NOW + 2)
    assert ("british", 2) in inside(state)


def test_the_feed_tells_who_entered_and_left_when_and_why(two_customers):
    state = two_customers
    created = event(state, "create", 1)
    refresh(state, NOW)
    assert feed(state) == [
        ("entered", "british", 1, NOW, "identity", created),
        ("entered", "unseen", 1, NOW, "identity", created),
        ("entered", "unseen", 2, NOW, "record", 2),
    ]
    interactions(state, [page(NOW, 1), page(NOW - 10 * MINUTE, 1)])
    records(state, [{"record_no": 2, "country": "GB"}])
    customers(state, {2: [2]})
    refresh(state, NOW + 5)
    assert feed(state, since=3) == [
        ("entered", "british", 2, NOW + 5, "record", 2),
        ("entered", "browsing", 1, NOW + 5, "interaction", 1),
        ("left", "unseen", 1, NOW + 5, "interaction", 1),
    ]
    due = NOW - 10 * MINUTE + HOUR + MINUTE
    refresh(state, due + 7)
    assert feed(state, since=6) == [("left", "browsing", 1, due + 7, "time", due)]
    merged = event(state, "merge", 1, [2])
    customers(state, {2: [], 1: [1, 2]})
    refresh(state, due + 8)
    assert set(feed(state, since=7)) == {
        ("left", "british", 2, due + 8, "record", 2),
        ("left", "unseen", 2, due + 8, "record", 2),
    }
    refresh(state, due + 9, {"french": "country = 'FR'", "seen": "page_count_24h > 1"})
    assert merged
    assert feed(state, since=9) == [
        ("left", "british", 1, due + 9, "rules", 0),
        ("entered", "seen", 1, due + 9, "rules", 0),
    ]
    assert feed(state, since=11) == []


def test_a_merge_that_brings_somebody_in_is_told_as_its_cause(two_customers):
    state = two_customers
    interactions(state, [page(NOW, 1), page(NOW, 2)])
    refresh(state, NOW)
    before = len(feed(state))
    merged = event(state, "merge", 1, [2])
    customers(state, {2: [], 1: [1, 2]})
    refresh(state, NOW + 1)
    assert ("entered", "browsing", 1, NOW + 1, "identity", merged) in feed(state, since=before)


def test_a_rebuild_is_told_once_at_the_switch_and_only_what_it_changes(two_customers):
    state = two_customers
    refresh(state, NOW)
    before = feed(state)
    with state.writing() as conn:
        rebuilt = begin_generation(conn)
    customers(state, {1: [1, 2]}, generation=rebuilt)
    interactions(state, [page(NOW, 1), page(NOW, 2)])
    refresh(state, NOW + 1, generation=rebuilt)
    assert feed(state) == before
    with state.writing() as conn:
        carry_over(conn, 1, rebuilt, NOW + 2)
        promote_generation(conn, rebuilt, {})
    assert feed(state, since=len(before)) == [
        ("left", "unseen", 1, NOW + 2, "rebuild", rebuilt),
        ("left", "unseen", 2, NOW + 2, "rebuild", rebuilt),
        ("entered", "browsing", 1, NOW + 2, "rebuild", rebuilt),
    ]


def test_a_feed_that_dies_with_its_batch_says_nothing(two_customers, monkeypatch):
    state = two_customers
    drain(RefreshTraitsStage(state, settings(), KEY, None, lambda: NOW))

    def die(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("customer_profiles.marts.segments.move_cursor", die)
        with pytest.raises(KeyboardInterrupt):
            RefreshSegmentsStage(state, settings(SEGMENTS), None, lambda: NOW).advance(10)
    assert feed(state) == []
    refresh(state, NOW + 1)
    assert {one[:3] for one in feed(state)} == {
        ("entered", "british", 1),
        ("entered", "unseen", 1),
        ("entered", "unseen", 2),
    }


def test_between_look_and_writing_what_changed_stays_and_what_was_active_comes_again(two_customers):
    state = two_customers
    refresh(state, NOW)
    interactions(state, [page(NOW, 1), page(NOW + 1, 1), page(NOW + 1, 2)])
    drain(AccumulateStage(state, settings(SEGMENTS)))
    stage = RefreshSegmentsStage(state, settings(SEGMENTS), None, lambda: NOW + 5)
    looked = stage.look(10)
    # Customer 1 becomes another one, and customer 2 does something more.
    records(state, [{"record_no": 1, "country": "FR"}])
    customers(state, {1: [1]})
    interactions(state, [page(NOW + 2, 2)])
    drain(AccumulateStage(state, settings(SEGMENTS)))

    result = stage.write(looked)
    assert (result.received, result.applied) == (1, 1)
    assert inside(state) == {("british", 1), ("unseen", 1)}

    refresh(state, NOW + 6)
    assert inside(state) == {("browsing", 1), ("browsing", 2)}


def test_a_look_is_written_once(two_customers):
    state = two_customers
    drain(RefreshTraitsStage(state, settings(SEGMENTS), KEY, None, lambda: NOW))
    stage = RefreshSegmentsStage(state, settings(SEGMENTS), None, lambda: NOW)
    looked = stage.look(10)
    stage.write(looked)
    before = all_of(state)
    with pytest.raises(CursorMoved):
        stage.write(looked)
    assert all_of(state) == before != []
