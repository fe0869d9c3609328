"""Results as Arrow: the same types on both engines, in batches."""

import pyarrow as pa
import pytest
import sqlalchemy as sa

from customer_profiles.state.bulk import arrow_batches, arrow_table, insert_rows
from customer_profiles.state.engine import State

things = sa.Table(
    "things",
    sa.MetaData(),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("label", sa.Text),
    sa.Column("content", sa.LargeBinary),
    sa.Column("share", sa.Double),
    sa.Column("late", sa.BigInteger),
)
TYPES = [pa.int64(), pa.string(), pa.binary(), pa.float64(), pa.int64()]
COUNT = 10_000


@pytest.fixture
def with_things(state: State) -> State:
    with state.writing() as connection:
        things.create(connection)
        insert_rows(
            connection,
            things,
            ("number", "label", "content", "share", "late"),
            [(i, f"label {i}", bytes([i % 256]), i / 4, i if i > COUNT - 10 else None) for i in range(COUNT)],
        )
    return state


@pytest.mark.parametrize(
    "query", ["SELECT * FROM things ORDER BY number", sa.select(things).order_by("number")]
)
def test_a_table_has_its_columns_types_and_rows(
    with_things: State, query: str | sa.Select[tuple[int]]
) -> None:
    with with_things.reading() as connection:
        found = arrow_table(connection, query)
    assert found.schema.types == TYPES
    assert found.num_rows == COUNT
    assert found.slice(COUNT - 1).to_pylist() == [
        {
            "number": COUNT - 1, "label": f"label {COUNT - 1}", "content": bytes([(COUNT - 1) % 256]),
            "share": (COUNT - 1) / 4, "late": COUNT - 1,
        }
    ]  # fmt: skip


@pytest.mark.parametrize(
    "query", ["SELECT * FROM things ORDER BY number", sa.select(things).order_by("number")]
)
def test_batches_are_no_larger_than_asked_and_of_one_schema(
    with_things: State, query: str | sa.Select[tuple[int]]
) -> None:
    with with_things.reading() as connection:
        batches = list(arrow_batches(connection, query, batch_rows=3_000))
    assert [batch.num_rows for batch in batches] == [3_000, 3_000, 3_000, 1_000]
    assert {batch.schema for batch in batches} == {batches[0].schema}
    # A column without a value in the first batches has the type of the values that come later.
    assert batches[0].schema.types == TYPES


def test_an_empty_result_keeps_its_columns(with_things: State) -> None:
    with with_things.reading() as connection:
        found = arrow_table(connection, sa.select(things).where(things.c.number < 0))
        assert arrow_table(connection, "SELECT number, label FROM things WHERE number < 0").num_rows == 0
        assert list(arrow_batches(connection, "SELECT number FROM things WHERE number < 0")) == []
    assert found.schema.types == TYPES
    assert found.num_rows == 0


def test_marks_take_values_on_both_engines(with_things: State) -> None:
    query = "SELECT number, '100 % ?' AS \"odd %?\" FROM things "
    query += "WHERE label LIKE 'label 12%' AND number < ? AND share >= ?"
    with with_things.reading() as connection:
        found = arrow_table(connection, query, (1000, 0.0))
    assert sorted(found["number"].to_pylist()) == [12, *range(120, 130)]
    assert set(found["odd %?"].to_pylist()) == {"100 % ?"}


def test_a_list_of_values_in_a_select_works(with_things: State) -> None:
    with with_things.reading() as connection:
        found = arrow_table(connection, sa.select(things.c.number).where(things.c.number.in_([1, 2, 70_000])))
    assert sorted(found["number"].to_pylist()) == [1, 2]


def test_sums_of_whole_numbers_are_whole_numbers(with_things: State) -> None:
    query = "SELECT sum(number) AS total, count(*) AS counted, avg(share) AS mean FROM things"
    with with_things.reading() as connection:
        found = arrow_table(connection, query)
    assert found.schema.types == [pa.int64(), pa.int64(), pa.float64()]
    assert found["total"].to_pylist() == [COUNT * (COUNT - 1) // 2]


def test_reading_may_stop_early_and_another_query_follow(with_things: State) -> None:
    with with_things.reading() as connection:
        batches = arrow_batches(connection, "SELECT * FROM things", batch_rows=100)
        assert next(batches).num_rows == 100
        batches.close()  # type: ignore[attr-defined]
        assert arrow_table(connection, "SELECT count(*) AS n FROM things")["n"].to_pylist() == [COUNT]


def test_a_mistake_in_a_query_is_told_without_values(with_things: State) -> None:
    with pytest.raises(sa.exc.DBAPIError, match="nothing_such"), with_things.reading() as connection:
        arrow_table(connection, "SELECT nothing_such FROM things WHERE label = ?", ("a secret",))
