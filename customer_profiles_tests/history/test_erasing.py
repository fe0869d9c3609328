"""A record is taken out of the history: its rows, its events, and every copy of the files that held them."""

import shutil
from pathlib import Path

import pytest

from customer_profiles.cleaning.erase_history import erase_from_history
from customer_profiles.cleaning.sealed_events import sealed_among
from customer_profiles.state.engine import State
from customer_profiles.state.history.files import SegmentError
from customer_profiles.state.history.history import History
from customer_profiles.state.history.manifest import partition_of
from customer_profiles_tests.history.made import (
    accumulate,
    everything,
    files_of,
    history_in,
    named,
    pages,
    seal,
)
from customer_profiles_tests.marts.made import drain, interactions


@pytest.fixture
def history(tmp_path: Path) -> History:
    return history_in(tmp_path / "history")


@pytest.fixture
def sealed(state: State, history: History) -> State:
    rows = [{**one, "event_id": f"m{number}"} for number, one in enumerate(pages(range(1_000)))]
    interactions(state, rows)
    drain(accumulate(state, history))
    seal(state, history, 250)
    return state


def test_only_the_files_of_the_record_are_written_anew(sealed: State, history: History) -> None:
    before, files = everything(sealed, history), named(sealed, history)

    erased = erase_from_history(sealed, history, [7])

    assert erased.interactions == 25
    assert everything(sealed, history) == [row for row in before if row[3] != 7]
    own = f"{partition_of(7):02d}-"
    assert {path for path in named(sealed, history) ^ files if not path.name.startswith(own)} == set()
    assert files_of(history) == named(sealed, history)
    with sealed.reading() as connection:
        gone = [f"m{number}" for number in range(1_000) if 1 + number % 40 == 7]
        assert sealed_among(connection, "web", gone) == {}
        assert len(sealed_among(connection, "web", [f"m{number}" for number in range(1_000)])) == 975
    assert erase_from_history(sealed, history, [7]).interactions == 0


def test_no_copy_of_a_file_that_held_the_record_opens_any_more(
    sealed: State, history: History, tmp_path: Path
) -> None:
    shutil.copytree(history.folder, tmp_path / "backup")
    partitions = [partition_of(number) for number in range(1, 41)]
    one = next(number for number, own in enumerate(partitions, 1) if partitions.count(own) > 1)
    before = named(sealed, history)

    erase_from_history(sealed, history, [one])

    (new,) = named(sealed, history) - before
    for old in (tmp_path / "backup").rglob(f"{partition_of(one):02d}-*.parquet"):
        shutil.copy(old, new)
        with pytest.raises(SegmentError, match="cut or changed"):
            everything(sealed, history)


def test_a_partition_of_one_record_is_gone_with_it(state: State, history: History) -> None:
    interactions(state, pages(range(30), records=1))
    drain(accumulate(state, history))
    seal(state, history)

    assert erase_from_history(state, history, [1]).segments == 1

    assert named(state, history) == files_of(history) == set()
    assert everything(state, history) == []
