import itertools
from collections.abc import Callable

import pytest

from customer_profiles_tests.pipeline.whole_runs import Undisturbed, make_undisturbed


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    return make_undisturbed(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="session")
def new_name() -> Callable[[], str]:
    """Names of states that no other test uses."""
    numbers = itertools.count()
    return lambda: f"state_{next(numbers)}"
