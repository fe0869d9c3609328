"""Dagster's daemon for real: its ticks are its sign of life, and once it is killed on-call hears so, and when it is back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.alarms.receivers.build import build_receivers
from customer_profiles.monitoring.alarms.signs import Signs
from customer_profiles.orchestration.instance import prepare_home
from customer_profiles.pipeline.signs import SignsReader
from customer_profiles.pipeline.watch import Watch
from customer_profiles_tests.monitoring.listeners import hub
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.web.serving import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("sensors")]


@contextmanager
def daemon(folder: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Dagster's daemon with its code servers, all killed hard in the end."""
    command = [
        sys.executable,
        "-m",
        "dagster._daemon",
        "run",
        "-m",
        "customer_profiles.definitions",
        "-d",
        str(folder),
    ]
    started = subprocess.Popen(
        command,
        env=environment,
        cwd=folder,
        start_new_session=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield started
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)
        started.wait()


def test_a_daemon_that_is_killed_is_told_and_so_is_its_return(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    company = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    company.first_week()
    with hub() as heard:
        receivers = f"receivers: {{hook: {{type: webhook, url: '{heard.url}/hook'}}}}"
        company.text += (
            f"alarms: {{daemon_seconds: 15, worker_seconds: 600, {receivers}}}\nsla: {{seconds: 600}}\n"
        )
        (tmp_path / "customer_profiles.yaml").write_text(company.text)
        home = prepare_home(tmp_path)
        environment = {**os.environ, "DAGSTER_HOME": str(home)}
        environment["CUSTOMER_PROFILES_SETTINGS"] = str(tmp_path / "customer_profiles.yaml")

        def events() -> list[tuple[str, str]]:
            return [(one.body["alarm"], one.body["event"]) for one in heard.heard]

        with company.open() as house:
            reader = SignsReader(house.state, house.settings, now_micros())

            def beats() -> bool:
                signs = reader.look(now_micros())
                return isinstance(signs, Signs) and signs.daemon_beat_at is not None

            watch = Watch(house.state, house.settings, build_receivers(house.settings))
            thread = threading.Thread(target=watch.run)
            thread.start()
            try:
                with daemon(tmp_path, environment):
                    wait_until(beats, 120)
                wait_until(lambda: events() == [("daemon_silent", "open")], 60)
                with daemon(tmp_path, environment):
                    wait_until(lambda: len(events()) == 2, 120)
            finally:
                watch.stop()
                thread.join()
                watch.close()
        assert events() == [("daemon_silent", "open"), ("daemon_silent", "resolve")]
