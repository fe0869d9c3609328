"""Sealing and merging killed at every step: nothing is lost, nothing is there twice, and the next call ends the work."""

from collections.abc import Callable
from pathlib import Path

import pytest

from customer_profiles.cleaning.interactions import any_corrected
from customer_profiles.cleaning.tables import corrected_interaction
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.engine import State
from customer_profiles_tests.history.killing import AfterSealing, AtTheDisk, Point, keep_history_and_die
from customer_profiles_tests.history.made import (
    COLUMNS,
    accumulate,
    everything,
    files_of,
    history_in,
    in_database,
    marts,
    named,
    pages,
    rebuilt,
    seal,
)
from customer_profiles_tests.marts.made import drain, interactions
from customer_profiles_tests.pipeline.killing import Before, During

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("history_killed")]

LIMIT = 100
OLD = 500
RECORDS = 6
"""Few, so that a batch has few segments and the points are easy to count: two calls of fsync a file."""
FILES = 6
"""Files of one batch: so many partitions have these records."""

SEALING: list[Point] = [
    AtTheDisk("before", "fsync"),  # written, not synced
    AtTheDisk("after", "fsync"),  # synced, not named
    AtTheDisk("after", "rename"),  # named, the folder not synced
    AtTheDisk("after", "fsync", 2),  # one file whole, the others not begun
    AtTheDisk("before", "rename", FILES),  # in the middle of the last file
    During('DELETE FROM "interaction"'),  # rows gone, nothing committed
    Before('DELETE FROM "interaction"'),
    AfterSealing(1),
    Before('DELETE FROM "interaction"', 3),
    AfterSealing(5),  # all sealed, nothing merged
]

MERGING: list[Point] = [
    AtTheDisk("before", "fsync", 5 * FILES * 2 + 1),
    AtTheDisk("after", "rename", 5 * FILES + 1),
    Before('DELETE FROM "history_segment"'),  # merged, not committed
    Before('DELETE FROM "history_segment"', 3),
    AtTheDisk("before", "unlink"),  # merged and committed, all files still there
    AtTheDisk("after", "unlink", 2),  # some gone
    AtTheDisk("after", "unlink", 5 * FILES),
]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "history"


@pytest.fixture
def filled(state: State, folder: Path) -> State:
    interactions(state, [*pages(range(OLD), records=RECORDS), *pages(range(20), days_ago=3, records=RECORDS)])
    drain(accumulate(state, history_in(folder)))
    return state


@pytest.mark.parametrize("point", [*SEALING, *MERGING], ids=str)
def test_a_kill_loses_nothing_and_doubles_nothing(filled: State, folder: Path, point: Point) -> None:
    history = history_in(folder)
    before = everything(filled, history)

    keep_history_and_die(filled.url, folder, point, LIMIT)

    assert everything(filled, history) == before
    assert named(filled, history) <= files_of(history)
    assert rebuilt(filled, history, 70) == marts(filled, 1)
    seal(filled, history, LIMIT)
    assert everything(filled, history) == before
    assert files_of(history) == named(filled, history)
    assert in_database(filled) == 20


def test_killed_at_every_step_in_turn_it_ends_like_one_that_nobody_disturbed(
    filled: State, folder: Path
) -> None:
    history = history_in(folder)
    before = everything(filled, history)

    for point in SEALING:
        if in_database(filled) > 20 + LIMIT:
            keep_history_and_die(filled.url, folder, point, LIMIT // 4)
            assert everything(filled, history) == before
    seal(filled, history, LIMIT)

    assert everything(filled, history) == before
    assert files_of(history) == named(filled, history)
    assert rebuilt(filled, history) == marts(filled, 1)


@pytest.mark.parametrize(
    "point", [AtTheDisk("before", "unlink", 2), AtTheDisk("after", "unlink", 2)], ids=str
)
def test_killed_while_it_removes_orphans_it_goes_on_removing_them(
    filled: State, folder: Path, point: Point
) -> None:
    history = history_in(folder)
    before = everything(filled, history)
    keep_history_and_die(filled.url, folder, Before('DELETE FROM "interaction"'), LIMIT)
    assert len(files_of(history)) == FILES
    assert not named(filled, history)

    keep_history_and_die(filled.url, folder, point, LIMIT)

    left = FILES - 1 if point.when == "before" else FILES - 2
    assert len(files_of(history)) == left
    assert seal(filled, history, LIMIT).orphans == left
    assert files_of(history) == named(filled, history)
    assert everything(filled, history) == before


@pytest.mark.parametrize(
    "point",
    [
        AtTheDisk("after", "rename"),  # what is left is written, what moves is not
        AtTheDisk("after", "rename", 2),
        During('DELETE FROM "corrected_interaction"'),
        Before('DELETE FROM "corrected_interaction"', 2),
        AtTheDisk("before", "unlink"),
    ],
    ids=str,
)
def test_killed_while_it_writes_what_is_said_since_it_goes_on(
    filled: State, folder: Path, point: Point
) -> None:
    history = history_in(folder)
    seal(filled, history, 1_000)
    said = [(*row[:3], row[3] % RECORDS + 1, *row[4:]) for row in everything(filled, history)[:OLD:3]]
    with filled.writing() as connection:
        insert_rows(connection, corrected_interaction, COLUMNS, said)
    before = everything(filled, history)
    assert before != said

    keep_history_and_die(filled.url, folder, point, LIMIT)

    assert everything(filled, history) == before
    seal(filled, history, LIMIT)
    assert everything(filled, history) == before
    assert files_of(history) == named(filled, history)
    with filled.reading() as connection:
        assert not any_corrected(connection)


def test_files_look_like_orphans_to_an_older_state_and_are_kept_while_it_misses_others(
    state_factory: Callable[..., State], folder: Path
) -> None:
    state = state_factory("sqlcipher")
    history = history_in(folder)
    interactions(state, pages(range(OLD), records=RECORDS))
    drain(accumulate(state, history))
    seal(state, history, 50)
    missing = sorted(named(state, history))[0]
    stray = missing.with_name("99-stray.parquet")
    missing.rename(stray)

    assert history.remove_orphans(state) == 0
    assert stray.exists()
    stray.rename(missing)
    stray.write_bytes(b"")
    assert history.remove_orphans(state) == 1
    assert everything(state, history)
