"""A database that is not what the settings say gives one clear error, without values or passwords, and loses nothing."""

import traceback
from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles.settings import settings_from_text
from customer_profiles.sources.connectors import open_connector
from customer_profiles.sources.errors import SourceError
from customer_profiles_tests.sources.conftest import Company
from customer_profiles_tests.sources.reading import (
    PEOPLE,
    SNAPSHOT,
    database_reader,
    make_people,
    places,
    read_all,
    source_of,
)
from customer_profiles_tests.sources.test_database import somebody


def test_a_database_that_does_not_answer_is_named_without_its_password(tmp_path: Path) -> None:
    text = PEOPLE.replace("URL", "postgresql://reader:${PASSWORD}@127.0.0.1:1/shop?application_name=x")
    settings = settings_from_text(text, tmp_path / "s.yaml", environment={"PASSWORD": "tr0ub4dor"})
    reader = open_connector("shop", settings.sources["shop"])

    with pytest.raises(SourceError) as told:
        reader.read("people", {}, 10)

    assert str(told.value) == (
        "shop.people: the database postgresql 127.0.0.1/shop cannot be read (OperationalError): "
        "check that it runs, that the URL is right, and that the account may read the table"
    )
    assert "tr0ub4dor" not in "".join(traceback.format_exception(told.value))


def test_a_database_that_is_not_on_its_server_is_named(postgres_url: str) -> None:
    with pytest.raises(
        SourceError, match=r"^shop\.people: the database postgresql 127\.0\.0\.1/no_such_shop "
    ):
        database_reader(postgres_url.rsplit("/", 1)[0] + "/no_such_shop").read("people", {}, 10)


