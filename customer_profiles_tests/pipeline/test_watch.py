"""Every alarm fired for real, heard by a receiver of each kind: told once when it begins, and once when it is over."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.alarms.receivers.build import build_receivers
from customer_profiles.monitoring.failed_runs import note_failed_run, note_run_that_succeeded
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.pipeline.freshness import freshness
from customer_profiles.pipeline.signs import daemon_lives
from customer_profiles.pipeline.watch import Watch
from customer_profiles.state.engine import Store
from customer_profiles_tests.cleaning.made import write_lines
from customer_profiles_tests.monitoring.listeners import Listeners, listeners
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.pipeline.test_worker import QUICK, working
from customer_profiles_tests.web.serving import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("watch")]

LIMITS = """
sla: {seconds: 8}
alarms:
  failing_seconds: 1
  run_seconds: 0
  worker_seconds: 3
  pass_seconds: 4
  daemon_seconds: 2
  quarantine_minutes: 0.1
  disk_free_mb: 0
"""
"""Shorter than anybody would have them; the lag of a source jumps by a second, as often as it is noted."""
KINDS = ("manager", "duty", "chat", "mail", "hook")


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Listeners]:
    with listeners(tmp_path_factory.mktemp("listeners")) as made:
        yield made


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, heard: Listeners) -> Company:
    heard.hub.heard.clear()
    heard.mailbox.messages.clear()
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    for name, value in heard.secrets.items():
        monkeypatch.setenv(name, value)
    made = Company(tmp_path / "company", environment={KEY_VARIABLE: "a5" * 32})
    made.folder.mkdir()
    # A company of its own each time: Alertmanager remembers alerts from one test to the next.
    made.text = (
        made.text.replace("Small company", tmp_path.name) + QUICK + LIMITS + heard.settings.lstrip("\n")
    )
    made.first_week()
    return made


@contextmanager
def watching(house: Pipeline) -> Iterator[Watch]:
    """A watch in a thread, until the end of the block."""
    watch = Watch(house.state, house.settings, build_receivers(house.settings))
    failed: list[BaseException] = []

    def run() -> None:
        try:
            watch.run()
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield watch
    finally:
        watch.stop()
        thread.join(30)
        watch.close()
        assert not thread.is_alive()
        assert not failed


@contextmanager
def at_work(company: Company) -> Iterator[Pipeline]:
    """A worker that has caught up, and somebody who watches."""
    with open_pipeline(company.settings) as house, working(house):
        wait_until(lambda: caught_up(house))
        with watching(house):
            yield house


def caught_up(house: Pipeline) -> bool:
    found = freshness(house.state, house.settings, now_micros())
    return all(lag.micros is not None and not lag.waiting for lag in found.lags)


def hears(heard: Listeners, alarm: str, *events: str) -> None:
    """Wait until every receiver heard just this of an alarm."""
    wait_until(lambda: heard.told(alarm) == {kind: list(events) for kind in KINDS}, 30)


def test_a_stage_that_is_stuck(company: Company, heard: Listeners, monkeypatch: pytest.MonkeyPatch) -> None:
    from customer_profiles.identity.model.models import ModelError
    from customer_profiles.identity.resolve import ResolveStage

    real, broken = ResolveStage.advance, threading.Event()

    def advance(self: ResolveStage, limit: int) -> Any:
        if broken.is_set():
            raise ModelError("The bundle is not there.")
        return real(self, limit)

    monkeypatch.setattr(ResolveStage, "advance", advance)
    with at_work(company):
        broken.set()
        company.second_week()
        for alarm in ("stage_failing", "sla_at_risk", "sla_broken"):
            hears(heard, alarm, "open")
        (page,) = (one.body for one in heard.hub.at("/hook") if one.body["alarm"] == "sla_broken")
        assert page["details"]["likely stage"] == "resolve: The bundle is not there."
        broken.clear()
        for alarm in ("stage_failing", "sla_at_risk", "sla_broken"):
            hears(heard, alarm, "open", "resolve")
    assert {one.body["alarm"] for one in heard.hub.at("/hook")} == {
        "stage_failing",
        "sla_at_risk",
        "sla_broken",
    }


def test_a_source_that_is_gone(company: Company, heard: Listeners) -> None:
    with at_work(company):
        company.crm("ALTER TABLE contacts RENAME TO away")
        for alarm in ("source_failing", "sla_at_risk", "sla_broken"):
            hears(heard, alarm, "open")
        company.crm("ALTER TABLE away RENAME TO contacts")
        for alarm in ("source_failing", "sla_at_risk", "sla_broken"):
            hears(heard, alarm, "open", "resolve")


def test_a_flood_of_poison(company: Company, heard: Listeners) -> None:
    rows = [
        {"id": f"p{number}", "who": "u1", "kind": "page", "at": "tomorrow, perhaps"} for number in range(200)
    ]
    with at_work(company):
        write_lines(company.folder / "web/poison.jsonl", rows)
        hears(heard, "quarantine_rate", "open")
        hears(heard, "quarantine_rate", "open", "resolve")
    assert [one.body["alarm"] for one in heard.hub.at("/hook")] == ["quarantine_rate"] * 2


def test_a_ledger_that_does_not_add_up(company: Company, heard: Listeners) -> None:
    wrong = "UPDATE ledger SET received = received + 1 WHERE batch_no = 1"
    with at_work(company) as house, house.state.writing() as connection:
        connection.execute(sa.text(wrong))
    with at_work(company) as house:  # who begins to watch looks at the whole ledger
        hears(heard, "ledger_wrong", "open")
        with house.state.writing() as connection:
            connection.execute(sa.text(wrong.replace("+", "-")))
        hears(heard, "ledger_wrong", "open", "resolve")


def test_a_worker_that_hangs(company: Company, heard: Listeners, monkeypatch: pytest.MonkeyPatch) -> None:
    from customer_profiles.marts.accumulate import AccumulateStage

    real, hangs, goes_on = AccumulateStage.advance, threading.Event(), threading.Event()

    def advance(self: AccumulateStage, limit: int) -> Any:
        if hangs.is_set():
            goes_on.wait()
        return real(self, limit)

    monkeypatch.setattr(AccumulateStage, "advance", advance)
    with at_work(company):
        hangs.set()
        company.second_week()
        hears(heard, "worker_silent", "open")
        hears(heard, "sla_broken", "open")
        goes_on.set()
        hears(heard, "worker_silent", "open", "resolve")
        hears(heard, "sla_broken", "open", "resolve")


def test_a_daemon_that_dies(company: Company, heard: Listeners) -> None:
    with at_work(company) as house:
        daemon_lives(house.state, now_micros())
        hears(heard, "daemon_silent", "open")
        beating = threading.Event()

        def beat() -> None:
            while not beating.wait(0.2):
                daemon_lives(house.state, now_micros())

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            hears(heard, "daemon_silent", "open", "resolve")
        finally:
            beating.set()
            thread.join()


def test_a_run_of_dagster_that_failed(company: Company, heard: Listeners) -> None:
    with at_work(company) as house:
        with house.state.writing(Store.INBOX) as connection:
            note_failed_run(connection, "refresh", now_micros())
        hears(heard, "run_failed", "open")
        with house.state.writing(Store.INBOX) as connection:
            note_run_that_succeeded(connection, "refresh")
        hears(heard, "run_failed", "open", "resolve")


def test_a_database_that_answers_no_more(company: Company, heard: Listeners, postgres_url: str) -> None:
    company.text = company.text.replace("sqlite:state", postgres_url)
    server, name = postgres_url.rsplit("/", 1)

    def allow(allowed: bool) -> None:
        with psycopg.connect(f"{server}/postgres", autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS {allowed}")  # type: ignore[call-overload]
            if not allowed:
                ended = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s"
                connection.execute(ended, (name,))

    with open_pipeline(company.settings) as house:
        house.run()
        with watching(house) as watch:
            wait_until(
                lambda: bool(watch.book.raised)
            )  # nobody drives, which is noticed when it answers again too
            allow(False)
            try:
                hears(heard, "state_unreachable", "open")
            finally:
                allow(True)
            hears(heard, "state_unreachable", "open", "resolve")
    assert heard.told("worker_silent")["hook"] == ["open"]


def fill(file: Path) -> None:
    """Write until there is no room."""
    with suppress(OSError), file.open("wb", buffering=0) as opened:
        while True:
            opened.write(b"x" * 65_536)


@contextmanager
def small_disk(place: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    place.mkdir()
    if os.geteuid() != 0 and "CI" not in os.environ:
        pytest.skip("only root can mount a small file system; CI does")
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


def test_a_disk_that_is_full_is_told_though_nothing_can_be_written_down(
    company: Company, heard: Listeners, tmp_path: Path
) -> None:
    with ExitStack() as opened:
        place = opened.enter_context(small_disk(tmp_path / "small"))
        company.text = company.text.replace("sqlite:state", f"sqlite:{place}/state").replace(
            "disk_free_mb: 0", "disk_free_mb: 1"
        )
        with open_pipeline(company.settings) as house:
            house.run()
            with working(house), watching(house) as watch:
                wait_until(lambda: caught_up(house))
                fill(place / "filler")
                hears(heard, "disk_low", "open")
                (place / "filler").unlink()
                hears(heard, "disk_low", "open", "resolve")
                wait_until(lambda: not watch.book.raised)
                wait_until(lambda: caught_up(house))


def test_a_receiver_that_was_down_hears_everything_later_in_its_order(
    company: Company, heard: Listeners
) -> None:
    with at_work(company) as house:
        heard.hub.status = 503
        with house.state.writing(Store.INBOX) as connection:
            note_failed_run(connection, "refresh", now_micros())
        wait_until(lambda: heard.told("run_failed")["mail"] == ["open"], 30)
        with house.state.writing(Store.INBOX) as connection:
            note_run_that_succeeded(connection, "refresh")
        wait_until(lambda: heard.told("run_failed")["mail"] == ["open", "resolve"], 30)
    with at_work(company):  # started again while some receivers are still down
        heard.hub.status = 202
        late = ("hook", "duty", "chat")
        wait_until(lambda: all(heard.told("run_failed")[kind] == ["open", "resolve"] for kind in late), 40)
    assert heard.told("run_failed")["mail"] == ["open", "resolve"]


def test_a_mail_server_and_an_alertmanager_that_were_down_hear_it_later_in_its_order(
    company: Company, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with listeners(tmp_path / "listeners") as heard:
        monkeypatch.setenv("TEST_CHAT", heard.secrets["TEST_CHAT"])
        company.text = company.text[: company.text.index("  receivers:")] + heard.settings.lstrip("\n")
        late = (heard.mailbox, heard.alertmanager)

        def while_they_are_down(event: str, happen: Callable[[sa.Connection], None]) -> None:
            for one in late:
                one.stop()
            with house.state.writing(Store.INBOX) as connection:
                happen(connection)
            wait_until(lambda: heard.told("run_failed")["hook"][-1:] == [event], 30)
            for one in late:
                one.start()

        with at_work(company) as house:
            while_they_are_down(
                "open", lambda connection: note_failed_run(connection, "refresh", now_micros())
            )
            hears(heard, "run_failed", "open")
            while_they_are_down("resolve", lambda connection: note_run_that_succeeded(connection, "refresh"))
            hears(heard, "run_failed", "open", "resolve")
