"""SQL over the state reads and cannot write, whichever way it is put; and says what is wrong without a value."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sqlalchemy as sa
import sqlcipher3

from customer_profiles.state.engine import State
from customer_profiles.state.query import QueryError, columns_by_table, export_table, run_query, tables

SECRET = "ann@otherby.example"


@pytest.fixture
def asked(state: State) -> State:
    """A state with two identifiers, on each engine."""
    with state.writing() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO identifier (record_no, kind, value) VALUES (1, 'email', :one), (2, 'email', :two)"
            ),
            {"one": SECRET, "two": "bo%marsden@otherby.example"},
        )
    return state


def test_a_select_gives_its_columns_and_rows_and_says_when_there_are_more(asked: State) -> None:
    whole = run_query(asked, "SELECT record_no, value FROM identifier ORDER BY 1", 10)
    cut = run_query(asked, "SELECT record_no FROM identifier ORDER BY 1", 1)

    assert whole.columns == ("record_no", "value")
    assert [row[0] for row in whole.rows] == [1, 2]
    assert not whole.more
    assert (cut.rows, cut.more) == (((1,),), True)


def test_a_percent_sign_is_only_a_percent_sign(asked: State) -> None:
    assert run_query(asked, "SELECT record_no FROM identifier WHERE value LIKE 'bo%'", 10).rows == ((2,),)


def test_columns_of_one_name_are_told_apart(asked: State) -> None:
    assert run_query(asked, "SELECT 1 AS x, 2 AS x, 3 AS y", 10).columns == ("x", "x_2", "y")


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO identifier (record_no, kind, value) VALUES (3, 'email', 'x')",
        "UPDATE identifier SET value = 'x'",
        "DELETE FROM identifier",
        "DROP TABLE identifier",
        "PRAGMA query_only = OFF",
        "ATTACH DATABASE '/tmp/x.db' AS x",
        "VACUUM",
        "BEGIN",
        "COMMIT",
        "SET default_transaction_read_only TO off",
        "SELECT 1; DELETE FROM identifier",
        "WITH gone AS (DELETE FROM identifier RETURNING *) SELECT * FROM gone",
        "SELECT * INTO copied FROM identifier",
        "SELECT * FROM identifier FOR UPDATE",
        "EXPLAIN DELETE FROM identifier",
        "",
        "no sql at all",
        "SELECT 'left open",
        "SELECT FROM WHERE",
    ],
)
def test_all_but_one_select_is_refused_in_one_line(asked: State, statement: str) -> None:
    with pytest.raises(QueryError) as refused:
        run_query(asked, statement, 10)

    assert "\n" not in str(refused.value)
    assert len(run_query(asked, "SELECT * FROM identifier", 10).rows) == 2


@pytest.mark.parametrize(
    "statement",
    ["DELETE FROM identifier", "COMMIT; DELETE FROM identifier", "SELECT 1; COMMIT; DELETE FROM identifier"],
)
def test_the_connection_itself_cannot_write_should_the_reading_of_a_statement_be_fooled(
    asked: State, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customer_profiles.state.query._refuse_all_but_select", lambda _state, _sql: None)

    with pytest.raises((QueryError, sqlcipher3.dbapi2.Warning)):
        run_query(asked, statement, 10)

    assert len(run_query(asked, "SELECT * FROM identifier", 10).rows) == 2


def test_what_does_not_exist_is_named(asked: State) -> None:
    with pytest.raises(QueryError, match="identifer"):
        run_query(asked, "SELECT * FROM identifer", 10)
    with pytest.raises(QueryError, match="valu"):
        run_query(asked, "SELECT valu FROM identifier", 10)


def test_an_error_never_quotes_a_value(asked: State) -> None:
    fails_on_a_row = {
        "sqlite": "SELECT json_extract('{}', value) FROM identifier",
        "postgresql": "SELECT CAST(value AS integer) FROM identifier",
    }

    with pytest.raises(QueryError) as refused:
        run_query(asked, fails_on_a_row[asked.dialect], 10)

    assert "otherby" not in str(refused.value)
    assert refused.value.__cause__ is None


def test_the_tables_of_all_stores_are_listed_with_their_columns(asked: State) -> None:
    listed = columns_by_table(asked)

    assert {"record", "consent_statement", "quarantine"} <= listed.keys()
    assert listed["identifier"][:3] == ["record_no", "kind", "value"]
    assert tables(asked) == sorted(listed)


def test_a_table_is_exported_whole(asked: State, tmp_path: Path) -> None:
    assert export_table(asked, "identifier", tmp_path / "identifier.parquet") == 2

    assert SECRET in pq.read_table(tmp_path / "identifier.parquet")["value"].to_pylist()
    assert [path.name for path in tmp_path.glob("*.part")] == []


def test_what_cannot_be_exported_leaves_no_file(asked: State, tmp_path: Path) -> None:
    for table, to, told in (
        ("identifer", tmp_path / "x.parquet", "did you mean identifier?"),
        ("identifier; DROP TABLE record", tmp_path / "x.parquet", "There is no table"),
        ("record", tmp_path / "x.parquet", "is empty"),
        ("identifier", tmp_path / "gone" / "x.parquet", "There is no folder"),
    ):
        with pytest.raises(QueryError, match=told):
            export_table(asked, table, to)
    assert list(tmp_path.glob("*.parquet*")) == []
