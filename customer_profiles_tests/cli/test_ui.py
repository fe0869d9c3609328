"""The web UI: on loopback, without a warning, and beside a run."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from customer_profiles_tests.cli.conftest import Command
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("ui")]

_PATIENCE = 120.0
"""Seconds that Dagster's processes may take to come up on a busy machine."""
_WHAT_IS_THERE = """
{
  workspaceOrError { ... on Workspace { locationEntries { locationOrLoadError { __typename } } } }
  runsOrError { ... on Runs { results { jobName status } } }
}
"""


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of a small company that never ran."""
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    company = Company(tmp_path)
    company.first_week()
    (tmp_path / "customer_profiles.yaml").write_text(company.text)
    return tmp_path / "customer_profiles.yaml"


@pytest.fixture
def port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Served:
    """The web UI in a process of its own."""

    def __init__(self, settings: Path, port: int) -> None:
        self.port = port
        self.told: list[str] = []
        program = Path(sys.executable).with_name("customer-profiles")
        self.process = subprocess.Popen(
            [program, "-s", settings, "ui", "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=settings.parent,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            # As a shell starts what is to run in the background.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        )

    def wait(self) -> None:
        """Until the web server says that it serves, and is heard where it said so."""
        assert self.process.stdout is not None
        giving_up = threading.Timer(_PATIENCE, self.process.kill)
        giving_up.start()
        for line in self.process.stdout:
            self.told.append(line)
            if "Serving dagster-webserver" in line:
                break
        while not self._is_heard():
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)
            assert self.process.poll() is None, "".join(self.told)
        giving_up.cancel()

    def _is_heard(self) -> bool:
        with socket.socket() as caller:
            return caller.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(self) -> Any:
        asked = urllib.request.Request(
            f"http://127.0.0.1:{self.port}/graphql",
            json.dumps({"query": _WHAT_IS_THERE}).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(asked, timeout=_PATIENCE) as answer:
            return json.load(answer)["data"]

    def end(self) -> None:
        self.process.terminate()
        self.told += (self.process.communicate(timeout=_PATIENCE)[0] or "").splitlines(keepends=True)


@pytest.fixture
def served(settings: Path, port: int) -> Iterator[Served]:
    """The web UI, ready to be asked."""
    one = Served(settings, port)
    try:
        one.wait()
        yield one
    finally:
        one.end()


def addresses_listening_on(port: int) -> set[str]:
    tables = [Path(f"/proc/net/{name}").read_text().splitlines()[1:] for name in ("tcp", "tcp6")]
    sockets = [line.split() for lines in tables for line in lines]
    listening = [local for _, local, _, status, *_ in sockets if status == "0A"]
    return {local.split(":")[0] for local in listening if local.endswith(f":{port:04X}")}


def test_it_listens_on_loopback_and_a_run_beside_it_is_there_to_look_at(
    command: Command, settings: Path, served: Served
) -> None:
    told = command("run", "--json", settings=settings)

    there = served.ask()
    listens_on = addresses_listening_on(served.port)
    served.end()
    assert listens_on == {"0100007F"}  # 127.0.0.1
    assert told.code == 0, told.error
    # Beside it the sensor may have begun to take in what is new, which harms neither.
    runs = there["runsOrError"]["results"]
    assert {"jobName": "first_run", "status": "SUCCESS"} in runs
    assert {run["jobName"] for run in runs} <= {"first_run", "refresh"}
    assert "FAILURE" not in {run["status"] for run in runs}
    entries = there["workspaceOrError"]["locationEntries"]
    assert [entry["locationOrLoadError"]["__typename"] for entry in entries] == ["RepositoryLocation"]
    assert not [line for line in served.told if "Warning" in line]
