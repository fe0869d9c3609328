"""Idle is not late, a dead reader is; the stage that holds the others up is the one that is named."""

import pytest

from customer_profiles.monitoring.freshness import (
    Freshness,
    Lag,
    Verdict,
    caught_up,
    derived_lag,
    note_watermarks,
    read_watermarks,
    reading_lag,
    verdict,
)
from customer_profiles.state.engine import State, Store

NOW = 1_764_000_000_000_000
SECOND = 1_000_000
NOTHING = dict.fromkeys(("resolve", "accumulate", "refresh_traits", "refresh_segments"), 0)


def ago(seconds: float) -> int:
    return NOW - int(seconds * SECOND)


def test_a_source_that_was_read_a_moment_ago_is_fresh_however_long_nothing_came() -> None:
    assert reading_lag("ingest_record", "crm", NOW, ago(2), None).seconds == 2


def test_a_source_that_nobody_reads_is_late_though_nothing_is_known_to_wait() -> None:
    assert reading_lag("ingest_record", "crm", NOW, ago(300), None).seconds == 300


def test_events_that_wait_in_the_inbox_count_from_when_they_were_received() -> None:
    assert reading_lag("ingest_record", "web", NOW, ago(300), ago(10)).seconds == 10
    assert reading_lag("ingest_record", "web", NOW, ago(5), ago(10)).seconds == 5


def test_a_source_that_was_never_read_to_its_end_is_in_its_first_load_and_not_late() -> None:
    lag = reading_lag("ingest_record", "crm", NOW, None, ago(500))

    assert (lag.micros, lag.seconds) == (None, 0)


def test_a_stage_without_anything_waiting_is_not_late_however_old_its_watermark() -> None:
    assert derived_lag("resolve", NOW, ago(9_000), NOTHING, None).seconds == 0


def test_a_stage_is_as_late_as_the_oldest_that_waits() -> None:
    assert derived_lag("resolve", NOW, ago(90), {**NOTHING, "resolve": 3}, ago(40)).seconds == 40


def test_what_a_source_calls_old_makes_nobody_late_from_the_moment_it_comes() -> None:
    """A nightly file with times of receipt of the day before."""
    assert derived_lag("accumulate", NOW, ago(1), {**NOTHING, "accumulate": 3}, ago(86_400)).seconds == 1


def test_a_stage_is_late_with_what_waits_before_it() -> None:
    waiting = {**NOTHING, "resolve": 3}

    assert derived_lag("refresh_segments", NOW, ago(90), waiting, None).seconds == 90
    assert derived_lag("accumulate", NOW, ago(90), waiting, None).seconds == 0
    assert caught_up(waiting) == ["accumulate"]
    assert caught_up(NOTHING) == ["resolve", "accumulate", "refresh_traits", "refresh_segments"]


def test_a_first_load_makes_no_stage_late() -> None:
    assert derived_lag("refresh_traits", NOW, None, {**NOTHING, "refresh_traits": 3}, None).micros is None


def test_of_stages_that_wait_for_one_another_the_first_is_named() -> None:
    lags = (
        Lag("ingest_record", "crm", ago(3), 0, 3 * SECOND),
        Lag("resolve", "", ago(80), 7, 79 * SECOND),
        Lag("refresh_traits", "", ago(80), 7, 80 * SECOND),
    )
    found = Freshness(NOW, lags)

    assert found.worst is not None
    assert found.worst.name == "resolve"
    assert found.seconds == 80
    assert found.watermark == ago(80)


def test_an_asset_is_not_late_for_a_stage_that_it_does_not_need() -> None:
    lags = (
        Lag("ingest_record", "crm", ago(3), 0, 3 * SECOND),
        Lag("resolve", "", ago(80), 7, 80 * SECOND),
        Lag("accumulate", "", ago(1), 0, 0),
    )
    found = Freshness(NOW, lags)

    assert found.upto("accumulate").seconds == 3
    assert found.upto("refresh_segments").seconds == 80


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (0, Verdict.WITHIN),
        (29.9, Verdict.WITHIN),
        (30, Verdict.AT_RISK),
        (59.9, Verdict.AT_RISK),
        (60, Verdict.BROKEN),
    ],
)
def test_the_sla_warns_at_half_of_it(seconds: float, told: Verdict) -> None:
    assert verdict(seconds, 60) is told


def test_watermarks_are_kept_and_follow_a_clock_that_was_set_back(state: State) -> None:
    for at in (NOW, NOW + 3_600 * SECOND, NOW + SECOND):
        with state.writing(Store.INBOX) as connection:
            note_watermarks(connection, {("ingest_record", "crm"): at, ("resolve", ""): at})

    with state.reading(Store.INBOX) as connection:
        kept = read_watermarks(connection)
    assert kept == {("ingest_record", "crm"): NOW + SECOND, ("resolve", ""): NOW + SECOND}
