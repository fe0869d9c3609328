import itertools
from collections.abc import Callable

import pytest

from customer_profiles.settings import Settings
from customer_profiles_tests.pipeline.whole_runs import Undisturbed, make_undisturbed, run
from customer_profiles_tests.postgres_server import PostgresServer


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return make_undisturbed(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="session")
def on_postgres(undisturbed: Undisturbed, postgres_server: PostgresServer) -> Settings:
    """The state of `undisturbed.from_scratch` on Postgres; to be read, not written."""
    served = undisturbed.at(postgres_server.create_database("whole_run"))
    run(served)
    return served


@pytest.fixture(scope="session")
def new_name() -> Callable[[], str]:
    """Names of states that no other test uses."""
    numbers = itertools.count()
    return lambda: f"state_{next(numbers)}"
