"""Records from a database: versions, deletions, returns, and the log that identity reads."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_profiles.state.engine import State
from customer_profiles_tests.cleaning.made import (
    CRM,
    NOW,
    SNAPSHOT,
    assert_adds_up,
    drain,
    identifiers_of,
    make_contacts,
    put_contact,
    record_of,
    rows_of,
    settings_of,
    stage_of,
)


def test_a_row_becomes_a_clean_record_with_its_identifiers(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    put_contact(
        crm, id="7", name="DR. ANNA LEE", email=" Anna@Shop.example", email_2="anna@home.example", phone="07810 123456",
        dob="31/12/1980", postcode="sw1a1aa", country="UK", web_id="w7", opt_in="Y", tier="gold", secret="never read",
        updated_at="2026-07-01 12:00:00",
    )  # fmt: skip
    result = drain(stage_of(state, settings_of(CRM, tmp_path)))
    assert (result.received, result.applied) == (1, 1)
    record = record_of(state, "7")
    assert record["full_name"] == "Anna Lee"
    assert record["emails"] == ["anna@shop.example", "anna@home.example"]
    assert record["phones"] == ["+447810123456"]
    assert record["birth_date"] == "1980-12-31"
    assert (record["postcode"], record["country"]) == ("SW1A 1AA", "GB")
    assert record["extra"] == {"tier": "gold"}
    assert record["updated_at"] == record["source_version"] == 1_782_903_600_000_000
    assert record["raw"]["name"] == "DR. ANNA LEE"
    assert (record["record_no"], record["change_no"], record["received_at"]) == (1, 1, NOW)
    assert identifiers_of(state, "7") == {
        ("email", "anna@shop.example"),
        ("email", "anna@home.example"),
        ("phone", "+447810123456"),
        ("user_id", "w7"),
    }


def test_what_is_not_mapped_is_not_read(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    put_contact(crm, id="7", name="Anna Lee", secret="hidden word", updated_at="2026-07-01")
    drain(stage_of(state, settings_of(CRM, tmp_path)))
    assert "secret" not in record_of(state, "7")["raw"]
    assert "hidden word" not in str(rows_of(state, "SELECT * FROM record"))


def test_an_email_or_phone_that_cannot_be_is_dropped_with_a_note_and_the_record_stays(
    state: State, tmp_path: Path
) -> None:
    crm = make_contacts(tmp_path)
    put_contact(crm, id="7", name="Anna", email="anna(at)shop", phone="0123", updated_at="2026-07-01")
    result = drain(stage_of(state, settings_of(CRM, tmp_path)))
    record = record_of(state, "7")
    assert (result.applied, result.quarantined) == (1, 0)
    assert (record["emails"], record["phones"]) == (None, None)
    assert record["notes"] == ["bad_email:emails", "bad_phone:phones"]
    assert (record["raw"]["email"], record["raw"]["phone"]) == ("anna(at)shop", "0123")
    assert result.facts == {"dropped_bad_email_of_emails": 1, "dropped_bad_phone_of_phones": 1}


def test_running_twice_changes_nothing(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    for number in range(25):
        put_contact(crm, id=str(number), name="Anna", updated_at="2026-07-01 12:00:00")
    settings = settings_of(CRM, tmp_path)
    drain(stage_of(state, settings), limit=7)
    before = rows_of(state, "SELECT * FROM record"), rows_of(state, "SELECT * FROM ledger")
    again = drain(stage_of(state, settings), limit=7)
    assert again.received == 0
    assert again.watermark == NOW
    assert (rows_of(state, "SELECT * FROM record"), rows_of(state, "SELECT * FROM ledger")) == before


def test_only_what_changed_is_read_again_and_a_removed_identifier_goes(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(CRM, tmp_path)
    for key in ("1", "2"):
        put_contact(crm, id=key, name="Anna", email=f"{key}@a.example", web_id="w", updated_at="2026-07-01")
    drain(stage_of(state, settings))
    put_contact(crm, id="2", name="Anna", email="new@a.example", web_id="w", updated_at="2026-07-02")
    result = drain(stage_of(state, settings))
    assert (result.received, result.applied) == (1, 1)
    assert identifiers_of(state, "2") == {("email", "new@a.example"), ("user_id", "w")}
    assert identifiers_of(state, "1") == {("email", "1@a.example"), ("user_id", "w")}


def test_an_older_version_that_comes_late_changes_nothing(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(SNAPSHOT, tmp_path)
    put_contact(crm, id="1", name="New", updated_at="2026-07-02")
    drain(stage_of(state, settings))
    put_contact(crm, id="1", name="Old", updated_at="2026-07-01")
    result = drain(stage_of(state, settings))
    assert (result.duplicate, result.applied) == (1, 0)
    assert record_of(state, "1")["full_name"] == "New"


def test_a_clock_that_ran_ahead_does_not_shut_out_later_versions(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(SNAPSHOT, tmp_path)
    put_contact(crm, id="1", name="Ahead", updated_at="2099-01-01")
    drain(stage_of(state, settings))
    put_contact(crm, id="1", name="Mended", updated_at="2026-11-05")
    drain(stage_of(state, settings, now=NOW + 10**12))
    assert record_of(state, "1")["full_name"] == "Mended"


def test_a_deletion_leaves_a_tombstone_without_personal_data(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(CRM, tmp_path)
    put_contact(crm, id="1", name="Anna", email="a@a.example", updated_at="2026-07-01")
    drain(stage_of(state, settings))
    put_contact(
        crm, id="1", name="Anna", email="a@a.example", updated_at="2026-07-02", deleted_at="2026-07-02"
    )
    result = drain(stage_of(state, settings))
    record = record_of(state, "1")
    assert result.applied == 1
    assert record["deleted_at"] is not None
    assert record["change_no"] == 2
    assert (record["full_name"], record["emails"], record["raw"]) == (None, None, None)
    assert identifiers_of(state, "1") == set()


def test_an_old_delivery_of_a_deleted_record_stays_dead_and_a_new_one_brings_it_back(
    state: State, tmp_path: Path
) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(CRM, tmp_path)
    put_contact(crm, id="1", name="Anna", updated_at="2026-07-01")
    put_contact(crm, id="2", name="Anna", updated_at="2026-07-03", deleted_at="2026-07-03")
    drain(stage_of(state, settings))
    assert record_of(state, "2")["deleted_at"] is not None
    changed = settings_of(
        CRM.replace("          postcode: postcode\n", ""), tmp_path
    )  # reads all of it again
    put_contact(crm, id="2", name="Anna", updated_at="2026-07-02")
    assert drain(stage_of(state, changed)).duplicate == 1
    assert record_of(state, "2")["deleted_at"] is not None
    put_contact(crm, id="2", name="Anna", updated_at="2026-07-04")
    assert drain(stage_of(state, changed)).applied == 1
    assert record_of(state, "2")["deleted_at"] is None
    assert record_of(state, "2")["full_name"] == "Anna"


def test_rows_gone_from_a_snapshot_are_deletions_and_may_return(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(SNAPSHOT, tmp_path)
    for number in range(10):
        put_contact(crm, id=str(number), name="Anna", email=f"{number}@a.example", updated_at="2026-07-01")
    drain(stage_of(state, settings), limit=3)
    crm.execute("DELETE FROM contacts WHERE id IN ('3', '4')")
    result = drain(stage_of(state, settings), limit=3)
    assert (result.unchanged, result.applied, result.facts["vanished"]) == (8, 2, 2)
    assert rows_of(state, "SELECT source_key FROM record WHERE deleted_at IS NOT NULL ORDER BY 1") == [
        "3",
        "4",
    ]
    assert drain(stage_of(state, settings), limit=3).applied == 0
    put_contact(crm, id="3", name="Anna", email="3@a.example", updated_at="2026-07-01")
    assert drain(stage_of(state, settings), limit=3).applied == 1
    assert identifiers_of(state, "3") == {("email", "3@a.example")}
    assert_adds_up(state)


def test_a_row_that_broke_was_not_deleted(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(SNAPSHOT, tmp_path)
    put_contact(crm, id="1", name="Anna", dob="31/12/1980", updated_at="2026-07-01")
    drain(stage_of(state, settings))
    put_contact(crm, id="1", name="Anna", dob="31/02/1980", updated_at="2026-07-02")
    result = drain(stage_of(state, settings))
    assert (result.quarantined, result.applied) == (1, 0)
    assert record_of(state, "1")["deleted_at"] is None


def test_each_version_that_is_overwritten_is_kept_for_identity(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(CRM, tmp_path)
    for day, name in enumerate(("First", "Second", "Third"), 1):
        put_contact(crm, id="1", name=name, updated_at=f"2026-07-0{day}")
        drain(stage_of(state, settings))
    kept = rows_of(state, "SELECT change_no, record_no, body FROM superseded_record ORDER BY change_no")
    assert [(change_no, record_no) for change_no, record_no, _ in kept] == [(1, 1), (2, 1)]
    assert ['"full_name":"First"' in kept[0][2], '"full_name":"Second"' in kept[1][2]] == [True, True]
    assert record_of(state, "1")["change_no"] == 3


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 100])
def test_equal_cursors_at_the_edge_of_a_page_are_never_skipped(
    state: State, tmp_path: Path, limit: int
) -> None:
    crm = make_contacts(tmp_path)
    for number in range(20):
        put_contact(crm, id=f"{number:02}", name="Anna", updated_at=f"2026-07-0{1 + number // 8}")
    put_contact(crm, id="99", name="Without a time")
    result = drain(stage_of(state, settings_of(CRM, tmp_path)), limit)
    assert result.applied == 21
    assert rows_of(state, "SELECT count(*) FROM record") == [21]


def test_a_choice_of_consent_reaches_the_ledger_once_and_again_when_it_changes(
    state: State, tmp_path: Path
) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(CRM, tmp_path)
    query = "SELECT record_no, purpose, choice, stated_at FROM consent_statement ORDER BY statement_no"
    put_contact(crm, id="1", name="Anna", opt_in="Y", updated_at="2026-07-01T00:00:00Z")
    drain(stage_of(state, settings))
    put_contact(crm, id="1", name="Anna L", opt_in="Y", updated_at="2026-07-02T00:00:00Z")
    drain(stage_of(state, settings))
    assert rows_of(state, query) == [(1, "marketing", "granted", 1_782_864_000_000_000)]
    put_contact(crm, id="1", name="Anna L", opt_in="N", updated_at="2026-07-03T00:00:00Z")
    drain(stage_of(state, settings))
    assert rows_of(state, query)[1:] == [(1, "marketing", "refused", 1_783_036_800_000_000)]


def test_a_choice_that_is_none_of_those_there_are_is_refused(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(CRM.replace("{column: opt_in, map: {Y: granted, N: refused}}", "opt_in"), tmp_path)
    put_contact(crm, id="1", name="Anna", opt_in="perhaps", updated_at="2026-07-01")
    assert drain(stage_of(state, settings)).quarantined == 1
    assert rows_of(state, "SELECT * FROM consent_statement") == []


TWO_FEEDS = """
sources:
  crm:
    connector: {type: database, url: "sqlite:///crm.db"}
    feeds:
      people:
        contract: record
        table: contacts
        key: id
        cursor: updated_at
        fields: {source_key: id, full_name: name, emails: email, updated_at: updated_at, deleted_at: deleted_at}
      addresses:
        contract: record
        table: addresses
        key: id
        cursor: changed
        fields: {source_key: contact, postcode: postcode, emails: billing, updated_at: changed}
