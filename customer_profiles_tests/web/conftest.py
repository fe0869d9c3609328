"""A served collector on either engine."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from customer_profiles.state.engine import State
from customer_profiles_tests.web.serving import Served, serving, settings_with


@pytest.fixture
def collector(state: State, tmp_path: Path) -> Iterator[Served]:
    """A collector with the limits of a default installation; the test runs once on each engine."""
    with serving(state, settings_with(tmp_path)) as served:
        yield served
