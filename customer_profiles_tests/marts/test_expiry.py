"""Buckets that no window reads any more go, of records that have been quiet since, and windows read the same before and after."""

from __future__ import annotations

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from customer_profiles.marts import expiry
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.buckets import DAY, HOUR, MINUTE, SLACK, Bucket, Grain
from customer_profiles.marts.expiry import expire_buckets
from customer_profiles.marts.recount import read_buckets
from customer_profiles.marts.windows import WindowTotals, counting_of, totals, windows_of
from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import begin_generation, promote_generation
from customer_profiles_tests.marts.made import drain, interactions, settings

NOW = 1_700_000_000_000_000
GIVEN = settings(lengths=["5m", "24h", "30d", "lifetime"])
LONGER = settings(lengths=["5m", "24h", "29d", "30d", "lifetime"], properties=["category"])


def page(record_no: int, ago: int, now: int = NOW) -> dict[str, object]:
    return {"record_no": record_no, "type": "page", "channel": "web", "occurred_at": now - ago}


def kept(state: State, record_no: int) -> dict[str, int]:
    """How many buckets a record has of each grain."""
    query = "SELECT grain, count(*) FROM bucket WHERE record_no = :record_no AND generation = " + (
        "(SELECT max(generation) FROM bucket) GROUP BY grain ORDER BY grain"
    )
    with state.reading() as connection:
        return {grain: count for grain, count in connection.execute(sa.text(query), {"record_no": record_no})}


def windows(state: State, now: int = NOW, record_nos: tuple[int, ...] = (1, 2, 3)) -> list[WindowTotals]:
    with state.reading() as connection:
        rows = read_buckets(connection, state.history, 1, counting_of(GIVEN), record_nos)
    return list(totals([Bucket(row[0], Grain(row[1]), *row[2:]) for row in rows], now, windows_of(GIVEN)))


@pytest.fixture
def counted(state: State) -> State:
    """One record is active, one was quiet for two days, one for two months."""
    active = [page(1, ago) for ago in (0, HOUR, 23 * HOUR)]
    quiet = [page(2, ago) for ago in (2 * DAY, 2 * DAY + HOUR)]
    gone = [page(3, ago) for ago in (60 * DAY, 61 * DAY)]
    interactions(state, [*gone, *quiet, *active])
    drain(AccumulateStage(state, GIVEN))
    return state


def test_a_quiet_record_keeps_days_and_its_lifetime_and_windows_say_what_they_said(counted: State) -> None:
    before = windows(counted)
    assert kept(counted, 3) == {"day": 2, "hour": 2, "lifetime": 1, "minute": 2}

    assert expire_buckets(counted, GIVEN, NOW) == 6

    assert kept(counted, 1) == {"day": 2, "hour": 3, "lifetime": 1, "minute": 3}
    assert kept(counted, 2) == {"day": 1, "hour": 2, "lifetime": 1}
    assert kept(counted, 3) == {"day": 2, "lifetime": 1}
    assert windows(counted) == before


def test_the_next_pass_goes_on_where_this_one_ended(counted: State) -> None:
    expire_buckets(counted, GIVEN, NOW)
    with counted.reading() as connection:
        place = read_cursor(connection, expiry.NAME).position
    assert expire_buckets(counted, GIVEN, NOW) == 0

    with counted.reading() as connection:
        assert read_cursor(connection, expiry.NAME).position == place
    interactions(counted, [page(4, 0, NOW + 2 * DAY)])
    drain(AccumulateStage(counted, GIVEN))
    assert expire_buckets(counted, GIVEN, NOW + 2 * DAY) == 3  # the minutes of the one that was active
    assert kept(counted, 1)["hour"] == 3


def test_many_records_go_a_few_in_a_transaction(counted: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "RECORDS_AT_ONCE", 1)

    assert expire_buckets(counted, GIVEN, NOW) == 6


def test_a_clock_that_is_set_forth_costs_nothing(counted: State) -> None:
    expire_buckets(counted, GIVEN, NOW)
    before = windows(counted)

    assert expire_buckets(counted, GIVEN, NOW + 300 * DAY) == 0
    assert windows(counted) == before


def test_nothing_goes_while_records_are_counted_anew_and_what_was_written_then_goes_after_it(
    counted: State,
) -> None:
    expire_buckets(counted, GIVEN, NOW)
    assert expire_buckets(counted, LONGER, NOW) == 0

    drain(AccumulateStage(counted, LONGER))
    assert kept(counted, 3) == {"day": 2, "hour": 2, "lifetime": 1, "minute": 2}
    assert expire_buckets(counted, LONGER, NOW) == 6


def test_a_rebuilt_generation_is_gone_through_anew(counted: State) -> None:
    expire_buckets(counted, GIVEN, NOW)
    with counted.writing() as connection:
        rebuilt = begin_generation(connection)
    drain(AccumulateStage(counted, GIVEN, rebuilt))
    with counted.writing() as connection:
        promote_generation(connection, rebuilt, {})

    assert expire_buckets(counted, GIVEN, NOW) == 6


@pytest.mark.slow
def test_windows_read_the_same_whenever_buckets_went(state_factory) -> None:  # type: ignore[no-untyped-def]
    ages = st.one_of(
        st.integers(0, 10 * MINUTE), st.integers(22 * HOUR, 26 * HOUR), st.integers(29 * DAY, 32 * DAY)
    )
    batches = st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(1, 3), ages), max_size=6),
            st.sampled_from([0, 10 * MINUTE, 5 * HOUR, 26 * HOUR, 20 * DAY]),
            st.booleans(),
        ),
        min_size=1,
        max_size=6,
    )

    @hypothesis_settings(max_examples=40)
    @given(batches, st.sampled_from([0, 4 * MINUTE, HOUR, 3 * DAY]))
    def hold(given_batches, back) -> None:  # type: ignore[no-untyped-def]
        pruned, whole = state_factory("sqlcipher"), state_factory("sqlcipher")
        now = NOW
        for happened, passed, prune in given_batches:
            now += passed
            for state in (pruned, whole):
                interactions(state, [page(record_no, ago, now) for record_no, ago in happened])
                drain(AccumulateStage(state, GIVEN))
            if prune:
                expire_buckets(pruned, GIVEN, now)
            # Also for a reader whose clock is a little behind.
            for at in (now, now - min(back, SLACK[Grain.MINUTE])):
                assert windows(pruned, at) == windows(whole, at)
        pruned.close()
        whole.close()

    hold()