@pytest.mark.parametrize("folder", ["plain", "50% #new"])
def test_a_database_file_that_is_not_there_is_named_and_not_made(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    text = PEOPLE.replace("URL", "sqlite:///shop.db")
    reader = open_connector("shop", source_of(text, tmp_path / folder))

    with pytest.raises(
        SourceError, match=r"^shop\.people: there is no database file .*shop\.db: correct `url`"
    ):
        reader.read("people", {}, 10)

    assert [path.name for path in tmp_path.rglob("*")] == [folder]


def test_a_database_file_in_a_folder_with_signs_in_its_name_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "50% #new"
    folder.mkdir()
    engine = sa.create_engine(f"sqlite:///{folder}/shop.db")
    with engine.begin() as connection:
        connection.execute(make_people(engine).insert().values(somebody(1)))
    engine.dispose()

    reader = open_connector("shop", source_of(PEOPLE.replace("URL", "sqlite:///shop.db"), folder))

    assert places(read_all(reader)[0]) == ["001"]


@pytest.mark.parametrize(
    ("url", "told"),
    [
        (
            "nosuchbase://host/shop",
            "shop: no kind of database nosuchbase is known: correct its connector's `url`",
        ),
        ("oracle+oracledb://host/shop", "shop: its database needs the Python package oracledb: install it"),
    ],
)
def test_a_kind_of_database_that_cannot_be_read_is_named(url: str, told: str) -> None:
    with pytest.raises(SourceError) as error:
        database_reader(url)

    assert str(error.value) == told


def test_a_table_that_is_gone_is_named_and_read_on_when_it_is_back(company: Company) -> None:
    company.put(somebody(1))
    _, left = read_all(database_reader(company.url))
    company.run("ALTER TABLE people RENAME TO persons")

    with pytest.raises(
        SourceError, match=r"^shop\.people: the database .* has no table people: correct `table`"
    ):
        database_reader(company.url).read("people", left, 10)

    company.run("ALTER TABLE persons RENAME TO people")
    assert places(read_all(database_reader(company.url), left)[0]) == []


@pytest.mark.parametrize("column", ["name", "changed_at"])
def test_a_column_that_is_gone_is_named_and_reading_goes_on_where_it_was(
    company: Company, column: str
) -> None:
    company.put(somebody(1))
    _, left = read_all(database_reader(company.url))
    company.run(f"ALTER TABLE people RENAME COLUMN {column} TO other")

    with pytest.raises(SourceError, match=rf"^shop\.people: people has no column {column}: bring it back"):
        database_reader(company.url).read("people", left, 10)

    company.run(f"ALTER TABLE people RENAME COLUMN other TO {column}")
    company.put(somebody(2))
    assert places(read_all(database_reader(company.url), left)[0]) == ["002"]


def test_a_column_that_nobody_reads_may_go(company: Company) -> None:
    company.put(somebody(1))
    _, left = read_all(database_reader(company.url))
    company.run("ALTER TABLE people RENAME COLUMN secret TO other")
    company.run("INSERT INTO people (id, changed_at) VALUES ('002', '2027-01-01 00:00:00')")

    assert places(read_all(database_reader(company.url), left)[0]) == ["002"]


def test_a_column_that_changed_its_type_is_told_with_both_types(company: Company) -> None:
    company.put(somebody(1))
    _, left = read_all(database_reader(company.url))
    make_people(company.engine, name=sa.Integer())

    with pytest.raises(SourceError) as told:
        database_reader(company.url).read("people", left, 10)

    assert str(told.value).startswith(
        "shop.people: columns changed their type (name was text and is whole number now): change them back, or "
    )


def test_a_longer_text_is_no_other_type(company: Company) -> None:
    company.put(somebody(1))
    _, left = read_all(database_reader(company.url))
    make_people(company.engine, name=sa.String(500))
    company.put(somebody(1), somebody(2))

    assert places(read_all(database_reader(company.url), left)[0]) == ["002"]


def test_a_change_of_type_is_taken_once_the_settings_say_so(company: Company) -> None:
    company.put(somebody(1))
    _, left = read_all(database_reader(company.url))
    make_people(company.engine, name=sa.Integer())
    company.run("INSERT INTO people (id, name, changed_at) VALUES ('001', 7, '2026-05-01 00:00:00')")
    changed = PEOPLE.replace("full_name: name", "given_name: name")

    assert places(read_all(database_reader(company.url, changed), left)[0]) == ["001"]


def test_a_table_without_a_primary_key_asks_for_one(company: Company) -> None:
    company.run("CREATE TABLE visits (id TEXT, name TEXT, changed_at TEXT)")
    text = PEOPLE.replace("table: people", "table: visits").replace("        key: id\n", "")

    with pytest.raises(SourceError, match=r"^shop\.people: visits has no primary key: .* in `key`$"):
        database_reader(company.url, text).read("people", {}, 10)


@pytest.mark.parametrize("text", [PEOPLE, SNAPSHOT], ids=["incremental", "snapshot"])
def test_rows_without_a_key_are_told_and_not_left_out_in_silence(company: Company, text: str) -> None:
    company.run("CREATE TABLE visits (id TEXT, name TEXT, changed_at TEXT)")
    company.run("INSERT INTO visits VALUES ('1', 'Ann', '2026'), (NULL, 'Bo', '2026'), ('2', 'Cy', '2026')")

    with pytest.raises(
        SourceError, match=r"^shop\.people: rows of visits have nothing in id: name columns in `key`"
    ):
        database_reader(company.url, text.replace("table: people", "table: visits")).read("people", {}, 1)


@pytest.mark.parametrize("limit", [1, 2, 10])
@pytest.mark.parametrize("text", [PEOPLE, SNAPSHOT], ids=["incremental", "snapshot"])
def test_rows_with_the_same_key_are_told_whatever_the_page(company: Company, text: str, limit: int) -> None:
    company.run("CREATE TABLE visits (id TEXT, name TEXT, changed_at TEXT)")
    company.run("INSERT INTO visits VALUES ('1', 'Ann', '2026'), ('2', 'Bo', '2026'), ('2', 'Cy', '2026')")
    reader = database_reader(company.url, text.replace("table: people", "table: visits"))

    with pytest.raises(
        SourceError, match=r"^shop\.people: several rows of visits have the same id: name columns"
    ):
        read_all(reader, limit=limit)
