"""Worker and watch as processes of their own, both killed hard: still one page, and one word that it is over."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles.pipeline import watch as watch_module
from customer_profiles.pipeline.build import Pipeline
from customer_profiles.pipeline.watch import Watch
from customer_profiles.state.engine import Store
from customer_profiles_tests.monitoring.listeners import Listeners, listeners
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.pipeline.test_watch import KINDS, LIMITS, caught_up
from customer_profiles_tests.pipeline.test_worker import QUICK
from customer_profiles_tests.web.serving import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("watch")]


@contextmanager
def process(settings: Path, command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A command in a process of its own, killed hard in the end."""
    started = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "from customer_profiles.cli.main import main; main()",
            "-s",
            str(settings),
            command,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        started.kill()
        started.wait()


@pytest.fixture
def heard(tmp_path: Path) -> Iterator[Listeners]:
    with listeners(tmp_path / "listeners") as made:
        yield made


def hears(heard: Listeners, alarm: str, *events: str) -> None:
    wait_until(lambda: heard.told(alarm) == {kind: list(events) for kind in KINDS}, 60)


def test_a_worker_that_is_killed_is_told_once_though_the_watch_is_killed_too(
    tmp_path: Path, heard: Listeners, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    for name, value in heard.secrets.items():
        monkeypatch.setenv(name, value)
    company = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    company.text += QUICK + LIMITS + heard.settings.lstrip("\n")
    company.first_week()
    settings = tmp_path / "customer_profiles.yaml"
    settings.write_text(company.text)

    with ExitStack() as running:
        worker = running.enter_context(process(settings, "stream"))
        first = running.enter_context(process(settings, "watch"))
        wait_until(lambda: len(heard.hub.at("/alive")) > 0, 60)
        with company.open() as house:
            wait_until(lambda: caught_up(house), 60)
        hears(heard, "worker_silent")
        worker.send_signal(signal.SIGKILL)
        hears(heard, "worker_silent", "open")
        first.send_signal(signal.SIGKILL)
        first.wait()
        second = running.enter_context(process(settings, "watch"))
        hears(heard, "sla_broken", "open")
        second.send_signal(signal.SIGTERM)
        second.wait(30)
        running.enter_context(process(settings, "stream"))
        running.enter_context(process(settings, "watch"))
        for alarm in ("worker_silent", "sla_at_risk", "sla_broken"):
            hears(heard, alarm, "open", "resolve")


def test_a_watch_that_waits_takes_over_at_once_from_one_that_was_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    monkeypatch.setattr(watch_module, "STALE_SECONDS", 3_600.0)  # it must not be the lease's age that tells
    company = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    settings = tmp_path / "customer_profiles.yaml"
    settings.write_text(company.text)
    waits, looks = threading.Event(), threading.Event()

    with process(settings, "watch") as first, company.open() as house:
        wait_until(lambda: "watch" in held(house), 60)
        second = Watch(house.state, house.settings, {})
        thread = threading.Thread(target=second.run, args=(lambda _: looks.set(), waits.set))
        thread.start()
        try:
            wait_until(waits.is_set)
            first.send_signal(signal.SIGKILL)
            wait_until(looks.is_set)
        finally:
            second.stop()
            thread.join()


def held(house: Pipeline) -> set[str]:
    """The leases that somebody holds."""
    query = sa.text("SELECT name FROM lease WHERE holder <> ''")
    with house.state.reading(Store.INBOX) as connection:
        return set(connection.execute(query).scalars())
