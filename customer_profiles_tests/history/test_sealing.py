"""Old interactions leave the database, and whoever reads interactions finds the same as before."""

import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles.cleaning.sealed_events import REPLACED, sealed_among
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.marts.recount import read_buckets
from customer_profiles.marts.windows import counting_of
from customer_profiles.monitoring.ledger import ledger_check
from customer_profiles.state.engine import State
from customer_profiles.state.errors import CursorMoved, StateError
from customer_profiles.state.history.history import History
from customer_profiles.state.history.manifest import PARTITIONS, partition_of, segments, totals
from customer_profiles.state.sequences import reserve
from customer_profiles_tests.history.made import (
    accumulate,
    begun,
    everything,
    files_of,
    history_in,
    in_database,
    marts,
    named,
    pages,
    rebuilt,
    seal,
    sealing,
)
from customer_profiles_tests.marts.made import drain, interactions
from customer_profiles_tests.marts.made import settings as company


@pytest.fixture
def history(tmp_path: Path) -> History:
    return history_in(tmp_path / "history")


def test_what_is_old_leaves_the_database_and_is_all_there(state: State, history: History) -> None:
    interactions(state, [*pages(range(3_000)), *pages(range(50), days_ago=10)])
    drain(accumulate(state, history))
    before = everything(state, history)

    kept = seal(state, history)

    assert (kept.sealed.applied, in_database(state)) == (3_000, 50)
    assert everything(state, history) == before
    assert files_of(history) == named(state, history)
    with state.reading() as connection:
        assert totals(connection).rows == 3_000
        assert ledger_check(connection).adds_up
    assert seal(state, history).sealed.applied == 0


def test_what_the_live_generation_has_not_read_stays(state: State, history: History) -> None:
    interactions(state, pages(range(100)))
    stage = accumulate(state, history)
    stage.advance(60)

    assert seal(state, history).sealed.applied == 60
    drain(stage)
    assert seal(state, history).sealed.applied == 40
    assert rebuilt(state, history) == marts(state, 1)


def test_a_segment_holds_only_records_of_its_partition(state: State, history: History) -> None:
    interactions(state, pages(range(500)))
    drain(accumulate(state, history))
    seal(state, history, limit=100)

    with state.reading() as connection:
        for segment in segments(connection):
            with history.opened([segment]) as (file,):
                record_nos = {
                    number
                    for group in file.groups
                    for number in file.read(group, ["record_no"])["record_no"].to_pylist()
                }
            assert {partition_of(number) for number in record_nos} == {segment.partition_no}


def test_nothing_of_a_person_stands_in_a_file_in_clear_and_nobody_else_may_read_it(
    state: State, history: History
) -> None:
    rows = [{**one, "properties": {"note": "ann@example.org"}} for one in pages(range(200))]
    interactions(state, rows)
    drain(accumulate(state, history))
    seal(state, history)

    assert files_of(history)
    for path in files_of(history):
        assert b"ann@example" not in path.read_bytes()
        assert b"occurred_at" not in path.read_bytes()
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.slow
@pytest.mark.parametrize("limit", [37, 1_000, 10_000])
def test_a_generation_built_from_history_is_the_one_built_from_the_database(
    state: State, history: History, limit: int
) -> None:
    interactions(state, [*pages(range(2_000)), *pages(range(300), days_ago=20)])
    stage = accumulate(state, history)
    drain(stage)
    before = rebuilt(state, history)
    seal(state, history, limit=300)

    assert rebuilt(state, history, limit) == before == marts(state, 1)


@pytest.mark.slow
def test_a_generation_misses_nothing_that_is_sealed_and_merged_while_it_is_built(
    state: State, history: History
) -> None:
    live = accumulate(state, history)
    interactions(state, pages(range(600)))
    drain(live)
    seal(state, history, limit=150)
    interactions(state, pages(range(600, 900)))
    drain(live)
    generation = begun(state)
    building = accumulate(state, history, generation)

    building.advance(40)  # somewhere in history
    sealing(state, history).advance(100)  # later than the building began
    history.compact(state)
    for _ in range(30):
        building.advance(20)
        sealing(state, history).advance(10)
    interactions(state, pages(range(900, 1_000)))
    drain(live)
    seal(state, history, limit=30)
    drain(building, 25)

    assert in_database(state) == 0
    assert marts(state, generation) == marts(state, 1)
    assert sum(row[-3] for row in marts(state, generation)["bucket"] if row[1] == "lifetime") == 1_000


def test_a_batch_of_history_that_fails_is_read_again(state: State, history: History) -> None:
    last = next(number for number in range(1, 10_000) if partition_of(number) == PARTITIONS - 1)
    interactions(state, [{**one, "record_no": last} for one in pages(range(300))])
    drain(accumulate(state, history))
    seal(state, history)
    generation = begun(state)
    building = accumulate(state, history, generation)
    building.advance(30)
    with state.writing() as connection:  # its next batch cannot be kept
        connection.exec_driver_sql("ALTER TABLE ledger RENAME TO ledger_away")
    with pytest.raises(sa.exc.DBAPIError):
        building.advance(400)  # to the very end
    with state.writing() as connection:
        connection.exec_driver_sql("ALTER TABLE ledger_away RENAME TO ledger")

    drain(building, 200)

    assert marts(state, generation) == marts(state, 1)


