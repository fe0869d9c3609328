"""A row that nothing foresees goes to the quarantine alone: those before it and behind it come through."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.cleaning.poison import is_poison
from customer_profiles.cleaning.retry import RetryResult, retry
from customer_profiles.cleaning.rows import RowCleaner
from customer_profiles.sources.errors import SourceError
from customer_profiles.state.engine import State
from customer_profiles.state.errors import CursorMoved, StateBusyError
from customer_profiles_tests.cleaning.made import (
    CRM,
    KEYS,
    NOW,
    assert_adds_up,
    drain,
    make_contacts,
    put_contact,
    quarantined,
    rows_of,
    settings_of,
    stage_of,
)

MENDED = CRM.replace('format: "%d/%m/%Y"', 'format: "%Y|%m|%d"')
POISON = {"17", "18", "40"}


@pytest.fixture
def crm(tmp_path: Path) -> sqlite3.Connection:
    connection = make_contacts(tmp_path)
    for number in range(60):
        put_contact(connection, id=f"{number}", name=f"Person {number}", updated_at="2026-07-01")
    return connection


def poison_the_database(state: State) -> None:
    """Let the database itself refuse some records, as for a value that a type of its own cannot hold."""
    with state.writing() as connection:
        keys = ", ".join(f"'{key}'" for key in sorted(POISON))
        if state.dialect == "postgresql":
            rule = f"ALTER TABLE record ADD CONSTRAINT no_poison CHECK (source_key NOT IN ({keys}))"
        else:
            rule = (
                f"CREATE TRIGGER no_poison BEFORE INSERT ON record WHEN NEW.source_key IN ({keys}) "
                "BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
        connection.exec_driver_sql(rule)


def cure_the_database(state: State) -> None:
    with state.writing() as connection:
        postgres = "ALTER TABLE record DROP CONSTRAINT no_poison"
        connection.exec_driver_sql(postgres if state.dialect == "postgresql" else "DROP TRIGGER no_poison")


@pytest.mark.parametrize("limit", [1, 7, 5_000])
def test_what_the_database_cannot_take_waits_alone_and_the_rest_comes_through(
    state: State, tmp_path: Path, crm: sqlite3.Connection, limit: int
) -> None:
    poison_the_database(state)

    total = drain(stage_of(state, settings_of(CRM, tmp_path)), limit)

    assert (total.received, total.applied, total.quarantined) == (60, 57, 3)
    assert quarantined(state) == dict.fromkeys(POISON, ("fault",))
    assert_adds_up(state)

    cure_the_database(state)
    assert retry(state, settings_of(CRM, tmp_path), KEYS, clock=lambda: NOW) == RetryResult(3, 3, 0)
    assert rows_of(state, "SELECT count(*) FROM record") == [60]


def test_what_this_program_fails_at_waits_alone_and_its_values_stay_out_of_the_log(
    state: State,
    tmp_path: Path,
    crm: sqlite3.Connection,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    clean = RowCleaner.clean

    def faulty(self: RowCleaner, payload: Any, received_at: int) -> Any:
        if payload["id"] in POISON:
            raise KeyError(payload["name"])
        return clean(self, payload, received_at)

    monkeypatch.setattr(RowCleaner, "clean", faulty)

    total = drain(stage_of(state, settings_of(CRM, tmp_path)))

    assert (total.applied, total.quarantined) == (57, 3)
    assert caplog.text.count("KeyError: a row of crm goes to the quarantine") == 3
    assert "Person" not in caplog.text
    assert retry(state, settings_of(CRM, tmp_path), KEYS, clock=lambda: NOW) == RetryResult(3, 0, 3)


def test_a_retry_lets_the_others_leave(state: State, tmp_path: Path, crm: sqlite3.Connection) -> None:
    for number in range(60):
        put_contact(crm, id=f"{number}", name=f"Person {number}", dob="1975|01|02", updated_at="2026-07-02")
    drain(stage_of(state, settings_of(CRM, tmp_path)))
    poison_the_database(state)

    assert retry(state, settings_of(MENDED, tmp_path), KEYS, clock=lambda: NOW) == RetryResult(60, 57, 3)
    assert set(quarantined(state).values()) == {("fault",)}
    assert_adds_up(state)


@pytest.mark.parametrize(
    "passing",
    [
        SourceError("The source is away."),
        StateBusyError("Busy."),
        CursorMoved("Moved."),
        sa.exc.OperationalError("", None, Exception("disk full")),
        sa.exc.InterfaceError("", None, Exception("connection closed")),
        sa.exc.ProgrammingError("", None, Exception("no such table")),
        OSError("No space left on device"),
        MemoryError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_passes_by_itself_is_no_rows_fault(passing: Exception) -> None:
    assert not is_poison(passing)
