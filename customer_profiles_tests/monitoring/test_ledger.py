"""Everything received is accounted for, batch by batch and in total; what is not is told by number."""

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.monitoring.ledger import (
    StageResult,
    add_up_old_batches,
    ledger_check,
    record_batch,
    stretches,
    total_of,
)
from customer_profiles.monitoring.tables import TERMS
from customer_profiles.state.engine import State
from customer_profiles_tests.cleaning.made import NOW, rows_of

GOOD = StageResult(
    "ingest_record",
    "crm",
    received=21,
    applied=1,
    unchanged=2,
    duplicate=3,
    quarantined=4,
    suppressed=5,
    declined=6,
)
SHORT = replace(GOOD, received=22)
counts = st.integers(0, 1_000)
results = st.builds(
    StageResult, st.just("ingest_record"), **dict.fromkeys(("received", *TERMS), counts), seconds=counts
)


def record(state: State, *batches: StageResult) -> list[int]:
    numbers = []
    for batch in batches:
        with state.writing() as connection:
            numbers.append(record_batch(connection, batch, NOW))
    return numbers


def test_a_batch_is_written_as_it_was_and_numbered(state: State) -> None:
    told = replace(GOOD, watermark=NOW, seconds=0.5, facts={"vanished": 2})

    assert record(state, told, told) == [1, 2]
    assert (
        rows_of(
            state,
            "SELECT stage, source, received, declined, watermark, seconds, committed_at, facts FROM ledger",
        )
        == [("ingest_record", "crm", 21, 6, NOW, 0.5, NOW, '{"vanished":2}')] * 2
    )


def test_an_empty_ledger_adds_up(state: State) -> None:
    with state.reading() as connection:
        check = ledger_check(connection)

    assert (check.adds_up, check.batches, check.totals["received"]) == (True, 0, 0)


def test_batches_that_add_up_are_a_ledger_that_does(state: State) -> None:
    record(state, GOOD, replace(GOOD, source="web"), GOOD)

    with state.reading() as connection:
        check = ledger_check(connection)

    assert (check.adds_up, check.batches) == (True, 3)
    assert check.totals == {"received": 63, "applied": 3, "unchanged": 6, "duplicate": 9, "quarantined": 12,
                            "suppressed": 15, "declined": 18}  # fmt: skip


@pytest.mark.parametrize("term", ["received", *TERMS])
def test_a_batch_in_which_any_one_term_is_wrong_is_told_by_its_number(state: State, term: str) -> None:
    wrong = replace(GOOD, **{term: getattr(GOOD, term) + 1})
    record(state, GOOD, wrong, GOOD)

    with state.reading() as connection:
        check = ledger_check(connection)

    assert (check.adds_up, check.wrong_batches, wrong.adds_up) == (False, (2,), False)


def test_two_wrong_batches_that_make_up_for_each_other_do_not_add_up(state: State) -> None:
    record(state, SHORT, replace(GOOD, received=20))

    with state.reading() as connection:
        check = ledger_check(connection)

    assert check.totals["received"] == sum(check.totals[term] for term in TERMS)
    assert (check.adds_up, check.wrong_batches) == (False, (1, 2))


def test_a_check_of_one_stage_and_source_looks_at_no_other(state: State) -> None:
    record(state, SHORT, replace(GOOD, source="web"), replace(GOOD, stage="ingest_interaction"))

    with state.reading() as connection:
        assert ledger_check(connection, source="web").adds_up
        assert ledger_check(connection, stage="ingest_interaction").adds_up
        assert ledger_check(connection, "ingest_record", "web").batches == 1
        assert not ledger_check(connection, "ingest_record", "crm").adds_up


def test_a_batch_that_was_not_committed_leaves_no_row_and_no_gap(state: State) -> None:
    with suppress(InterruptedError), state.writing() as connection:
        record_batch(connection, GOOD)
        raise InterruptedError

    assert record(state, GOOD) == [1]


