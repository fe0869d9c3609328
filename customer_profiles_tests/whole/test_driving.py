"""Dagster as `make ui` starts it, and a worker: who drives when, and that events come through either way."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from customer_profiles.orchestration.instance import open_instance
from customer_profiles.orchestration.sensors import NAME
from customer_profiles.pipeline.build import Pipeline
from customer_profiles_tests.cleaning.made import write_lines
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.web.serving import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("driving")]

PATIENCE = 180.0
"""Seconds that Dagster's processes may take on a busy machine."""


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    made.text += "streaming: {files_seconds: 0.2, sensor_whole_seconds: 86400, report_seconds: 0.5}\n"
    made.first_week()
    (tmp_path / "customer_profiles.yaml").write_text(made.text)
    return made


@pytest.fixture
def start(company: Company) -> Iterator[Callable[..., subprocess.Popen[bytes]]]:
    """Starts a command of the company in a process of its own."""
    started: list[subprocess.Popen[bytes]] = []

    def run(*arguments: str) -> subprocess.Popen[bytes]:
        program = Path(sys.executable).with_name("customer-profiles")
        settings = company.folder / "customer_profiles.yaml"
        environment = {key: value for key, value in os.environ.items() if key != "CUSTOMER_PROFILES_SETTINGS"}
        process = subprocess.Popen(
            [program, "-s", settings, *arguments],
            cwd=company.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        started.append(process)
        return process

    yield run
    for process in started:
        process.terminate()
    for process in started:
        process.wait(PATIENCE)


def visit(company: Company, name: str) -> None:
    row = {"id": name, "who": "u1", "kind": "page", "at": "2026-06-02T10:00:00Z"}
    write_lines(company.folder / f"web/{name}.jsonl", [row])


def counted(house: Pipeline) -> int:
    query = "SELECT coalesce(sum(count), 0) FROM bucket WHERE grain = 'lifetime'"
    with house.state.reading() as connection:
        return int(connection.execute(sa.text(query)).scalar_one())


def runs_started(instance: dg.DagsterInstance) -> int:
    return instance.get_runs_count()


def said(instance: dg.DagsterInstance) -> str:
    """What the last tick of the sensor says that ended without a run."""
    for state in instance.all_instigator_state():
        if state.name == NAME:
            ticks = instance.get_ticks(state.instigator_origin_id, state.selector_id, limit=3)
            return next((tick.skip_reason for tick in ticks if tick.skip_reason), "")
    return ""


def test_a_row_reaches_the_profile_through_dagster_which_stands_by_while_a_worker_drives(
    company: Company, start: Callable[..., subprocess.Popen[bytes]]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    start("ui", "--port", port)
    with company.open() as house, open_instance(company.folder) as instance:
        wait_until(lambda: counted(house) == 12, PATIENCE)
        visit(company, "through-dagster")
        wait_until(lambda: counted(house) == 13, PATIENCE)
        wait_until(lambda: all(run.is_finished for run in instance.get_runs()), PATIENCE)
        runs = instance.get_runs()
        assert {(run.job_name, run.status.value) for run in runs} == {("refresh", "SUCCESS")}
        assert {run.tags["customer_profiles/new"] for run in runs[:-1]} == {"web"}
        assert instance.get_latest_materialization_event(dg.AssetKey("segments")) is not None

        worker = start("stream")
        wait_until(lambda: "The streaming worker drives" in said(instance), PATIENCE)
        before = runs_started(instance)
        visit(company, "through-the-worker")
        wait_until(lambda: counted(house) == 14, PATIENCE)
        wait_until(lambda: told_by_the_worker(instance), PATIENCE)
        assert runs_started(instance) == before

        worker.send_signal(signal.SIGKILL)
        worker.wait()
        visit(company, "after-the-worker")
        wait_until(lambda: counted(house) == 15, PATIENCE)
        assert runs_started(instance) > before


def told_by_the_worker(instance: dg.DagsterInstance) -> bool:
    record = instance.get_latest_materialization_event(dg.AssetKey(["cleaned", "web_interactions"]))
    assert record is not None and record.asset_materialization is not None
    return "told by" in record.asset_materialization.metadata
