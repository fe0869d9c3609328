"""The index of the graph in sorted runs: what it says after any batches, and what merging runs costs."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_profiles.identity.edges import index_parts as made
from customer_profiles.identity.edges import parts_read as read
from customer_profiles.identity.edges.index import Index
from customer_profiles.identity.edges.index_parts import KINDS, Entries, content_parts, key_parts
from customer_profiles.identity.tables import index_run
from customer_profiles.state.engine import State
from customer_profiles_tests.conftest import Engine

KEYS, CONTENTS = 8, 4
"""What a part holds here, so that a few dozen entries are many parts."""
FOLDED, SHELF = 3, 12
"""So large are here the smallest parts that are kept folded, and the shelves that they stand on."""


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(made, "KEYS_A_PART", KEYS)
    monkeypatch.setattr(made, "CONTENTS_A_PART", CONTENTS)
    monkeypatch.setattr(read, "WORTH_FOLDING", FOLDED)
    monkeypatch.setattr(read, "SHELF_ROWS", SHELF)
    monkeypatch.setattr(read, "WORTH_A_BOOK", 2)


@dataclass
class Kept:
    """An index, and in plain sets what it has to say; the copies of its contents are the pairs once more."""

    state: State
    generation: int
    pairs: set[tuple[int, int]] = field(default_factory=set)
    said: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.index = Index(self.generation)

    def batch(self, pairs: set[tuple[int, int]], said: Mapping[int, str | None]) -> int:
        """Add the pairs that are not there and take back those that are; the same with what contents say.

        Returns:
            How many rows merging wrote.
        """
        new, gone = sorted(pairs - self.pairs), sorted(pairs & self.pairs)
        rows = [{"content_no": number, "gone": word is None, "says": word} for number, word in said.items()]
        table = pa.Table.from_pylist(rows, _SCHEMA).sort_by("content_no")
        with self.state.writing() as connection:
            if pairs:
                entries = Entries.of(*_columns(new), *_columns(gone))
                self.index.write(connection, "key", key_parts(entries))
                self.index.write(connection, "copy", key_parts(entries))
            self.index.write(connection, "content", content_parts(table))
            before = _parts(connection)
            self.index.merge(connection)
            written = sum(rows for part, rows in _parts(connection).items() if part not in before)
        self.pairs ^= pairs
        for number, word in said.items():
            if word is None:
                self.said.pop(number, None)
            else:
                self.said[number] = word
        return written

    def runs(self) -> dict[str, int]:
        """How many runs there are of each kind."""
        with self.state.reading() as connection:
            there = {(kind, run) for kind, run, _ in _parts(connection)}
        return {kind: sum(one == kind for one, _ in there) for kind in KINDS}

    def check(self, index: Index) -> None:
        """Whether an index says it all, and each part of it when asked for that."""
        keys = np.unique(np.array([*{key for key, _ in self.pairs}, -99, 99], dtype=np.int64))
        numbers = np.unique(np.array([*self.said, -99, 99], dtype=np.int64))
        with self.state.reading() as connection:
            index.refresh(connection)
            everything = index.everything(connection)
            counts = index.counts(connection, keys)
            places, contents = counts.holders(np.ones(len(keys), dtype=np.bool_))
            found = index.contents(connection, numbers)
            copied, records = index.copies(connection, keys)
        for entries in (everything.keys, everything.copies):
            told = list(zip(entries.keys.tolist(), entries.contents.tolist(), strict=True))
            assert told == sorted(self.pairs)
        assert set(zip(copied.tolist(), records.tolist(), strict=True)) == self.pairs
        assert set(zip(keys[places].tolist(), contents.tolist(), strict=True)) == self.pairs
        assert counts.counts.tolist() == [sum(key == one for one, _ in self.pairs) for key in keys]
        for rows in (everything.contents, found):
            said = [] if rows is None else rows.to_pylist()
            assert {row["content_no"]: row["says"] for row in said} == self.said


_SCHEMA = pa.schema([("content_no", pa.int64()), ("gone", pa.bool_()), ("says", pa.string())])


def _columns(pairs: list[tuple[int, int]]) -> tuple[Any, Any]:
    return tuple(np.array([pair[at] for pair in pairs], dtype=np.int64) for at in (0, 1))  # type: ignore[return-value]


def _parts(connection: sa.Connection) -> dict[tuple[str, int, int], int]:
    named = (index_run.c.kind, index_run.c.run_no, index_run.c.part_no, index_run.c.rows)
    return {(kind, run, part): rows for kind, run, part, rows in connection.execute(sa.select(*named))}


@pytest.fixture(params=["sqlcipher", "postgres"])
def state(request: pytest.FixtureRequest, state_factory: Callable[[Engine], State]) -> State:
    return state_factory(request.param)


BATCHES = st.lists(
    st.tuples(
        st.sets(st.tuples(st.integers(-9, 9), st.integers(0, 30)), max_size=25),
        st.dictionaries(st.integers(0, 40), st.none() | st.sampled_from("abc"), min_size=1, max_size=10),
    ),
    min_size=1,
    max_size=12,
)


@pytest.mark.slow
@given(batches=BATCHES, data=st.data())
@settings(max_examples=40)
def test_after_any_batches_it_says_what_is_there(
    state: State, batches: list[tuple[set[tuple[int, int]], dict[int, str | None]]], data: st.DataObject
) -> None:
    with state.writing() as connection:
        connection.execute(index_run.delete())
    kept, beside = Kept(state, 1), Index(1)
    for pairs, said in batches:
        kept.batch(pairs, said)
        if data.draw(st.booleans(), label="somebody reads on meanwhile"):
            kept.check(beside)
    kept.check(kept.index)
    kept.check(beside)
    kept.check(Index(1))


@pytest.mark.slow
def test_what_a_batch_merges_does_not_grow_with_the_index(state: State) -> None:
    dice, kept = random.Random(7), Kept(state, 1)

    def most_written(batches: int) -> int:
        return max(
            kept.batch(
                {(dice.randrange(-(10**6), 10**6), dice.randrange(10**6)) for _ in range(6)},
                {dice.randrange(10**6): "new" for _ in range(3)},
            )
            for _ in range(batches)
        )

    assert most_written(100) <= 20 * KEYS
    assert most_written(100) <= 20 * KEYS  # of 75 parts by then, and 150 at the end
    assert max(kept.runs().values()) <= 8
    kept.check(Index(1))


def test_all_that_hold_a_key_stand_in_one_part() -> None:
    held = Entries(np.repeat(np.array([1, 2, 3], dtype=np.int64), [3, 20, 5]), np.arange(28, dtype=np.int64))
    assert [(least, most, rows) for least, most, rows, _ in key_parts(held)] == [(1, 2, 23), (3, 3, 5)]


def test_a_key_that_an_older_version_cut_in_two_parts_is_merged_as_one(state: State) -> None:
    kept = Kept(state, 1)
    pairs = {(5, content) for content in range(40)}
    with state.writing() as connection:
        for contents in (range(20), range(20, 40)):  # one run
            one = Entries(np.full(20, 5, dtype=np.int64), np.array(contents, dtype=np.int64))
            kept.index._write_parts(connection, "key", 1, [(5, 5, 20, one.to_bytes())])
            kept.index._write_parts(connection, "copy", 2, [(5, 5, 20, one.to_bytes())])
    kept.pairs = set(pairs)
    kept.batch({(5, 3), (5, 30), *((5, content) for content in range(50, 70))}, {1: "a"})
    kept.batch({(5, content) for content in range(60, 80)}, {2: "b"})
    kept.batch({(5, content) for content in range(30, 90)}, {3: "c"})

    assert kept.runs()["key"] == 1
    kept.check(kept.index)


def test_no_more_than_one_shelf_is_read_while_another_is_folded(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = Kept(state, 1)
    kept.batch(set(), dict.fromkeys(range(5 * SHELF), "a"))
    unfolded: list[int] = []

    class Waits:
        """A thread that does not come to its work until somebody needs what that gives."""

        def __init__(self, _threads: int) -> None:
            pass

        def __enter__(self) -> Any:
            return self

        def __exit__(self, *_: object) -> None:
            pass

        def submit(self, fold: Callable[[Any], Any], read: Any) -> Any:
            waiting.append(read)
            unfolded.append(len(waiting))

            def result() -> Any:
                waiting.remove(read)
                return fold(read)

            return SimpleNamespace(result=result)

    waiting: list[Any] = []
    monkeypatch.setattr(read, "ThreadPoolExecutor", Waits)
    index = Index(1)
    with state.reading() as connection:
        index.refresh(connection)
        found = index.contents(connection, np.arange(5 * SHELF, dtype=np.int64))

    assert found is not None and found.num_rows == 5 * SHELF
    assert len(unfolded) >= 5
    assert max(unfolded) == 1
