"""The audit counts what the sources hold, says what is personal data, and keeps no value of anybody."""

import sqlite3
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa

from customer_profiles.catalog import audit_files
from customer_profiles.catalog.audit import audit_sources
from customer_profiles.catalog.facts import ColumnFacts, FeedFacts
from customer_profiles.sources.errors import SourceError
from customer_profiles.state.engine import State
from customer_profiles_tests.cleaning.made import NOW, rows_of, settings_of, write_csv, write_lines

DATABASE = """
owner: team:data
sources:
  crm:
    owner: team:sales
    phone_region: GB
    connector: {type: database, url: "URL"}
    feeds:
      contacts:
        contract: record
        table: contacts
        key: id
        cursor: changed
        fields: {source_key: id, full_name: name, emails: [mail], phones: [phone], updated_at: changed}
"""
FILES = """
owner: team:data
sources:
  web:
    connector: {type: files, folder: web}
    feeds:
      people:
        contract: record
        files: "people-*.csv"
        fields: {source_key: id, full_name: name}
      visits:
        contract: interaction
        files: "*.jsonl"
        fields: {event_id: id, record_key: who.id, occurred_at: at, type: kind}
"""
CONTACTS = (
    ("1", "Ann Otherby", "ann@otherby.example", "07700 900001", "likes tea", 12.5, "2026-05-01", None),
    ("2", "Bo Otherby", "bo@otherby.example", "07700 900001", "", 12.5, "2026-05-02", "ann@otherby.example"),
    ("3", "Ann Otherby", None, None, None, 7.0, "2026-05-03", "x@otherby.example"),
)
PERSONAL = ("Ann", "Otherby", "otherby.example", "900001", "likes")


