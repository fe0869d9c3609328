"""An event that comes again counts once, also when its interaction is long sealed; a late one still counts."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from customer_profiles.cleaning.erase_history import erase_from_history
from customer_profiles.pipeline.history import keep_history
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.errors import StateError
from customer_profiles.state.generations import abandon_generation
from customer_profiles.state.history.history import History
from customer_profiles.state.history.manifest import partition_of, segments
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
from customer_profiles_tests.history.made import (
    COLUMNS,
    accumulate,
    begun,
    everything,
    exported,
    history_in,
    marts,
    rebuilt,
    sealing,
)
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


SHOP = WEB.replace("record_key: userId", "record_key: accountId").replace(
    "channel: {value: web}", "channel: {value: shop}"
)
"""Another reading of the same rows: other records, another channel."""


@pytest.fixture
def sealed(state: State, history: History, take_in: Callable[..., Any]) -> State:
    given = [event(number, userId=f"u{number % 7}", accountId=f"a{number % 11}") for number in range(60)]
    take_in("a", given)
    assert keep_history(state, history, sealing(state, history, now=LATER)).sealed.applied == 60
    return state


def test_a_changed_mapping_reads_sealed_events_anew(
    sealed: State, history: History, take_in: Callable[..., Any], tmp_path: Path
) -> None:
    result = take_in("b", [event(99)], LATER, settings_of(SHOP, tmp_path))

    assert (result.received, result.applied, result.facts["replaced"]) == (61, 61, 60)
    channels = "SELECT channel, sum(count) FROM bucket WHERE grain = 'lifetime' GROUP BY channel"
    assert rows_of(sealed, channels) == [("shop", 61)]
    accounts = (
        "SELECT count(DISTINCT record_no) FROM bucket JOIN record USING (record_no) WHERE source_key LIKE 'a%' "
        "AND source_key NOT LIKE 'anonymous%'"
    )
    assert rows_of(sealed, accounts) == [11]
    assert rebuilt(sealed, history) == marts(sealed, 1)
    assert_adds_up(sealed)


def test_what_is_read_anew_is_written_into_the_history_when_nothing_is_being_built(
    sealed: State, history: History, take_in: Callable[..., Any], tmp_path: Path
) -> None:
    take_in("b", [event(99)], LATER, settings_of(SHOP, tmp_path))
    held = everything(sealed, history)
    assert exported(sealed, history) == held
    generation = begun(sealed)
    assert keep_history(sealed, history, sealing(sealed, history, now=LATER)).corrected == 0
    assert everything(sealed, history) == held
    with sealed.writing() as connection:
        abandon_generation(connection, generation)

    assert keep_history(sealed, history, sealing(sealed, history, now=LATER)).corrected == 60

    assert rows_of(sealed, "SELECT count(*) FROM corrected_interaction") == [0]
    received = [name for name in COLUMNS].index("received_at")
    without = [[*row[:received], *row[received + 1 :]] for row in everything(sealed, history)]
    assert without == [[*row[:received], *row[received + 1 :]] for row in held]
    assert {row[received] for row in everything(sealed, history)[:60]} == {NOW}
    with sealed.reading() as connection:
        for segment in segments(connection):
            with history.opened([segment]) as (file,):
                found = {
                    one
                    for group in file.groups
                    for one in file.read(group, ["record_no"])["record_no"].to_pylist()
                }
            assert {partition_of(one) for one in found} == {segment.partition_no}
    assert rebuilt(sealed, history) == marts(sealed, 1)
    # The same reading again says nothing new.
    again = take_in("c", [], LATER, settings_of(SHOP + " " * 3, tmp_path))
    assert again.applied == 0


def test_an_erasure_takes_out_what_was_read_anew(
    sealed: State, history: History, take_in: Callable[..., Any], tmp_path: Path
) -> None:
    take_in("b", [], LATER, settings_of(SHOP, tmp_path))
    (number,) = rows_of(sealed, "SELECT record_no FROM record WHERE source_key = 'a3'")
    held = everything(sealed, history)

    generation = begun(sealed)
    with pytest.raises(StateError, match="while a rebuild goes on"):
        erase_from_history(sealed, history, [number])
    with sealed.writing() as connection:
        abandon_generation(connection, generation)
    erased = erase_from_history(sealed, history, [number])

    assert erased.interactions == sum(row[3] == number for row in held) == 6
    left = everything(sealed, history)
    assert [row[:3] for row in left] == [row[:3] for row in held if row[3] != number]
