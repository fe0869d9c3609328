"""What is no longer served is cleared away, a little at a time; facts never are."""

from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.cli.migrations import load_all_tables
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.engine import State
from customer_profiles.state.generations import (
    begin_generation,
    clear_generations,
    derived_tables,
    promote_generation,
)
from customer_profiles.state.schema import METADATA
from customer_profiles.state.tables import cursor

ROWS = 25


def fill(state: State, table: sa.Table, generation: int) -> None:
    """Rows that differ in every column of the key."""

    def value(column: sa.Column[Any], number: int) -> Any:
        if column.name == "generation":
            return generation
        number += 1000 * generation
        if isinstance(column.type, sa.LargeBinary):
            return b"%d" % number
        return str(number) if isinstance(column.type, sa.Text) else number

    with state.writing() as connection:
        rows = [tuple(value(column, number) for column in table.columns) for number in range(ROWS)]
        insert_rows(connection, table, table.columns.keys(), rows)


def generations_of(state: State, table: sa.Table) -> list[int]:
    with state.reading() as connection:
        return sorted(connection.execute(sa.select(table.c.generation).distinct()).scalars())


@pytest.fixture
def three_generations(state: State) -> State:
    """Generation 1 was live, 2 was given up, 3 is live, 4 is being built; every derived table has rows of each."""
    load_all_tables()
    facts = [METADATA["state"].tables["identity_event"]]
    for number in (1, 2, 3, 4):
        for table in (*derived_tables(), *facts):
            fill(state, table, number)
    with state.writing() as connection:
        begin_generation(connection)
        promote_generation(connection, begin_generation(connection), {})
        begin_generation(connection)
        for source in ("", "1", "generation 2", "3", "generation 3", "4", "crm"):
            connection.execute(cursor.insert().values(stage="fold", source=source, position="1", version=1))
        connection.execute(cursor.insert().values(stage="ingest", source="1", position="1", version=1))
    return state


def test_every_table_of_a_generation_is_derived_or_known_as_a_fact() -> None:
    load_all_tables()
    naming = {
        table.name
        for metadata in METADATA.values()
        for table in metadata.sorted_tables
        if "generation" in table.columns
    }

    assert naming - {table.name for table in derived_tables()} == {
        "generation",
        "identity_event",
        "identity_commit",
        "model_promotion",
    }


def test_what_is_neither_live_nor_being_built_is_cleared(three_generations: State) -> None:
    cleared = clear_generations(three_generations, ["fold"])

    assert cleared == 2 * ROWS * len(derived_tables())
    assert {table.name: generations_of(three_generations, table) for table in derived_tables()} == {
        table.name: [3, 4] for table in derived_tables()
    }
    assert generations_of(three_generations, METADATA["state"].tables["identity_event"]) == [1, 2, 3, 4]
    assert clear_generations(three_generations, ["fold"]) == 0


def test_the_cursors_of_a_cleared_generation_go_with_it(three_generations: State) -> None:
    clear_generations(three_generations, ["fold"])

    with three_generations.reading() as connection:
        rows = connection.execute(sa.select(cursor.c.stage, cursor.c.source)).all()
    assert {tuple(row) for row in rows} == {
        *(("fold", source) for source in ("", "3", "generation 3", "4", "crm")),
        ("ingest", "1"),
    }


def test_no_transaction_deletes_more_rows_than_it_may(three_generations: State) -> None:
    deleted = [0]

    def count(connection: sa.Connection, driver_cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith("DELETE"):
            deleted[-1] += driver_cursor.rowcount

    def commit(_: sa.Connection) -> None:
        deleted.append(0)

    sa.event.listen(sa.Engine, "after_cursor_execute", count)
    sa.event.listen(sa.Engine, "commit", commit)
    try:
        clear_generations(three_generations, ["none"], at_once=10)
    finally:
        sa.event.remove(sa.Engine, "after_cursor_execute", count)
        sa.event.remove(sa.Engine, "commit", commit)

    assert max(deleted) == 10
    assert sum(deleted) == 2 * ROWS * len(derived_tables())
    assert all(generations_of(three_generations, table) == [3, 4] for table in derived_tables())
