"""Cursors move by compare and swap; numbers come in order of commit; one generation is live."""

from collections.abc import Callable

import pytest

from customer_profiles.state.cursors import Cursor, CursorMoved, move_cursor, read_cursor
from customer_profiles.state.engine import State, Store
from customer_profiles.state.errors import StateError
from customer_profiles.state.generations import begin_generation, live_generation, promote_generation
from customer_profiles.state.sequences import reserve


def _work(state: State, read: Cursor, *, fail: bool = False) -> None:
    with state.writing() as connection:
        reserve(connection, "work", 10)
        move_cursor(connection, read, "moved by work")
        if fail:
            raise RuntimeError


def test_a_cursor_that_never_moved_stands_at_the_beginning(state: State) -> None:
    with state.reading() as connection:
        cursor = read_cursor(connection, "ingest", "crm")
    assert (cursor.position, cursor.version) == (None, 0)


def test_a_cursor_stays_where_it_was_moved_to(state: State) -> None:
    position = {"after": ["žluťoučký", 7], "file": None}
    with state.writing() as connection:
        moved = move_cursor(connection, read_cursor(connection, "ingest", "crm"), {"after": 1})
        moved = move_cursor(connection, moved, position)
    with state.reading() as connection:
        assert read_cursor(connection, "ingest", "crm") == moved
        assert read_cursor(connection, "ingest", "orders").version == 0
        assert read_cursor(connection, "resolve", "crm").version == 0
    assert moved.position == position


@pytest.mark.parametrize("moves_before", [0, 1, 3])
def test_the_same_work_cannot_be_done_twice(
    state: State, reopen: Callable[..., State], moves_before: int
) -> None:
    with state.writing() as connection:
        for place in range(moves_before):
            move_cursor(connection, read_cursor(connection, "ingest", "crm"), place)
    with state.reading() as connection:
        read = read_cursor(connection, "ingest", "crm")
    with reopen(state).writing() as connection:
        move_cursor(connection, read, "the quicker one's")
    with pytest.raises(CursorMoved, match="ingest of crm"):
        _work(state, read)
    with state.writing() as connection:
        assert read_cursor(connection, "ingest", "crm").position == "the quicker one's"
        assert reserve(connection, "work", 0) == 1


def test_a_cursor_of_a_transaction_that_failed_did_not_move(state: State) -> None:
    with state.reading() as connection:
        read = read_cursor(connection, "ingest")
    with pytest.raises(RuntimeError):
        _work(state, read, fail=True)
    with state.reading() as connection:
        assert read_cursor(connection, "ingest").version == 0


def test_numbers_are_taken_one_after_the_other_each_sequence_by_itself(state: State) -> None:
    with state.writing() as connection:
        assert [reserve(connection, "record", count) for count in (3, 1, 0, 2)] == [1, 4, 5, 5]
        assert reserve(connection, "change") == 1
    with state.writing(Store.TRUST) as connection:
        assert reserve(connection, "record") == 1
    with state.writing() as connection:
        assert reserve(connection, "record") == 7


def test_numbers_of_a_transaction_that_failed_are_given_again(state: State) -> None:
    with state.reading() as connection:
        read = read_cursor(connection, "ingest")
    with pytest.raises(RuntimeError):
        _work(state, read, fail=True)
    with state.writing() as connection:
        assert reserve(connection, "work") == 1


def test_a_reader_cannot_take_numbers_nor_anybody_a_negative_count(state: State) -> None:
    with state.reading() as connection, pytest.raises(StateError, match="writing"):
        reserve(connection, "record")
    with state.writing() as connection, pytest.raises(ValueError, match="negative"):
        reserve(connection, "record", -1)


def test_the_first_generation_is_live_until_another_is_promoted(state: State) -> None:
    with state.writing() as connection:
        assert live_generation(connection) == 1
        assert begin_generation(connection) == 2
        assert live_generation(connection) == 1
        promote_generation(connection, 2, {"merged": 3})
        assert live_generation(connection) == 2
        assert begin_generation(connection) == 3


def test_a_generation_that_a_newer_one_replaced_cannot_be_promoted(state: State) -> None:
    with state.writing() as connection:
        assert [begin_generation(connection), begin_generation(connection)] == [2, 3]
    with pytest.raises(StateError, match="Generation 2"), state.writing() as connection:
        promote_generation(connection, 2, {})
    with state.writing() as connection:
        promote_generation(connection, 3, {})
    with pytest.raises(StateError, match="Generation 3"), state.writing() as connection:
        promote_generation(connection, 3, {})
    with state.reading() as connection:
        assert live_generation(connection) == 3