@given(st.lists(results, min_size=1))
def test_calls_of_a_stage_add_up_as_the_calls_do(calls: list[StageResult]) -> None:
    total = total_of(calls)

    assert total is not None
    for name in ("received", *TERMS, "seconds"):
        assert getattr(total, name) == sum(getattr(call, name) for call in calls)


def test_calls_as_one_keep_the_last_watermark_numbers_added_and_all_that_was_told() -> None:
    first = replace(
        GOOD, more=True, watermark=5, facts={"vanished": 1, "notes": "a is read again.", "whole": True}
    )
    second = replace(GOOD, watermark=None, facts={"vanished": 2, "notes": "b is read again.", "whole": False})

    total = total_of([first, second, replace(second, facts={"notes": "a is read again."})])

    assert total is not None
    assert (total.watermark, total.more) == (5, False)
    assert total.facts == {"vanished": 3, "notes": "a is read again. b is read again.", "whole": False}


def test_no_call_is_no_result() -> None:
    assert total_of([]) is None


def test_a_stretch_of_the_ledger_adds_up_the_batches_of_each_stage_and_source(state: State) -> None:
    with state.writing() as connection:
        first = record_batch(connection, StageResult("ingest_record", "crm", received=9, applied=9))
        record_batch(
            connection, StageResult("ingest_record", "crm", received=3, applied=2, unchanged=1, watermark=7)
        )
        record_batch(connection, StageResult("ingest_record", "web", received=2, applied=1))
        last = record_batch(
            connection, StageResult("ingest_record", "crm", received=1, applied=1, seconds=0.5)
        )
        record_batch(connection, StageResult("resolve", received=4, applied=4))

    with state.reading() as connection:
        crm, web = stretches(connection, first, last)

    total = StageResult("ingest_record", "crm", received=4, applied=3, unchanged=1, watermark=7, seconds=0.5)
    assert (crm.total, crm.batches, crm.wrong) == (total, 2, 0)
    assert (web.total.received, web.batches, web.wrong) == (2, 1, 1)


def add_up(state: State, before: int, upto: int | None = None, limit: int = 1_000) -> int:
    with state.writing() as connection:
        return add_up_old_batches(connection, before, upto, limit)


def test_old_batches_are_added_up_and_no_total_changes(state: State) -> None:
    resolved = StageResult("resolve", received=5, applied=2, unchanged=3, seconds=0.5)
    record(state, GOOD, resolved, GOOD, resolved, GOOD)
    chosen: list[tuple[str | None, str | None]] = [(None, None), ("resolve", None), ("ingest_record", "crm")]
    with state.reading() as connection:
        before = [ledger_check(connection, *one) for one in chosen]

    assert add_up(state, NOW) == 0  # none is older than that
    assert [add_up(state, NOW + 1, limit=2) for _ in range(4)] == [2, 2, 1, 0]

    with state.reading() as connection:
        assert [ledger_check(connection, *one) for one in chosen] == before
    assert rows_of(state, "SELECT count(*) FROM ledger") == [0]
    assert rows_of(state, "SELECT stage, batches, seconds FROM ledger_total ORDER BY stage") == [
        ("ingest_record", 3, 0.0),
        ("resolve", 2, 1.0),
    ]
    assert record(state, GOOD) == [6]  # no number comes twice


def test_a_batch_that_does_not_add_up_stays_however_old(state: State) -> None:
    record(state, GOOD, SHORT, GOOD)

    assert add_up(state, NOW + 1) == 2

    with state.reading() as connection:
        check = ledger_check(connection)
    assert (check.batches, check.wrong_batches, check.totals["received"]) == (3, (2,), 64)


def test_batches_that_nobody_was_told_of_stay(state: State) -> None:
    record(state, GOOD, GOOD, GOOD)

    assert add_up(state, NOW + 1, upto=2) == 2
    assert rows_of(state, "SELECT batch_no FROM ledger") == [3]
