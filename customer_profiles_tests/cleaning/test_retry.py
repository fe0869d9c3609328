"""A second chance for rows of the quarantine: by today's settings, once, and accounted for."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from customer_profiles.cleaning.quarantine import NotInQuarantine, list_rows
from customer_profiles.cleaning.retry import RetryResult, retry
from customer_profiles.state.engine import State
from customer_profiles_tests.cleaning.made import (
    CRM,
    KEYS,
    NOW,
    assert_adds_up,
    drain,
    make_contacts,
    put_contact,
    record_of,
    rows_of,
    settings_of,
    stage_of,
)

MENDED = CRM.replace('format: "%d/%m/%Y"', 'format: "%Y|%m|%d"')
LATER = NOW + 1_000_000


@pytest.fixture
def crm(tmp_path: Path) -> sqlite3.Connection:
    return make_contacts(tmp_path)


@pytest.fixture
def broken(state: State, tmp_path: Path, crm: sqlite3.Connection) -> State:
    """A state with a good row and, in the quarantine, one date that another format reads and one that none does."""
    put_contact(crm, id="1", name="Anna Lee", dob="31/12/1980", updated_at="2026-07-01")
    put_contact(crm, id="2", name="Bob Marsden", dob="1975|01|02", updated_at="2026-07-02")
    put_contact(crm, id="3", name="Cy Thornhill", dob="the ides of March", updated_at="2026-07-03")
    drain(stage_of(state, settings_of(CRM, tmp_path)))
    assert [row.reasons for row in waiting(state)] == [("bad_date:birth_date",)] * 2
    return state


def waiting(state: State):
    with state.reading() as connection:
        return list_rows(connection)


def try_again(state: State, folder: Path, text: str, numbers=None) -> RetryResult:
    return retry(state, settings_of(text, folder), KEYS, numbers, clock=lambda: LATER)


def test_nothing_changes_while_the_settings_have_not(broken: State, tmp_path: Path) -> None:
    assert try_again(broken, tmp_path, CRM) == RetryResult(retried=2, released=0, kept=2)

    assert [row.retried_at for row in waiting(broken)] == [LATER] * 2
    assert_adds_up(broken)


def test_what_a_mended_mapping_reads_is_applied_and_leaves(broken: State, tmp_path: Path) -> None:
    assert try_again(broken, tmp_path, MENDED) == RetryResult(retried=2, released=1, kept=1)

    assert record_of(broken, "2")["birth_date"] == "1975-01-02"
    (left,) = waiting(broken)
    assert left.reasons == ("bad_date:birth_date",)
    assert_adds_up(broken)


def test_a_retry_is_a_batch_of_the_ledger(broken: State, tmp_path: Path) -> None:
    try_again(broken, tmp_path, MENDED)

    batches = rows_of(
        broken, "SELECT source, received, applied, quarantined FROM ledger WHERE stage = 'retry_record'"
    )
    assert [tuple(batch) for batch in batches] == [("crm", 2, 1, 1)]


def test_only_the_rows_that_were_asked_for_are_tried(broken: State, tmp_path: Path) -> None:
    first, second = waiting(broken)

    assert try_again(broken, tmp_path, MENDED, [second.quarantine_no]).released == 0

    assert {row.quarantine_no: row.retried_at for row in waiting(broken)} == {
        first.quarantine_no: None,
        second.quarantine_no: LATER,
    }
    with pytest.raises(NotInQuarantine, match="99"):
        try_again(broken, tmp_path, MENDED, [first.quarantine_no, 99])
    assert len(waiting(broken)) == 2


def test_what_left_is_not_applied_twice(broken: State, tmp_path: Path) -> None:
    try_again(broken, tmp_path, MENDED)
    before = rows_of(broken, "SELECT * FROM record")

    assert try_again(broken, tmp_path, MENDED) == RetryResult(retried=1, released=0, kept=1)

    assert rows_of(broken, "SELECT * FROM record") == before


def test_what_the_source_sent_anew_meanwhile_is_not_overwritten(
    broken: State, tmp_path: Path, crm: sqlite3.Connection
) -> None:
    put_contact(crm, id="2", name="Bob Marsden", dob="03/02/1975", updated_at="2026-08-01")
    drain(stage_of(broken, settings_of(CRM, tmp_path)))

    try_again(broken, tmp_path, MENDED)

    assert record_of(broken, "2")["birth_date"] == "1975-02-03"
    assert_adds_up(broken)


def test_rows_of_a_feed_that_the_settings_no_longer_have_stay(broken: State, tmp_path: Path) -> None:
    without = CRM.replace("      contacts:\n", "      people:\n")

    assert try_again(broken, tmp_path, without).kept == 2

    assert len(waiting(broken)) == 2
    assert_adds_up(broken)
