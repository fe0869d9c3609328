"""Tables are read page by page, each row once, in memory that does not follow their size."""

import sqlite3
import tracemalloc
from datetime import datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles_tests.sources.conftest import Company
from customer_profiles_tests.sources.reading import (
    PEOPLE,
    SNAPSHOT,
    database_reader,
    notes,
    payloads,
    places,
    read_all,
)

MAY = datetime(2026, 5, 1, 12, 0, 0, 123456)


def somebody(number: int, changed_at: datetime | None = MAY, name: str = "Ann") -> dict[str, object]:
    return {"id": f"{number:03}", "name": name, "secret": "of no feed", "changed_at": changed_at}


@pytest.mark.parametrize("limit", [1, 3, 4, 100])
def test_rows_with_equal_cursors_or_none_are_each_read_once_whatever_the_page(
    company: Company, limit: int
) -> None:
    company.put(*(somebody(number, MAY + timedelta(days=number // 5)) for number in range(12)))
    company.put(*(somebody(number, None) for number in range(50, 54)))

    batches, _ = read_all(database_reader(company.url), limit=limit)

    assert places(batches) == ["050", "051", "052", "053", *(f"{number:03}" for number in range(12))]


def test_only_what_changed_is_read_the_next_time_and_rows_without_a_cursor_each_time(
    company: Company,
) -> None:
    company.put(*(somebody(number, MAY + timedelta(days=number)) for number in range(5)), somebody(9, None))
    _, left = read_all(database_reader(company.url), limit=2)
    company.run(
        "UPDATE people SET name = 'Bo', changed_at = :now WHERE id = '001'", now=str(MAY.replace(month=6))
    )
    company.put(somebody(7, MAY.replace(month=7)))

    batches, left = read_all(database_reader(company.url), left, limit=2)

    assert places(batches) == ["009", "001", "007"]
    assert places(read_all(database_reader(company.url), left)[0]) == ["009"]


def test_a_row_that_comes_with_the_cursor_read_last_is_not_lost_when_its_key_follows(
    company: Company,
) -> None:
    company.put(somebody(1), somebody(2))
    _, left = read_all(database_reader(company.url))
    company.put(somebody(3))

    assert places(read_all(database_reader(company.url), left)[0]) == ["003"]


def test_only_mapped_columns_are_read(company: Company) -> None:
    company.put(somebody(1))

    ((payload,),) = [payloads(read_all(database_reader(company.url))[0])]

    assert set(payload) == {"id", "name", "changed_at"}


def test_a_snapshot_is_the_whole_table_each_time_with_a_number(company: Company) -> None:
    company.put(*(somebody(number, None) for number in range(4)))
    first, left = read_all(database_reader(company.url, SNAPSHOT), limit=2)
    company.run("DELETE FROM people WHERE id = '002'")

    second, _ = read_all(database_reader(company.url, SNAPSHOT), left, limit=2)

    assert places(first) == ["000", "001", "002", "003"]
    assert places(second) == ["000", "001", "003"]
    assert ({batch.snapshot for batch in first}, {batch.snapshot for batch in second}) == ({1}, {2})


def test_a_snapshot_that_was_interrupted_goes_on_behind_its_last_page(company: Company) -> None:
    company.put(*(somebody(number) for number in range(5)))
    begun = database_reader(company.url, SNAPSHOT).read("people", {}, 2)

    rest, _ = read_all(database_reader(company.url, SNAPSHOT), begun.position, limit=2)

    assert (places([begun]), places(rest)) == (["000", "001"], ["002", "003", "004"])
    assert {batch.snapshot for batch in (begun, *rest)} == {1}


@pytest.mark.parametrize("limit", [1, 2, 5])
def test_a_key_of_several_columns_names_rows_by_all_of_them(company: Company, limit: int) -> None:
    company.run("CREATE TABLE seats (house TEXT, seat INTEGER, name TEXT, PRIMARY KEY (house, seat))")
    for house in ("a", "b"):
        for seat in (1, 2, 10):
            company.run("INSERT INTO seats VALUES (:house, :seat, 'Ann')", house=house, seat=seat)
    text = SNAPSHOT.replace("table: people", "table: seats").replace("        key: id\n", "")
    text = text.replace("source_key: id", "source_key: seat").replace(", updated_at: changed_at", "")

    batches, _ = read_all(database_reader(company.url, text), limit=limit)

    assert places(batches) == ["a,1", "a,2", "a,10", "b,1", "b,2", "b,10"]


def test_only_rows_that_are_asked_for_are_read(company: Company) -> None:
    company.put(somebody(1, name="Ann"), somebody(2, name="Bo"), somebody(3, name="Cy"))
    text = PEOPLE.replace("        fields", "        where: {name: [Ann, Cy]}\n        fields")

    assert places(read_all(database_reader(company.url, text))[0]) == ["001", "003"]


@pytest.mark.parametrize("text", [PEOPLE, SNAPSHOT], ids=["incremental", "snapshot"])
def test_a_changed_mapping_says_that_the_table_is_read_again_and_does_it_once(
    company: Company, text: str
) -> None:
    company.put(*(somebody(number, MAY + timedelta(days=number)) for number in range(5)))
    _, left = read_all(database_reader(company.url, text))
    changed = text.replace("full_name: name", "given_name: name")

    again, left = read_all(database_reader(company.url, changed), left, limit=2)
    after, _ = read_all(database_reader(company.url, changed), left, limit=2)

    assert places(again) == ["000", "001", "002", "003", "004"]
    assert notes(again) == ["shop.people: its settings changed, so its whole table is read again."]
    assert all(batch.again for batch in again)
    assert not notes(after) and not any(batch.again for batch in after)


def test_a_changed_mapping_in_the_middle_of_a_table_begins_it_anew(company: Company) -> None:
    company.put(*(somebody(number, MAY + timedelta(days=number)) for number in range(5)))
    begun = database_reader(company.url).read("people", {}, 3)
    changed = PEOPLE.replace("full_name: name", "given_name: name")

    again, _ = read_all(database_reader(company.url, changed), begun.position)

    assert places(again) == ["000", "001", "002", "003", "004"]


def test_a_page_is_all_that_is_ever_in_memory(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT, changed_at INTEGER)")
        rows = ((f"{number:05}", f"{number:05}" * 2_000, number // 7) for number in range(2_000))
        connection.executemany("INSERT INTO people VALUES (?, ?, ?)", rows)
    reader = database_reader(f"sqlite:///{tmp_path}/shop.db")
    reader.read("people", {}, 1)
    seen, position, complete = 0, {}, False

    tracemalloc.start()
    while not complete:
        batch = reader.read("people", position, 20)
        seen, position, complete = seen + len(batch.envelopes), batch.position, batch.complete
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seen == 2_000
    assert most < 2_000_000  # the table is ten times that


@pytest.mark.parametrize(
    ("kind", "values"),
    [
        ("timestamptz", [f"'2026-05-01 12:00:00.00000{number}+02'" for number in range(5)]),
        ("date", [f"'2026-05-0{number + 1}'" for number in range(5)]),
        ("numeric", ["0.1", "0.10000000000000000001", "0.3", "2", "1e25"]),
        ("double precision", ["-0.1", "0.1", "0.30000000000000004", "1e-300", "1e300"]),
        ("uuid", [f"'00000000-0000-4000-8000-00000000000{number}'" for number in range(5)]),
        ("bytea", [rf"'\x00f{number}ff'" for number in range(5)]),
        ("bigint", ["-1", "0", "1", "9007199254740993", "9007199254740994"]),
    ],
)
def test_every_type_of_key_finds_its_way_back_from_a_position(
    postgres_url: str, kind: str, values: list[str]
) -> None:
    engine = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql(f"CREATE TABLE people (id {kind} PRIMARY KEY, name text)")
        for value in values:
            connection.exec_driver_sql(f"INSERT INTO people VALUES ({value}, 'Ann')")
    engine.dispose()
    text = SNAPSHOT.replace(", updated_at: changed_at", "")

    one_by_one, _ = read_all(database_reader(postgres_url, text), limit=1)

    assert places(one_by_one) == places(read_all(database_reader(postgres_url, text))[0])
    assert len(places(one_by_one)) == 5


def test_a_connection_that_broke_between_two_pages_is_made_anew(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE people (id int PRIMARY KEY, name text)")
        connection.exec_driver_sql("INSERT INTO people SELECT n, 'Ann' FROM generate_series(1, 4) AS n")
    reader = database_reader(postgres_url, SNAPSHOT.replace(", updated_at: changed_at", ""))
    first = reader.read("people", {}, 2)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    engine.dispose()

    rest, _ = read_all(reader, first.position)

    assert places([first, *rest]) == ["1", "2", "3", "4"]


def test_a_text_that_is_not_utf_8_does_not_stop_the_page(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("CREATE TABLE people (id TEXT PRIMARY KEY, name TEXT, changed_at TEXT)")
        connection.execute(
            "INSERT INTO people VALUES ('1', 'Ann', '2026'), ('2', CAST(x'5af6' AS TEXT), '2026')"
        )

    batches, _ = read_all(database_reader(f"sqlite:///{tmp_path}/shop.db"))

    assert [row["name"] for row in payloads(batches)] == ["Ann", b"Z\xf6"]
