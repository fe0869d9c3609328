"""What every test may ask for: an empty state on either engine, and more of them; a Postgres server."""

import hashlib
import shutil
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Literal

import hypothesis
import pytest
import sqlalchemy as sa

from customer_profiles.cli.migrations import load_all_tables
from customer_profiles.state import revisions
from customer_profiles.state.engine import KeyFor, State
from customer_profiles.state.schema import METADATA, Store
from customer_profiles_tests.postgres_server import PostgresServer, start_postgres

Engine = Literal["sqlcipher", "postgres"]

# A busy machine makes an example slow, not wrong; and our examples begin on an empty table of the same state.
hypothesis.settings.register_profile(
    "untimed",
    deadline=None,
    suppress_health_check=[hypothesis.HealthCheck.too_slow, hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("untimed")


def _key_for(name: str) -> bytes:
    return hashlib.sha256(f"test key of {name}".encode()).digest()


def _make_tables(state: State) -> None:
    """Every floor's tables that exist."""
    load_all_tables()
    for store in Store:
        with state.writing(store) as connection:
            if state.dialect == "postgresql":
                connection.exec_driver_sql(f"CREATE SCHEMA {store}")
                connection.exec_driver_sql(f"SET LOCAL search_path TO {store}")
            METADATA[store].create_all(connection)
            revisions.stamp(connection, store)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A Postgres of this run's own, on loopback."""
    with start_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def _postgres_template(postgres_server: PostgresServer) -> str:
    url = postgres_server.create_database("template_state")
    with State.open(url, _key_for) as state:
        _make_tables(state)
    return "template_state"


@pytest.fixture(scope="session")
def _sqlcipher_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template") / "state"
    with State.open(f"sqlite:{folder}", _key_for) as state:
        _make_tables(state)
    return folder


@pytest.fixture
def key_for() -> KeyFor:
    """The keys that the states of these fixtures open with."""
    return _key_for


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> Iterator[str]:
    """The URL of a new database without any table."""
    url = postgres_server.create_database()
    yield url
    postgres_server.drop_database(url)


@pytest.fixture
def state_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[Engine], str]]:
    """Gives the URL of a new empty state with every table, on the engine that is asked for."""
    numbers, databases = count(1), []

    def make(engine: Engine) -> str:
        if engine == "sqlcipher":
            folder = tmp_path / f"state_{next(numbers)}"
            shutil.copytree(request.getfixturevalue("_sqlcipher_template"), folder)
            return f"sqlite:{folder}"
        server: PostgresServer = request.getfixturevalue("postgres_server")
        databases.append(server.create_database(template=request.getfixturevalue("_postgres_template")))
        return databases[-1]

    yield make
    for url in databases:
        request.getfixturevalue("postgres_server").drop_database(url)


@pytest.fixture
def state_factory(state_url: Callable[[Engine], str]) -> Iterator[Callable[[Engine], State]]:
    """Gives new empty states with every table, on the engine asked for: `state_factory("postgres")`."""
    opened: list[State] = []

    def make(engine: Engine) -> State:
        opened.append(State.open(state_url(engine), _key_for, wait_seconds=20))
        return opened[-1]

    yield make
    for state in opened:
        state.close()


@pytest.fixture
def reopen() -> Iterator[Callable[..., State]]:
    """Opens a state a second time, as another process would: `reopen(state, read_only=True)`."""
    opened: list[State] = []

    def make(state: State, *, read_only: bool = False, wait_seconds: float = 20) -> State:
        opened.append(State.open(state.url, _key_for, read_only=read_only, wait_seconds=wait_seconds))
        return opened[-1]

    yield make
    for state in opened:
        state.close()


@pytest.fixture(params=["sqlcipher", "postgres"])
def state(request: pytest.FixtureRequest, state_factory: Callable[[Engine], State]) -> State:
    """An empty state with every table; the test runs once on each engine."""
    return state_factory(request.param)


@pytest.fixture
def table_rows() -> Callable[[State, str], list[tuple[object, ...]]]:
    """All rows of a table, sorted: `table_rows(state, "record")`."""

    def rows(state: State, table: str) -> list[tuple[object, ...]]:
        with state.everything() as connection:
            found = connection.execute(sa.text(f'SELECT * FROM "{table}"')).all()
        return sorted((tuple(row) for row in found), key=repr)

    return rows
