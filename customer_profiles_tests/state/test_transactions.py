"""Transactions: all or nothing, one writer a store, readers see a moment."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles.state.engine import State, Store
from customer_profiles.state.errors import StateBusyError, StateError
from customer_profiles.state.sequences import reserve


def _next(state: State, store: Store = Store.STATE) -> int:
    with state.writing(store) as connection:
        return reserve(connection, "test", 0)


def _write_and_fail(state: State) -> None:
    with state.writing() as connection:
        connection.exec_driver_sql("CREATE TABLE half_made (a BIGINT)")
        reserve(connection, "test", 5)
        raise RuntimeError


def test_a_transaction_that_fails_leaves_nothing(state: State) -> None:
    with pytest.raises(RuntimeError):
        _write_and_fail(state)
    assert _next(state) == 1


def test_a_table_made_in_a_transaction_that_fails_is_not_there(state: State) -> None:
    with pytest.raises(RuntimeError):
        _write_and_fail(state)
    with state.reading() as connection:
        assert not sa.inspect(connection).has_table("half_made")


def test_a_reader_sees_the_moment_it_began_at(state: State) -> None:
    count = "SELECT count(*) FROM sequence"
    with state.reading() as reader:
        with state.writing() as connection:
            reserve(connection, "test")
        assert reader.exec_driver_sql(count).scalar_one() == 0
    with state.reading() as reader:
        assert reader.exec_driver_sql(count).scalar_one() == 1


def test_who_reads_alone_has_the_connection_that_is_warm(state: State) -> None:
    with state.reading(), state.reading(), state.reading():
        pass

    def used() -> int:
        with state.reading() as reader:
            return id(reader.connection.driver_connection)

    assert len({used() for _ in range(6)}) == 1


@pytest.mark.parametrize("transaction", ["reading", "everything"])
def test_a_reader_cannot_write(state: State, transaction: str) -> None:
    with pytest.raises(sa.exc.DBAPIError), getattr(state, transaction)() as connection:
        connection.exec_driver_sql("DELETE FROM sequence")


def test_a_second_writer_of_a_store_waits_for_the_first(state: State, reopen: Callable[..., State]) -> None:
    other, order, waiting = reopen(state), [], threading.Event()

    def second() -> None:
        waiting.set()
        with other.writing() as connection:
            order.append("second")
            assert reserve(connection, "test") == 2

    thread = threading.Thread(target=second)
    with state.writing() as connection:
        reserve(connection, "test")
        thread.start()
        waiting.wait(20)
        thread.join(0.2)  # time enough for it to go wrong
        order.append("first")
    thread.join(20)
    assert order == ["first", "second"]


def test_a_process_that_writes_without_a_pause_lets_others_in(tmp_path: Path) -> None:
    program = """
import sys
from pathlib import Path
from customer_profiles.state.engine import State

LONG = "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < 300000) SELECT count(*) FROM n"

with State.open(f"sqlite:{sys.argv[1]}", lambda _name: bytes(32)) as state:
    while True:
        with state.writing() as connection:
            connection.exec_driver_sql(LONG).all()
            print("wrote", flush=True)
"""
    wrote: list[str] = []
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program, str(tmp_path / "state")]
    with (
        State.open(f"sqlite:{tmp_path / 'state'}", lambda _name: bytes(32)) as state,
        subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as other,
    ):
        assert other.stdout is not None
        wrote.append(other.stdout.readline())
        listening = threading.Thread(target=lambda: wrote.extend(other.stdout or ()))
        listening.start()
        try:
            for _ in range(5):
                with state.writing():
                    pass
        finally:
            other.kill()
            listening.join()
    assert wrote[0] == "wrote\n"
    assert len(wrote) <= 1 + 5 * 2


def test_a_turn_that_cannot_be_taken_is_told_and_once_it_can_all_is_well(tmp_path: Path) -> None:
    with State.open(f"sqlite:{tmp_path}", lambda _name: bytes(32)) as state:
        (tmp_path / "state.turn").mkdir()
        with (
            pytest.raises(StateError, match=r"state\.turn cannot be opened: Is a directory"),
            state.writing(),
        ):
            pass
        (tmp_path / "state.turn").rmdir()
        with state.writing() as connection:
            connection.exec_driver_sql("SELECT 1").all()


def test_writers_of_different_stores_do_not_wait_for_each_other(
    state: State, reopen: Callable[..., State]
) -> None:
    impatient = reopen(state, wait_seconds=0.2)
    with state.writing(Store.STATE), impatient.writing(Store.TRUST), impatient.writing(Store.INBOX):
        pass


@pytest.mark.parametrize("same_process", [True, False])
def test_a_writer_that_waited_too_long_says_so(
    state: State, reopen: Callable[..., State], same_process: bool
) -> None:
    first = reopen(state, wait_seconds=0.2)
    second = first if same_process else reopen(state, wait_seconds=0.2)
    with (
        first.writing(),
        pytest.raises(StateBusyError, match="still writing the state store"),
        second.writing(),
    ):
        pass
    assert _next(second) == 1


def test_threads_share_a_state(state: State) -> None:
    def count_up() -> None:
        for _ in range(20):
            with state.writing() as connection:
                reserve(connection, "test")

    threads = [threading.Thread(target=count_up) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert _next(state) == 81


def test_everything_reads_all_stores_at_once(state: State) -> None:
    for store in Store:
        with state.writing(store) as connection:
            reserve(connection, "test", 7)
    with state.everything() as connection:
        rows = connection.exec_driver_sql(
            "SELECT next_number FROM sequence UNION ALL SELECT next_number FROM trust_sequence "
            "UNION ALL SELECT next_number FROM inbox_sequence"
        ).all()
    assert [tuple(row) for row in rows] == [(8,), (8,), (8,)]


def test_a_state_opened_to_read_only_refuses_to_write(state: State, reopen: Callable[..., State]) -> None:
    reader = reopen(state, read_only=True)
    with reader.reading() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM sequence").scalar_one() == 0
    with pytest.raises(StateError, match="read only"), reader.writing():
        pass
