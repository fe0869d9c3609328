"""An event that comes again counts once, also when its interaction is long sealed; a late one still counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from customer_profiles.pipeline.history import keep_history
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.history.history import History
from customer_profiles_tests.cleaning.made import (
    NOW,
    assert_adds_up,
    rows_of,
    settings_of,
    stage_of,
    write_lines,
)
from customer_profiles_tests.cleaning.made import drain as drain_ingest
from customer_profiles_tests.cleaning.test_interactions import WEB, event
from customer_profiles_tests.history.made import accumulate, history_in, marts, rebuilt, sealing
from customer_profiles_tests.marts.made import drain

LATER = NOW + 120 * 24 * 60 * 60 * 1_000_000


@pytest.fixture
def history(tmp_path: Path) -> History:
    return history_in(tmp_path / "history")


@pytest.fixture
def take_in(state: State, history: History, tmp_path: Path) -> Callable[..., Any]:
    """Events of a file into the marts, at a moment."""

    def take(
        name: str, events: list[dict[str, Any]], now: int = NOW, settings: Settings | None = None
    ) -> Any:
        write_lines(tmp_path / f"web/{name}.jsonl", events)
        stage = stage_of(state, settings or settings_of(WEB, tmp_path), "interaction", now=now)
        result = drain_ingest(stage)
        drain(accumulate(state, history))
        return result

    return take


def test_a_sealed_event_delivered_again_is_a_duplicate(
    state: State, history: History, take_in: Callable[..., Any]
) -> None:
    take_in("a", [event(number) for number in range(30)])
    assert keep_history(state, history, sealing(state, history, now=LATER)).sealed.applied == 30

    # Also with another time and another record: it is the event that counts once.
    again = [event(3, timestamp="2027-02-01T10:00:00Z"), event(4, anonymousId="v2"), event(31), event(31)]
    result = take_in("b", again, now=LATER)

    assert (result.received, result.applied, result.duplicate) == (4, 1, 3)
    assert rows_of(state, "SELECT event_id FROM interaction") == ["m31"]
    assert rows_of(state, "SELECT sum(count) FROM bucket WHERE grain = 'lifetime'") == [31]
    assert rebuilt(state, history) == marts(state, 1)
    assert_adds_up(state)


def test_a_late_event_counts_after_its_time_was_sealed(
    state: State, history: History, take_in: Callable[..., Any]
) -> None:
    take_in("a", [event(number) for number in range(10)])
    keep_history(state, history, sealing(state, history, now=LATER))

    result = take_in("b", [event(10, timestamp="2026-10-01T09:00:00Z")], now=LATER)
    assert result.applied == 1
    assert rows_of(state, "SELECT sum(count) FROM bucket WHERE grain = 'lifetime'") == [11]
    assert keep_history(state, history, sealing(state, history, now=LATER)).sealed.applied == 1
    assert rebuilt(state, history) == marts(state, 1)
    assert take_in("c", [event(10, timestamp="2026-10-01T09:00:00Z")], now=LATER).duplicate == 1
