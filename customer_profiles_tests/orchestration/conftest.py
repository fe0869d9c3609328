"""What every test of the Dagster layer has."""

from collections.abc import Iterator

import pytest
from dagster._core.storage.defs_state.base import set_defs_state_storage


@pytest.fixture(autouse=True)
def _no_instance_of_another_test() -> Iterator[None]:
    """Dagster asks the instance that was opened last when it loads definitions, also one that is gone."""
    with set_defs_state_storage(None):
        yield
