"""A process killed in the middle of a transaction leaves the state as it was before."""

import hashlib
import subprocess
import sys
from collections.abc import Callable

import pytest

from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.engine import State, Store
from customer_profiles.state.sequences import reserve

WRITER = """
import hashlib, sys
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.cursors import move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.sequences import reserve

state = State.open(sys.argv[1], lambda name: hashlib.sha256(f"test key of {name}".encode()).digest())
for batch in range(1, 1000):
    with state.writing() as connection:
        reserve(connection, "record", 10)
        insert_rows(connection, "sequence", ("name", "next_number"),
                    [(f"{batch}/{i:06d}", batch) for i in range(int(sys.argv[2]))])
        move_cursor(connection, read_cursor(connection, "ingest"), batch)
        print("written", batch, flush=True)
        sys.stdin.readline()
    print("committed", batch, flush=True)
"""


@pytest.fixture
def writer(state: State) -> Callable[[int], subprocess.Popen[str]]:
    def start(rows: int) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", WRITER, state.url, str(rows)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    return start


# Of 200,000 rows some are in the write-ahead log already when the process dies.
@pytest.mark.parametrize("rows", [10, 200_000])
def test_a_writer_killed_before_its_commit_leaves_the_batch_before(
    state: State, writer: Callable[[int], subprocess.Popen[str]], rows: int
) -> None:
    process = writer(rows)
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stdout.readline() == "written 1\n"
    process.stdin.write("go on\n")
    process.stdin.flush()
    assert process.stdout.readline() == "committed 1\n"
    assert process.stdout.readline() == "written 2\n"
    process.kill()
    process.communicate()

    with state.writing() as connection:  # waits for nobody: the lock died with its holder
        assert read_cursor(connection, "ingest").position == 1
        assert reserve(connection, "record", 0) == 11
        of_batches = "SELECT next_number, count(*) FROM sequence WHERE name LIKE '%/%' GROUP BY 1"
        assert [tuple(row) for row in connection.exec_driver_sql(of_batches.replace("%", "%%") if
                state.dialect == "postgresql" else of_batches)] == [(1, rows)]  # fmt: skip
    with state.writing(Store.TRUST) as connection:
        assert reserve(connection, "statement") == 1


def test_the_keys_of_the_writer_are_those_of_the_fixture(key_for: Callable[[str], bytes]) -> None:
    assert key_for("state/state") == hashlib.sha256(b"test key of state/state").digest()
