"""Who drives: one holder at a time, taken over when it is gone, whatever the clocks say."""

import subprocess
import sys
from collections.abc import Iterator

import pytest

from customer_profiles.pipeline import lease as lease_module
from customer_profiles.pipeline.lease import STALE_SECONDS, Heart, Lease, LeaseRow, LeaseWatch, Standing
from customer_profiles.pipeline.process import is_gone, this_process
from customer_profiles.state.engine import State
from customer_profiles_tests.web.serving import wait_until


class Clock:
    """A steady clock that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def row(version: int, holder: str = "a") -> LeaseRow:
    return LeaseRow(holder, version, 0, {})


def test_of_two_that_see_it_free_one_gets_it(state: State) -> None:
    one, two = Lease(state), Lease(state)

    seen = one.look()
    assert seen is None
    assert one.take(seen)
    assert not two.take(seen)
    assert (one.held, two.held) == (True, False)


def test_a_beat_makes_what_another_saw_old(state: State) -> None:
    one, two = Lease(state), Lease(state)
    one.take(None)
    seen = two.look()

    assert one.beat()

    assert not two.take(seen)


def test_whoever_lost_it_hears_so_at_the_next_beat_and_lets_go_of_nothing(state: State) -> None:
    one, two = Lease(state), Lease(state)
    one.take(None)
    assert two.take(two.look())

    assert not one.beat()
    assert not one.held
    one.release()

    found = two.look()
    assert found is not None
    assert found.holder == two.holder


def test_one_that_was_let_go_of_is_free_at_once(state: State) -> None:
    one, two = Lease(state), Lease(state)
    one.take(None)
    one.release()

    seen = two.look()

    assert LeaseWatch().observe(seen) is Standing.FREE
    assert two.take(seen)


def test_leases_of_different_names_know_nothing_of_each_other(state: State) -> None:
    assert Lease(state, "one").take(None)
    assert Lease(state, "other").take(None)


def test_a_heart_beats_tells_the_status_and_lets_go_at_the_end(state: State) -> None:
    lease, other = Lease(state), Lease(state)
    lease.take(None)

    with Heart(lease, lambda: {"passes": 3}, seconds=0.01):
        wait_until(lambda: (seen := other.look()) is not None and seen.version > 3)
        seen = other.look()
        assert seen is not None
        assert seen.status == {"passes": 3}

    assert LeaseWatch().observe(other.look()) is Standing.FREE


def test_a_holder_that_was_never_seen_to_move_is_not_called_alive() -> None:
    watch = LeaseWatch(clock=Clock())

    assert watch.observe(row(7)) is Standing.UNKNOWN
    assert watch.observe(row(7)) is Standing.UNKNOWN
    assert watch.observe(row(8)) is Standing.FRESH


def test_a_version_that_stands_still_is_stale_after_a_while_and_fresh_when_it_moves_again() -> None:
    clock = Clock()
    watch = LeaseWatch(clock=clock)
    watch.observe(row(7))
    watch.observe(row(8))

    clock.now = STALE_SECONDS - 0.1
    assert watch.observe(row(8)) is Standing.FRESH
    clock.now = STALE_SECONDS
    assert watch.observe(row(8)) is Standing.STALE
    assert watch.observe(row(9)) is Standing.FRESH


@pytest.mark.parametrize("jump", [-10_000_000.0, 10_000_000.0])
def test_a_wall_clock_that_jumps_neither_ends_a_lease_nor_prolongs_it(
    state: State, monkeypatch: pytest.MonkeyPatch, jump: float
) -> None:
    clock = Clock()
    watch, lease = LeaseWatch(clock=clock), Lease(state)
    lease.take(None)
    watch.observe(lease.look())
    real = lease_module.time.time_ns
    monkeypatch.setattr(lease_module.time, "time_ns", lambda: real() + int(jump * 1e9))

    lease.beat()
    assert watch.observe(lease.look()) is Standing.FRESH
    clock.now += STALE_SECONDS
    assert watch.observe(lease.look()) is Standing.STALE


def test_a_takeover_by_a_third_is_seen_as_life() -> None:
    clock = Clock()
    watch = LeaseWatch(clock=clock)
    watch.observe(row(7, "a"))
    clock.now = STALE_SECONDS + 1

    assert watch.observe(row(8, "b")) is Standing.FRESH


@pytest.fixture
def other() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Another process, and its name."""
    code = "from customer_profiles.pipeline.process import this_process; print(this_process(), flush=True); input()"
    started = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert started.stdout is not None
    yield started, started.stdout.readline().strip()
    started.kill()
    started.wait()


def test_a_process_that_was_killed_is_gone_at_once_also_before_its_parent_knows(
    other: tuple[subprocess.Popen[str], str],
) -> None:
    process, name = other
    watch = LeaseWatch()
    assert not is_gone(name)
    assert watch.observe(row(1, f"token {name}")) == Standing.UNKNOWN

    process.kill()
    wait_until(lambda: is_gone(name))  # it is a zombie: nobody has waited for it
    assert watch.observe(row(1, f"token {name}")) == Standing.STALE
    process.wait()
    assert is_gone(name)


def test_another_process_with_the_same_number_is_another_one() -> None:
    place, number, started = this_process().rsplit("/", 2)

    assert not is_gone(this_process())
    assert is_gone(f"{place}/{number}/{int(started) - 1}")


def test_nobody_is_called_gone_whose_machine_or_container_is_another_one() -> None:
    _, number, started = this_process().rsplit("/", 2)

    assert not is_gone(f"another boot/pid:[1]/{number}/{int(started) - 1}")
    assert not is_gone("")
    assert LeaseWatch().observe(row(1, "token")) == Standing.UNKNOWN


def test_a_lease_says_whose_it_is(state: State) -> None:
    lease = Lease(state)
    lease.take(None)

    found = lease.look()
    assert found is not None
    assert found.holder.endswith(this_process())
