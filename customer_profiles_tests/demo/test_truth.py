"""The truth knows every record once and every broken row; the sources can be read."""

import json
import sqlite3
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq

from customer_profiles.demo import DemoSummary
from customer_profiles_tests.demo import reading

REASONS = {
    "unreadable_json", "bad_encoding", "bad_date", "bad_amount", "wrong_type", "too_large", "missing_key",
}  # fmt: skip


def test_every_sound_record_is_in_the_truth_exactly_once(folder: Path, company: DemoSummary) -> None:
    known = Counter((row["source"], row["source_key"]) for row in reading.truth(folder))
    assert known == Counter(reading.record_keys(folder))
    assert Counter(source for source, _ in known) == company.records


def test_the_truth_is_about_as_many_people_as_there_are_customers_and_strangers(
    folder: Path, company: DemoSummary
) -> None:
    persons = {row["person"] for row in reading.truth(folder)}
    assert len(persons) == company.customers + company.totals["web"]["strangers"]


def test_deleted_contacts_are_the_records_that_do_not_live(folder: Path) -> None:
    dead = {row["source_key"] for row in reading.truth(folder) if not row["live"]}
    contacts = reading.sound_table(folder, "crm", "contacts")
    assert dead == {row["id"] for row in contacts if row["deleted_at"] is not None}
    assert dead


def test_every_event_belongs_to_a_record_of_the_truth(folder: Path) -> None:
    known = {(row["source"], row["source_key"]) for row in reading.truth(folder)}
    owners = {
        *(("orders", str(row["customer_id"])) for row in reading.sound_table(folder, "orders", "orders")),
        *(("email", row["Member ID"]) for row in reading.sound_csv(folder, "email", "activity/*.csv")),
        *(("email", row["Member ID"]) for row in reading.sound_csv(folder, "email", "unsubscribed-*.csv")),
        *(("social", row["author"]["handle"]) for row in reading.sound_array(folder, "social", "m*.json")),
        *(
            ("support", row["requester_id"])
            for row in reading.sound_json_lines(folder, "support", "[tc]*.jsonl")
        ),
        *(("web", row["userId"]) for row in reading.sound_json_lines(folder, "web", "consent/*.jsonl")),
    }
    assert owners <= known


def test_the_broken_rows_are_where_the_truth_says_and_broken_as_it_says(folder: Path) -> None:
    text = {
        (source, where): line
        for source in ("web", "support")
        for where, line in reading.lines(folder, source, "**/*.jsonl")
    } | {("email", where): line for where, line in reading.lines(folder, "email", "**/*.csv")}
    by_reason: Counter[str] = Counter()
    for row in reading.broken(folder):
        by_reason[row["reason"]] += 1
        line = text.get((row["source"], row["where"]))
        if line is None:
            continue
        assert miscoded(line) == (row["reason"] == "bad_encoding"), row
        if row["source"] != "email":
            assert cut_short(line) == (row["reason"] == "unreadable_json"), row
        assert (len(line) > 5_000_000) == (row["reason"] == "too_large"), row
    assert set(by_reason) == REASONS
    assert by_reason["too_large"] == 3


def test_only_broken_rows_cannot_be_read(folder: Path) -> None:
    places = reading.broken_places(folder)
    for source in ("web", "support"):
        for where, line in reading.lines(folder, source, "**/*.jsonl"):
            if miscoded(line) or cut_short(line):
                assert (source, where) in places


def test_broken_database_rows_are_broken(folder: Path) -> None:
    contacts = {row["id"]: row for row in reading.table(folder, "crm", "contacts")}
    orders = {str(row["id"]): row for row in reading.table(folder, "orders", "orders")}
    for row in reading.broken(folder):
        if row["source"] == "crm":
            contact = contacts[row["where"]]
            assert isinstance(contact["first_name"], bytes) == (row["reason"] == "bad_encoding")
            assert (len(contact["address_1"]) == 5_000_000) == (row["reason"] == "too_large")
        if row["feed"] == "orders":
            order = orders[row["where"]]
            assert (order["customer_id"] is None) == (row["reason"] == "missing_key")
            assert cut_short(order["lines"].encode()) == (row["reason"] == "unreadable_json")


def test_the_databases_are_whole(folder: Path) -> None:
    for name in ("crm", "orders"):
        with sqlite3.connect(folder / f"{name}.db") as connection:
            assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_truth_keeps_to_its_columns(folder: Path) -> None:
    assert pq.read_schema(folder / "truth" / "records.parquet").names == [
        "source",
        "source_key",
        "person",
        "live",
    ]


def miscoded(line: bytes) -> bool:
    try:
        line.decode()
    except UnicodeDecodeError:
        return True
    return False


def cut_short(line: bytes) -> bool:
    try:
        json.loads(line.decode(errors="replace"))
    except json.JSONDecodeError:
        return True
    return False
