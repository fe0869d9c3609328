"""A segment that is missing, cut or changed is named, and nothing is done without it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from customer_profiles.pipeline.history import history_status
from customer_profiles.state.engine import State
from customer_profiles.state.errors import StateError
from customer_profiles.state.history.files import SegmentError, SegmentMissing
from customer_profiles.state.history.history import History
from customer_profiles_tests.history.made import (
    accumulate,
    begun,
    everything,
    files_of,
    history_in,
    marts,
    named,
    pages,
    rebuilt,
    seal,
    sealing,
)
from customer_profiles_tests.marts.made import drain, interactions


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def change_a_byte(path: Path) -> None:
    held = bytearray(path.read_bytes())
    held[len(held) // 3] ^= 1
    path.write_bytes(bytes(held))


def replace_by_another(path: Path) -> None:
    other = next(one for one in sorted(path.parent.iterdir()) if one != path)
    path.write_bytes(other.read_bytes())


DAMAGES = [cut, empty, change_a_byte, replace_by_another]


@pytest.fixture
def history(tmp_path: Path) -> History:
    return history_in(tmp_path / "history")


@pytest.fixture
def sealed(state: State, history: History) -> State:
    interactions(state, pages(range(400)))
    drain(accumulate(state, history))
    seal(state, history)
    return state


def test_a_missing_segment_is_named_and_what_to_do_and_all_goes_on_once_it_is_back(
    sealed: State, history: History, tmp_path: Path
) -> None:
    lost = sorted(named(sealed, history))[3]
    elsewhere = lost.rename(tmp_path / "elsewhere")
    generation = begun(sealed)
    building = accumulate(sealed, history, generation)

    with pytest.raises(SegmentMissing, match=f"{lost.name} is missing. Put the file back from a backup"):
        drain(building, 50)
    assert (
        history_status(sealed, history, 90).problems
        == history_status(sealed, history, 90, deep=True).problems
    )
    assert lost.name in history_status(sealed, history, 90).problems[0]

    elsewhere.rename(lost)
    drain(building, 50)
    assert marts(sealed, generation) == marts(sealed, 1)
    assert history_status(sealed, history, 90, deep=True).well


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_segment_is_named_by_whoever_reads_it(
    sealed: State, history: History, damage: Callable[[Path], None]
) -> None:
    path = sorted(named(sealed, history))[0]
    whole = path.read_bytes()
    damage(path)

    with pytest.raises(SegmentError, match=f"{path.name} was cut or changed"):
        rebuilt(sealed, history)
    with pytest.raises(SegmentError, match=f"{path.name} was cut or changed"):
        everything(sealed, history)
    assert [path.name in problem for problem in history_status(sealed, history, 90, deep=True).problems] == [
        True
    ]

    path.write_bytes(whole)
    assert rebuilt(sealed, history) == marts(sealed, 1)


def test_every_byte_of_a_segment_counts(state_factory: Callable[..., State], history: History) -> None:
    state = state_factory("sqlcipher")
    interactions(state, pages(range(40), records=1))
    drain(accumulate(state, history))
    seal(state, history)
    (path,) = named(state, history)
    whole = path.read_bytes()

    for place in range(4, len(whole), 7):  # the first four only say that it is encrypted Parquet
        held = bytearray(whole)
        held[place] ^= 0x55
        path.write_bytes(bytes(held))
        assert len(history.verify(state)) == 1, place
    path.write_bytes(whole)
    assert history.verify(state) == []


def test_merging_a_damaged_segment_changes_nothing(state: State, history: History) -> None:
    interactions(state, pages(range(400), records=4))
    drain(accumulate(state, history))
    stage = sealing(state, history)
    while stage.advance(80).more:
        pass
    path = sorted(named(state, history))[0]
    whole, before = path.read_bytes(), named(state, history)
    change_a_byte(path)

    with pytest.raises(SegmentError, match=path.name):
        history.compact(state)

    assert path in named(state, history)
    path.write_bytes(whole)
    assert history.compact(state).merged
    assert before > named(state, history) or named(state, history).isdisjoint(before)
    assert files_of(history) >= named(state, history)
    assert rebuilt(state, history) == marts(state, 1)


def test_a_folder_that_cannot_be_written_keeps_everything_in_the_database(
    state: State, history: History, tmp_path: Path
) -> None:
    interactions(state, pages(range(50)))
    drain(accumulate(state, history))
    before = everything(state, history)
    (tmp_path / "history").write_text("a file where the folder should be")

    with pytest.raises(StateError, match="cannot be written"):
        sealing(state, history).advance()

    (tmp_path / "history").unlink()
    assert everything(state, history) == before