def test_the_position_of_who_read_everything_is_the_same_wherever_it_was(
    state: State, history: History
) -> None:
    interactions(state, pages(range(100)))
    stage = accumulate(state, history)
    drain(stage)
    seal(state, history)
    building = accumulate(state, history, begun(state))
    drain(building, 30)

    positions = "SELECT DISTINCT position FROM cursor WHERE stage = 'accumulate'"
    with state.reading() as connection:
        (position,) = connection.exec_driver_sql(positions).scalars()
    assert '"interaction_no":100' in position
    assert "history" not in position


def test_two_that_seal_at_once_seal_each_interaction_once(state: State, history: History) -> None:
    interactions(state, pages(range(200)))
    drain(accumulate(state, history))
    before = everything(state, history)
    one = sealing(state, history)
    history.cursor(state)
    write, raced = history.write, []

    def race(*args):
        if not raced:
            raced.append(True)
            sealing(state, history_in(history.folder)).advance(200)
        return write(*args)

    history.write = race
    with pytest.raises(CursorMoved):
        one.advance(200)
    history.write = write

    assert everything(state, history) == before
    assert files_of(history) > named(state, history)
    assert history.remove_orphans(state) == len(files_of(history)) or files_of(history) == named(
        state, history
    )
    assert everything(state, history) == before


def test_a_state_with_a_history_refuses_to_be_read_without_it(state: State, history: History) -> None:
    interactions(state, pages(range(10)))
    drain(accumulate(state, history))
    seal(state, history)

    with pytest.raises(StateError, match="open it with its history"):
        accumulate(state, None, begun(state)).advance(10)


def test_sealed_events_are_known_by_their_source(state: State, history: History) -> None:
    interactions(state, [{**one, "event_id": f"m{number}"} for number, one in enumerate(pages(range(20)))])
    drain(accumulate(state, history))
    seal(state, history)

    with state.reading() as connection:
        found = sealed_among(connection, "web", ["m3", "m19", "m20"])
        assert {event_id: one.interaction_no for event_id, one in found.items()} == {"m3": 4, "m19": 20}
        assert sealed_among(connection, "app", ["m3"]) == {}


def test_counting_by_other_settings_counts_what_is_sealed(state: State, history: History) -> None:
    rows = [
        {**one, "properties": {"category": f"c{place % 3}"}} for place, one in enumerate(pages(range(900)))
    ]
    interactions(state, rows)
    drain(accumulate(state, history))
    seal(state, history, limit=200)
    interactions(state, pages(range(900, 950), days_ago=3))
    drain(accumulate(state, history))
    other = company(properties=["category"])
    counting = counting_of(other)

    with state.reading() as connection:  # before anything was counted anew
        now = sorted(map(tuple, read_buckets(connection, history, 1, counting, range(1, 41))))
    drain(AccumulateStage(state, other), 100)
    with state.reading() as connection:
        after = sorted(map(tuple, read_buckets(connection, history, 1, counting, range(1, 41))))

    added: dict[object, list[int]] = {}
    for *key, count, value, _ in now:  # a bucket may come in several parts
        held = added.setdefault(tuple(key), [0, 0])
        held[0] += count
        held[1] += value
    assert added == {tuple(key): [count, value] for *key, count, value, _ in after}
    assert sum(row[-3] for row in after if row[1] == "lifetime" and row[6].startswith("category")) == 900


def test_what_was_replaced_while_its_files_were_written_is_not_sealed_as_it_was(
    state: State, history: History
) -> None:
    interactions(state, pages(range(100)))
    drain(accumulate(state, history))
    stage, write, raced = sealing(state, history), history.write, []

    def replace(*args):
        if not raced:
            raced.append(True)
            with state.writing() as connection:
                connection.exec_driver_sql("UPDATE interaction SET channel = 'shop' WHERE interaction_no = 5")
                reserve(connection, REPLACED)
        return write(*args)

    history.write = replace
    with pytest.raises(CursorMoved):
        stage.advance(100)
    assert in_database(state) == 100

    assert stage.advance(100).applied == 100
    assert [row[5] for row in everything(state, history)].count("shop") == 1


def test_files_that_another_took_for_orphans_are_not_named(state: State, history: History) -> None:
    interactions(state, pages(range(100)))
    drain(accumulate(state, history))
    before, commit = everything(state, history), history.commit
    stage = sealing(state, history)

    def clear(connection, added, dropped=()):
        added_now = [history.path(one.segment) for one in added]
        added_now[3].unlink()  # as `remove_orphans` of another process, before this one had the lock
        commit(connection, added, dropped)

    history.commit = clear
    with pytest.raises(CursorMoved):
        stage.advance(100)
    history.commit = commit

    assert everything(state, history) == before
    assert in_database(state) == 100
    assert seal(state, history).sealed.applied == 100
    assert everything(state, history) == before
