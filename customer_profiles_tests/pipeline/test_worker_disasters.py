"""The worker on a disk that is full and under a clock that jumps: it goes on, and what was accepted counts once."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from customer_profiles.monitoring.ledger import ledger_check
from customer_profiles.pipeline.latency import served_batches, together
from customer_profiles.pipeline.worker import Worker
from customer_profiles_tests.cleaning.made import write_lines
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.pipeline.test_worker import QUICK, content, count, nothing_waits, working
from customer_profiles_tests.web.serving import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("worker_disasters")]

DAY = 86_400


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    made.text += QUICK
    made.first_week()
    return made


def visits(company: Company, name: str, number: int, note: str = "") -> None:
    rows = [
        {"id": f"{name}.{one}", "who": f"u{one % 3}", "kind": f"page{note}", "at": "2026-06-02T10:00:00Z"}
        for one in range(number)
    ]
    write_lines(company.folder / f"web/{name}.jsonl", rows)


@pytest.mark.parametrize("jump", [40 * DAY, -40 * DAY])
def test_a_clock_that_jumps_and_comes_back_loses_nothing_and_counts_nothing_twice(
    company: Company, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    real_ns, real, off = time.time_ns, time.time, [0]
    monkeypatch.setattr(time, "time_ns", lambda: real_ns() + off[0] * 10**9)
    monkeypatch.setattr(time, "time", lambda: real() + off[0])
    waits = threading.Event()
    with company.open() as house:
        with working(house, on_waiting=waits.set):
            wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))
            off[0] = jump
            visits(company, "there", 50)
            wait_until(lambda: count(house, "interaction") == 62 and nothing_waits(house))
            off[0] = 0
            visits(company, "back", 50)
            wait_until(lambda: count(house, "interaction") == 112 and nothing_waits(house))
        assert not waits.is_set()  # it never lost its lease
        before = content(house)
        rebuilt = house.rebuild()
        assert (rebuilt.moved, rebuilt.changed_traits) == (0, 0)
        assert content(house) == before
        with house.state.reading() as connection:
            assert ledger_check(connection).adds_up
            found = together(served_batches(connection, 0))
    assert found.quantile(0) is not None
    assert (found.quantile(0) or 0.0) >= 0.0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 8 MB."""
    if os.geteuid() != 0 and "CI" not in os.environ:
        pytest.skip("only root can mount a small file system; CI does")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_on_a_full_disk_the_worker_says_so_and_goes_on_when_there_is_room_again(
    company: Company, small_disk: Path
) -> None:
    company.text = company.text.replace("sqlite:state", f"sqlite:{small_disk}/state")
    with company.open() as house:
        with working(house) as worker:
            wait_until(lambda: count(house, "interaction") == 12 and nothing_waits(house))
            fill(small_disk / "ballast")
            visits(company, "flood", 20_000)
            wait_until(lambda: bool(worker.told.failures))
            failures = worker.told.failures
            served = count(house, "interaction")
            assert served < 12 + 20_000

            (small_disk / "ballast").unlink(missing_ok=True)
            subprocess.run(["mount", "-o", "remount,size=256m", str(small_disk)], check=True)
            wait_until(lambda: count(house, "interaction") == 12 + 20_000 and nothing_waits(house), 60)
            wait_until(lambda: not worker.told.failures)
        with house.state.reading() as connection:
            assert ledger_check(connection).adds_up
        assert all(
            failure.reason.startswith("The disk of the state is full: make room") for failure in failures
        )
        assert Worker(house).run(until_quiet=True).received == 0


def fill(path: Path) -> None:
    """Take all the room there is; the many small commits of a slow machine may have taken it before."""
    with suppress(OSError), path.open("wb") as ballast:
        while True:
            ballast.write(b"x" * 65_536)
            ballast.flush()