def make_contacts(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE contacts (id VARCHAR(9) PRIMARY KEY, name TEXT, mail TEXT, phone TEXT, remarks TEXT,"
            " amount NUMERIC, changed TEXT, spare TEXT)"
        )
        marks = ", ".join(f":{number}" for number in range(8))
        for row in CONTACTS:
            values = {str(number): value for number, value in enumerate(row)}
            connection.execute(sa.text(f"INSERT INTO contacts VALUES ({marks})"), values)


@pytest.fixture(params=["sqlite", "postgresql"])
def contacts_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with contacts, on either engine."""
    url: str = f"sqlite:///{tmp_path}/crm.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("postgres_url")
    engine = sa.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    make_contacts(engine)
    engine.dispose()
    return url


@pytest.fixture
def embedded(state_factory: Callable[[str], State]) -> State:
    """An empty embedded state: what the audit finds does not depend on where it is kept."""
    return state_factory("sqlcipher")


def by_name(facts: FeedFacts) -> dict[str, ColumnFacts]:
    return {column.name: column for column in facts.columns}


def test_a_table_is_counted_column_by_column(embedded: State, contacts_url: str, tmp_path: Path) -> None:
    (facts,) = audit_sources(settings_of(DATABASE.replace("URL", contacts_url), tmp_path), embedded)

    assert (facts.source, facts.feed, facts.place, facts.contract) == (
        "crm",
        "contacts",
        "contacts",
        "record",
    )
    assert (facts.rows, facts.unreadable, facts.newest, facts.owner) == (3, 0, "2026-05-03", "team:sales")
    assert facts.size_bytes is None or facts.size_bytes >= 4096
    columns = by_name(facts)
    assert {name: (column.nulls, column.distinct) for name, column in columns.items()} == {
        "id": (0, 3),
        "name": (0, 2),
        "mail": (1, 2),
        "phone": (1, 1),
        "remarks": (2, 2),  # an empty text is a value of its own, and yet nothing
        "amount": (0, 2),
        "changed": (0, 3),
        "spare": (1, 2),
    }
    assert columns["id"].type.startswith("varchar") and columns["amount"].type.startswith("numeric")


def test_a_column_has_the_class_of_its_field_or_the_one_its_name_and_form_suggest(
    embedded: State, contacts_url: str, tmp_path: Path
) -> None:
    (facts,) = audit_sources(settings_of(DATABASE.replace("URL", contacts_url), tmp_path), embedded)

    found = {name: (str(one.data_class), one.guessed, one.mapped_to) for name, one in by_name(facts).items()}

    assert found["mail"] == ("contact", False, "emails")
    assert found["name"] == ("identifier", False, "full_name")
    assert found["remarks"] == ("sensitive", True, None)
    assert found["amount"] == ("financial", True, None)
    assert found["spare"] == ("contact", True, None)  # most of its values look like an email address


def test_files_are_counted_path_by_path_and_lines_that_are_no_rows_apart(
    embedded: State, tmp_path: Path
) -> None:
    write_csv(tmp_path / "web/people-1.csv", ("id", "name"), [("1", "Ann Otherby"), ("2", "")])
    write_csv(
        tmp_path / "web/people-2.csv", ("id", "name", "town"), [("3", "Ann Otherby", "York"), ("4", "Bo")]
    )
    visits = [
        {"id": 1, "at": "2026-05-01", "kind": "page", "who": {"id": "1", "mail": "ann@otherby.example"}},
        {"id": "b", "at": "2026-05-02", "kind": "page", "tags": ["x"]},
        b"{cut",
        b"[1]",
    ]
    write_lines(tmp_path / "web/a.jsonl", visits)

    people, seen = audit_sources(settings_of(FILES, tmp_path), embedded)

    assert (people.place, people.rows, people.unreadable, people.owner) == ("people-*.csv", 3, 1, "team:data")
    assert people.size_bytes == sum(path.stat().st_size for path in (tmp_path / "web").glob("*.csv"))
    assert {one.name: (one.type, one.nulls, one.distinct) for one in people.columns} == {
        "id": ("text", 0, 3),
        "name": ("text", 1, 1),
        "town": ("text", 2, 1),
    }
    assert (seen.rows, seen.unreadable) == (2, 2)
    assert seen.newest is not None and seen.newest.endswith("+00:00")
    assert {one.name: (one.type, one.nulls, one.distinct, str(one.data_class)) for one in seen.columns} == {
        "id": ("text or whole number", 0, 2, "pseudonym"),
        "at": ("text", 0, 2, "behavioural"),
        "kind": ("text", 0, 1, "behavioural"),
        "who.id": ("text", 1, 1, "identifier"),
        "who.mail": ("text", 1, 1, "contact"),
        "tags": ("list", 1, 1, "none"),
    }


@pytest.mark.parametrize(("ending", "form"), [("json", "json"), ("parquet", "parquet")])
def test_arrays_and_parquet_are_counted_too(embedded: State, tmp_path: Path, ending: str, form: str) -> None:
    rows = [{"id": str(number), "name": "Ann" if number % 2 else None} for number in range(10)]
    path = tmp_path / "web" / f"people-1.{ending}"
    path.parent.mkdir()
    if form == "json":
        path.write_bytes(orjson.dumps(rows))
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    text = FILES.replace("people-*.csv", f"people-*.{ending}")

    people, _ = audit_sources(settings_of(text, tmp_path), embedded)

    assert people.rows == 10
    assert {one.name: (one.nulls, one.distinct) for one in people.columns} == {"id": (0, 10), "name": (5, 1)}


def test_the_catalog_holds_what_was_found_last_and_no_value_of_anybody(
    state: State, tmp_path: Path, table_rows: Callable[[State, str], list[tuple[object, ...]]]
) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/crm.db")
    make_contacts(engine)
    settings = settings_of(DATABASE.replace("URL", "sqlite:///crm.db"), tmp_path)
    audit_sources(settings, state, clock=lambda: NOW)
    with engine.begin() as connection:
        connection.exec_driver_sql("DELETE FROM contacts WHERE id = '3'")
        connection.exec_driver_sql("ALTER TABLE contacts DROP COLUMN spare")
    engine.dispose()

    audit_sources(settings, state, clock=lambda: NOW + 1)

    assert rows_of(state, "SELECT source, feed, row_count, newest, audited_at FROM catalog_feed") == [
        ("crm", "contacts", 2, "2026-05-02", NOW + 1)
    ]
    names = ["id", "name", "mail", "phone", "remarks", "amount", "changed"]
    assert rows_of(state, "SELECT name FROM catalog_column ORDER BY place") == names
    kept = repr([table_rows(state, table) for table in ("catalog_feed", "catalog_column")])
    assert not [value for value in PERSONAL if value in kept]


def test_a_source_that_cannot_be_read_is_named_and_leaves_the_catalog_as_it_was(
    embedded: State, tmp_path: Path
) -> None:
    engine = sa.create_engine(f"sqlite:///{tmp_path}/crm.db")
    make_contacts(engine)
    engine.dispose()
    settings = settings_of(DATABASE.replace("URL", "sqlite:///crm.db"), tmp_path)
    audit_sources(settings, embedded)
    (tmp_path / "crm.db").unlink()

    with pytest.raises(SourceError, match=r"^crm\.contacts: there is no database file "):
        audit_sources(settings, embedded)

    assert rows_of(embedded, "SELECT row_count FROM catalog_feed") == [3]


def test_a_cursor_column_that_is_gone_does_not_stop_the_audit(embedded: State, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "crm.db") as connection:
        connection.execute("CREATE TABLE contacts (id TEXT PRIMARY KEY, name TEXT)")
        connection.execute("INSERT INTO contacts VALUES ('1', 'Ann')")

    (facts,) = audit_sources(settings_of(DATABASE.replace("URL", "sqlite:///crm.db"), tmp_path), embedded)

    assert (facts.rows, facts.newest, [one.name for one in facts.columns]) == (1, None, ["id", "name"])


@pytest.mark.filterwarnings("ignore:Did not recognize type")
def test_columns_of_types_without_equality_are_counted_by_their_text(
    embedded: State, postgres_url: str, tmp_path: Path
) -> None:
    engine = sa.create_engine(postgres_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "CREATE TABLE contacts (id text PRIMARY KEY, changed int, place point, more json, kinds int[], raw bytea)"
        )
        connection.exec_driver_sql(
            "INSERT INTO contacts VALUES ('1', 1, '(1,2)', '{\"a\": 1}', '{1}', '\\x00'),"
            " ('2', 2, '(1,2)', NULL, '{2}', '')"
        )
    engine.dispose()

    (facts,) = audit_sources(settings_of(DATABASE.replace("URL", postgres_url), tmp_path), embedded)

    columns = by_name(facts)
    assert [columns[name].distinct for name in ("place", "more", "kinds")] == [1, 1, 2]


def test_files_are_looked_at_in_memory_that_does_not_follow_their_size(
    embedded: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = (
        {"id": str(number), "at": str(number), "kind": "page", "more": f"{number:05}" * 200}
        for number in range(10_000)
    )
    write_lines(tmp_path / "web/a.jsonl", rows)
    settings = settings_of(FILES, tmp_path)
    monkeypatch.setattr(audit_files, "_CHUNK", 500)

    tracemalloc.start()
    _, visits = audit_sources(settings, embedded)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert visits.rows == 10_000
    assert visits.size_bytes is not None and 2 * most < visits.size_bytes
    assert by_name(visits)["more"].distinct == pytest.approx(10_000, rel=0.06)  # an estimate


def test_keys_that_are_data_do_not_become_columns_without_end(embedded: State, tmp_path: Path) -> None:
    write_lines(
        tmp_path / "web/a.jsonl", [{"id": "1", "carts": {f"cart{number}": number}} for number in range(600)]
    )

    _, visits = audit_sources(settings_of(FILES, tmp_path), embedded)

    assert len(visits.columns) == 500