"""


def test_a_version_between_two_deletions_does_not_come_to_life(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    settings = settings_of(SNAPSHOT, tmp_path)
    for updated_at, deleted_at in (
        ("2026-07-04", "2026-07-04"),
        ("2026-07-09", "2026-07-09"),
        ("2026-07-07", None),
    ):
        put_contact(crm, id="1", name="Anna", updated_at=updated_at, deleted_at=deleted_at)
        drain(stage_of(state, settings))

    assert record_of(state, "1")["deleted_at"] is not None


def test_several_feeds_tell_parts_of_one_record(state: State, tmp_path: Path) -> None:
    crm = make_contacts(tmp_path)
    crm.execute(
        "CREATE TABLE addresses (id INTEGER PRIMARY KEY, contact TEXT, postcode TEXT, billing TEXT, changed TEXT)"
    )
    settings = settings_of(TWO_FEEDS, tmp_path)
    crm.execute("INSERT INTO addresses VALUES (1, '7', 'M1 1AE', 'bills@a.example', '2026-07-05')")
    drain(stage_of(state, settings))
    put_contact(crm, id="7", name="Anna", email="anna@a.example", updated_at="2026-07-01")
    drain(stage_of(state, settings))
    record = record_of(state, "7")
    assert (record["full_name"], record["postcode"]) == ("Anna", "M1 1AE")
    assert record["emails"] == ["bills@a.example", "anna@a.example"]
    put_contact(crm, id="7", name="Anna B", email="anna@a.example", updated_at="2026-07-02")
    drain(stage_of(state, settings))
    assert record_of(state, "7")["full_name"] == "Anna B"
    put_contact(crm, id="7", updated_at="2026-07-06", deleted_at="2026-07-06")
    drain(stage_of(state, settings))
    record = record_of(state, "7")
    assert (record["full_name"], record["postcode"], record["deleted_at"]) == (None, "M1 1AE", None)


HISTORY = st.lists(
    st.tuples(
        st.sampled_from("ab"),
        st.integers(1, 9),
        st.sampled_from(["Anna", "Berta", None]),
        st.sampled_from(["x@a.example", "y@a.example", None]),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda row: (row[0], row[1]),
)


@settings(max_examples=25)
@given(HISTORY, st.randoms(), st.integers(1, 5))
def test_the_highest_version_stands_whatever_the_order_and_the_batches(
    state_factory: object, tmp_path_factory: pytest.TempPathFactory, history: list[tuple[str, int, str | None, str | None]],
    chance: object, limit: int,
) -> None:  # fmt: skip
    folder = tmp_path_factory.mktemp("history")
    crm = make_contacts(folder)
    crm.execute(
        "CREATE TABLE log (no INTEGER PRIMARY KEY, id TEXT, name TEXT, email TEXT, at TEXT, gone TEXT)"
    )
    shuffled = list(history)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    for number, (key, version, name, email) in enumerate(shuffled):
        at = f"2026-07-0{version}"
        crm.execute(
            "INSERT INTO log VALUES (?, ?, ?, ?, ?, ?)",
            (number, key, name, email, at, at if name is None else None),
        )
    text = """
sources:
  crm:
    connector: {type: database, url: "sqlite:///crm.db"}
    feeds:
      log:
        contract: record
        table: log
        cursor: no
        fields: {source_key: id, full_name: name, emails: email, updated_at: at, deleted_at: gone}
"""
    state = state_factory("sqlcipher")  # type: ignore[operator]
    drain(stage_of(state, settings_of(text, folder)), limit)
    for key in {row[0] for row in history}:
        newest = max((row for row in history if row[0] == key), key=lambda row: row[1])
        record = record_of(state, key)
        assert (record["deleted_at"] is None) == (newest[2] is not None)
        assert record["full_name"] == newest[2]
        emails = {("email", newest[3])} if newest[2] and newest[3] else set()
        assert identifiers_of(state, key) == emails
    numbers = rows_of(state, "SELECT change_no FROM record UNION ALL SELECT change_no FROM superseded_record")
    assert sorted(numbers) == list(range(1, len(numbers) + 1))
    assert_adds_up(state)
    state.close()
