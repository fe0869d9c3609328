"""Nothing that was written can be read from the files or from error messages."""

import traceback
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles.state.bulk import insert_rows, upsert_rows
from customer_profiles.state.engine import State

SECRET = "ada.lovelace@example.com"
people = sa.Table(
    "people",
    sa.MetaData(),
    sa.Column("number", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("email", sa.Text, unique=True, nullable=False),
    sa.CheckConstraint("length(email) < 100", name="short"),
)


@pytest.fixture
def filled(state: State) -> State:
    with state.writing() as connection:
        people.create(connection)
        insert_rows(connection, people, ("number", "email"), [(1, SECRET)])
    return state


def test_the_files_hold_no_plain_text(state_factory: Callable[[str], State]) -> None:
    state = state_factory("sqlcipher")
    assert state.folder is not None
    with state.writing() as connection:
        people.create(connection)
    with state.writing() as connection:
        insert_rows(connection, people, ("number", "email"), [(i, f"{i}{SECRET}") for i in range(20_000)])
        # A sort that large would spill to a temporary file, were one allowed.
        connection.exec_driver_sql("SELECT email FROM people ORDER BY email || number").all()
        _assert_nothing_plain(state.folder)
    _assert_nothing_plain(state.folder)
    assert any(file.name.endswith("-wal") and file.stat().st_size for file in state.folder.iterdir())
    state.close()
    _assert_nothing_plain(state.folder)


def _assert_nothing_plain(folder: Path) -> None:
    for file in folder.iterdir():
        content = file.read_bytes()
        for plain in (
            SECRET.encode(),
            SECRET.encode("utf-16-le"),
            b"people",
            b"CREATE TABLE",
            b"SQLite format",
        ):
            assert plain not in content, file.name


@pytest.mark.parametrize(
    "mistake",
    [
        lambda c: insert_rows(c, people, ("number", "email"), [(2, SECRET)]),
        lambda c: insert_rows(c, people, ("number", "email"), [(2, SECRET * 10)]),
        lambda c: upsert_rows(c, people, ("number", "email"), [(2, SECRET)], key="number", replace=["email"]),
        lambda c: c.execute(people.insert().values(number=2, email=SECRET)),
        lambda c: c.execute(people.insert().values(number=2, email=SECRET * 10)),
        lambda c: c.execute(sa.text("SELECT no_such_function(:email)"), {"email": SECRET}),
        lambda c: c.execute(people.select().where(people.c.nothing == SECRET)),
    ],
)
def test_no_error_tells_a_value(filled: State, mistake: Callable[[sa.Connection], object]) -> None:
    with pytest.raises((sa.exc.SQLAlchemyError, AttributeError)) as told, filled.writing() as connection:
        mistake(connection)
    assert "lovelace" not in "".join(traceback.format_exception(told.value))


def test_a_value_of_the_wrong_type_is_not_told_either(state_factory: Callable[[str], State]) -> None:
    state = state_factory("postgres")
    with state.writing() as connection:
        people.create(connection)
    for mistake in (
        lambda c: insert_rows(c, people, ("number", "email"), [(SECRET, "x")]),
        lambda c: upsert_rows(c, people, ("number", "email"), [(SECRET, "x")], key="number"),
        lambda c: c.exec_driver_sql("SELECT CAST(%s AS BIGINT)", (SECRET,)),
    ):
        with pytest.raises(sa.exc.DBAPIError) as told, state.writing() as connection:
            mistake(connection)
        assert "lovelace" not in "".join(traceback.format_exception(told.value))


def test_a_clash_still_names_the_rule(filled: State) -> None:
    with pytest.raises(sa.exc.IntegrityError, match="email"), filled.writing() as connection:
        insert_rows(connection, people, ("number", "email"), [(2, SECRET)])
