"""Columns: what they declare, and that text and JSON are the same on both engines."""

import pytest
import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.engine import KeyFor, State
from customer_profiles.state.schema import Json, Micros, Owner, Text, column, from_json, to_json
from customer_profiles_tests.postgres_server import PostgresServer

declared = {"owner": Owner.RECORD, "data_class": DataClass.CONTACT}


def test_a_column_carries_its_declarations_and_is_not_nullable_unless_it_says_so() -> None:
    made = column("email", Text, **declared)
    assert made.info == declared
    assert made.nullable is False
    assert column("email", Text, nullable=True, **declared).nullable is True


def test_a_column_without_declarations_cannot_be_made() -> None:
    with pytest.raises(TypeError, match="owner"):
        column("email", Text)  # type: ignore[call-arg]


def test_equal_values_are_equal_json_text() -> None:
    assert (
        to_json({"b": 1, "a": ["ž", None]}) == to_json({"a": ["ž", None], "b": 1}) == '{"a":["ž",null],"b":1}'
    )
    assert from_json(to_json({"a": [1, 2.5, "x", None, True]})) == {"a": [1, 2.5, "x", None, True]}


def test_text_sorts_by_code_point_whatever_language_the_database_speaks(
    postgres_server: PostgresServer, key_for: KeyFor
) -> None:
    words = ["a", "B", "á", "Z", "~", "😀", "zz"]
    table = sa.Table("words", sa.MetaData(), column("word", Text, primary_key=True, **declared))
    url = postgres_server.create_database(options="LOCALE_PROVIDER icu ICU_LOCALE 'en-US'")
    with State.open(url, key_for) as state, state.writing() as connection:
        connection.exec_driver_sql("CREATE SCHEMA state")
        table.create(connection)
        insert_rows(connection, table, ("word",), [(word,) for word in words])
        assert list(connection.scalars(sa.select(table).order_by("word"))) == sorted(words)
        # Were the database's own order that of code points, this would prove nothing.
        own = (
            connection.exec_driver_sql('SELECT word FROM words ORDER BY word COLLATE "default"')
            .scalars()
            .all()
        )
        assert list(own) != sorted(words)


def test_moments_and_json_keep_their_storage(state: State) -> None:
    table = sa.Table(
        "moments", sa.MetaData(), column("at", Micros, **declared), column("body", Json, **declared)
    )
    with state.writing() as connection:
        table.create(connection)
        insert_rows(connection, table, ("at", "body"), [(1_764_000_000_123_456, to_json({"a": 1}))])
        assert [tuple(row) for row in connection.execute(sa.select(table))] == [
            (1_764_000_000_123_456, '{"a":1}')
        ]
