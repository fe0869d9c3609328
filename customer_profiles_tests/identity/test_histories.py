"""Streaming equals rebuild, by random histories on the real stage; `make soak` runs thousands of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from customer_profiles.identity.edges import parts_read
from customer_profiles.state.engine import State
from customer_profiles_tests.conftest import Engine
from customer_profiles_tests.identity.histories import FOLDED, IDENTITY, STEPS, Histories
from customer_profiles_tests.identity.made import settings_with


@pytest.mark.slow
@pytest.mark.parametrize(("engine", "seed"), [("sqlcipher", 1), ("postgres", 101)])
def test_one_by_one_in_batches_and_rebuilt_give_the_same_graph_through_random_histories(
    engine: Engine,
    seed: int,
    state_factory: Callable[[Engine], State],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in FOLDED.items():
        monkeypatch.setattr(parts_read, name, value)
    histories = Histories(state_factory(engine), state_factory(engine), settings_with(tmp_path, **IDENTITY))
    for number in range(seed, seed + 2):
        histories.run(number, STEPS)
