"""Migrations give the tables that the code describes, on both engines; the report tells how a state is."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from customer_profiles.cli.migrations import load_all_tables
from customer_profiles.state import revisions
from customer_profiles.state.engine import KeyFor, State, Store
from customer_profiles.state.errors import SchemaError
from customer_profiles.state.migrate import check, migrate
from customer_profiles.state.schema import METADATA, DataClass, Owner
from customer_profiles.state.sequences import reserve


@pytest.fixture(params=["sqlcipher", "postgres"])
def bare_state(request: pytest.FixtureRequest, tmp_path: Path, key_for: KeyFor) -> Iterator[State]:
    """A state without any table."""
    if request.param == "sqlcipher":
        url = f"sqlite:{tmp_path / 'bare'}"
    else:
        url = request.getfixturevalue("postgres_url")
    with State.open(url, key_for, wait_seconds=20) as state:
        yield state


def _set_revision(state: State, store: Store, revision: str) -> None:
    with state.writing(store) as connection:
        connection.exec_driver_sql(f"UPDATE {store}_revision SET version_num = '{revision}'")


def test_the_migrations_give_the_tables_that_the_code_describes(bare_state: State) -> None:
    load_all_tables()
    migrate(bare_state)
    for store in Store:
        with bare_state.writing(store) as connection:
            assert revisions.differences(connection, store) == [], "run: make migration"


def test_migrating_twice_changes_nothing(bare_state: State) -> None:
    migrate(bare_state)
    with bare_state.writing() as connection:
        reserve(connection, "record", 4)
    migrate(bare_state)
    with bare_state.writing() as connection:
        assert reserve(connection, "record") == 5


def test_a_state_made_by_a_newer_version_is_refused_and_left_alone(bare_state: State) -> None:
    migrate(bare_state)
    _set_revision(bare_state, Store.TRUST, "9999")
    with pytest.raises(SchemaError, match="trust store is at revision 9999"):
        migrate(bare_state)
    (report,) = (store for store in check(bare_state).stores if store.store == Store.TRUST)
    assert (report.standing, report.well, report.revision) == ("ahead", False, "9999")


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    bare_state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    def half(connection: object, store: Store) -> None:
        upgrade(connection, store)  # type: ignore[arg-type]
        raise RuntimeError

    upgrade = revisions.upgrade
    monkeypatch.setattr(revisions, "upgrade", half)
    with pytest.raises(RuntimeError):
        migrate(bare_state)
    assert {store.revision for store in check(bare_state).stores} == {None}
    monkeypatch.undo()
    migrate(bare_state)
    assert check(bare_state).well


def test_the_report_of_a_state_before_and_after_migrating(bare_state: State) -> None:
    before = check(bare_state)
    assert not before.well
    assert {store.standing for store in before.stores} == {"behind"}
    assert all("customer-profiles state migrate" in (store.problem or "") for store in before.stores)
    migrate(bare_state)
    after = check(bare_state, deep=True)
    assert after.well
    assert {(store.standing, store.damage, store.problem) for store in after.stores} == {
        ("current", (), None)
    }
    assert all(store.size_bytes > 0 for store in after.stores)
    if bare_state.dialect == "sqlite":
        assert (after.engine, after.tls) == ("sqlcipher", None)
        assert {store.encrypted for store in after.stores} == {True}
    else:
        assert (after.engine, after.tls) == ("postgres", False)  # loopback


def test_a_deep_check_finds_a_changed_byte(
    state_factory: Callable[[str], State], reopen: Callable[..., State]
) -> None:
    state = state_factory("sqlcipher")
    assert state.folder is not None
    state.close()
    file = state.folder / "state.db"
    content = bytearray(file.read_bytes())
    content[-2000] ^= 1
    file.write_bytes(content)
    damaged = reopen(state)
    (report,) = (store for store in check(damaged, deep=True).stores if store.store == Store.STATE)
    assert report.damage
    assert "backup" in (report.problem or "")
    assert not check(damaged, deep=True).well


def test_a_plain_file_is_told_apart_from_an_encrypted_one(state_factory: Callable[[str], State]) -> None:
    state = state_factory("sqlcipher")
    assert state.folder is not None
    with state.reading(Store.INBOX):
        pass
    (state.folder / "trust.db").write_bytes(b"SQLite format 3\x00" + bytes(100))
    report = check(state)
    assert {store.store: store.encrypted for store in report.stores}[Store.TRUST] is False
    assert not report.well


def test_two_first_runs_at_once_both_find_a_whole_state(
    bare_state: State, reopen: Callable[..., State]
) -> None:
    other = reopen(bare_state)
    with bare_state.writing() as connection:
        # The other one already saw that nothing was migrated and waits to write.
        revisions.upgrade(connection, Store.STATE)
    with other.writing() as connection:
        revisions.upgrade(connection, Store.STATE)
    migrate(other)
    assert check(bare_state).well


def test_threads_of_one_process_that_migrate_at_once_leave_every_table_in_its_own_store(
    bare_state: State, reopen: Callable[..., State]
) -> None:
    # As Dagster does it, which evaluates several sensors at once in one process.
    states = [bare_state, *(reopen(bare_state) for _ in range(3))]
    together = threading.Barrier(len(states))

    def begin(state: State) -> None:
        together.wait()
        migrate(state)

    with ThreadPoolExecutor(len(states)) as threads:
        list(threads.map(begin, states))
    load_all_tables()
    for store in Store:
        with bare_state.writing(store) as connection:
            assert revisions.differences(connection, store) == []


def test_every_table_has_a_name_of_its_own_over_all_stores() -> None:
    load_all_tables()
    names = [name for metadata in METADATA.values() for name in metadata.tables]
    names += [revisions.version_table(store) for store in Store]
    assert len(names) == len(set(names))


def test_every_column_says_whose_data_it_holds_and_of_what_class() -> None:
    load_all_tables()
    for metadata in METADATA.values():
        for table in metadata.tables.values():
            for column in table.columns:
                assert isinstance(column.info.get("owner"), Owner), column
                assert isinstance(column.info.get("data_class"), DataClass), column
