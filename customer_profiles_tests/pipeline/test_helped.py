"""While there is a backlog a second process looks for the last stages: nothing else becomes of it, whatever happens to it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.monitoring.ledger import ledger_check
from customer_profiles.pipeline import helped
from customer_profiles.pipeline.aside import Aside, AsideFailed
from customer_profiles.pipeline.build import Pipeline
from customer_profiles.pipeline.worker import Pass, Worker
from customer_profiles_tests.cleaning.made import write_lines
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.pipeline.killing import assert_it_ends_with_its_parent
from customer_profiles_tests.pipeline.test_worker import content, nothing_waits, working
from customer_profiles_tests.web.serving import wait_until

SETTINGS = """
streaming: {files_seconds: 0.02, database_seconds: 0.02, smallest_batch: 1, largest_batch: 2}
segments:
  regular: {when: "visit_count_lifetime >= 3"}
"""
VISITS = 40
MEMBERSHIPS = """
    SELECT segment, record.source, record.source_key
    FROM segment_membership
    JOIN member ON member.customer_no = segment_membership.customer_no
    JOIN record ON record.record_no = member.record_no
    WHERE until IS NULL ORDER BY 1, 2, 3
"""


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    # Sources are read side by side, so whose records came first is chance: let trust decide between equals.
    made.text = made.text.replace("  crm:\n", "  crm:\n    trust: 90\n", 1) + SETTINGS
    made.first_week()
    return made


def many_visits(company: Company) -> None:
    rows: list[dict[str, Any]] = [
        {"id": f"m{number}", "who": f"u{number % 5}", "kind": "visit", "at": f"2026-06-10T10:{number:02}:00Z"}
        for number in range(VISITS)
    ]
    write_lines(company.folder / "web/many.jsonl", rows)


def insides(house: Pipeline) -> list[tuple[Any, ...]]:
    with house.state.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.text(MEMBERSHIPS))]


class Watched(Aside):
    """The second process, counted, and always waited for: it starts slower than this small backlog is gone."""

    ready = True
    answers: int = 0
    failures: int = 0
    killed_after: int = 1_000_000
    killed_by: signal.Signals = signal.SIGKILL

    def answer(self, patience: float = 60.0) -> Any:
        try:
            found = super().answer(patience)
        except AsideFailed:
            Watched.failures += 1
            raise
        Watched.answers += 1
        return found

    def ask(self, stage: str, limit: int) -> None:
        if Watched.answers == Watched.killed_after:
            Watched.killed_after = 1_000_000
            os.kill(self.pid, Watched.killed_by)
        super().ask(stage, limit)


@pytest.fixture(autouse=True)
def watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(helped, "Aside", Watched)
    monkeypatch.setattr(Watched, "answers", 0)
    monkeypatch.setattr(Watched, "failures", 0)
    monkeypatch.setattr(Watched, "killed_after", 1_000_000)
    monkeypatch.setattr(Watched, "killed_by", signal.SIGKILL)


def run_beside(company: Company) -> tuple[list[Any], list[tuple[Any, ...]]]:
    """What a run makes of the same sources in another state."""
    other = Company(company.folder, company.text.replace("sqlite:state", "sqlite:other"), company.environment)
    other.run()
    with other.open() as house:
        return content(house), insides(house)


def test_what_a_second_process_looked_up_is_what_a_run_makes(company: Company) -> None:
    with company.open() as house:
        Worker(house).run(until_quiet=True)
        many_visits(company)
        passes: list[Pass] = []
        Worker(house, passes.append).run(until_quiet=True)
        assert Watched.answers >= 4
        assert nothing_waits(house)
        made = content(house), insides(house)
        with house.state.reading() as connection:
            assert ledger_check(connection).adds_up
    assert made == run_beside(company)
    assert made[1]
    assert sum(one.latency.events for one in passes) == VISITS


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_gone_or_hanging_it_costs_nothing_but_its_look(
    company: Company, monkeypatch: pytest.MonkeyPatch, by: signal.Signals
) -> None:
    many_visits(company)
    monkeypatch.setattr(helped.aside, "LOOK_SECONDS", 5.0)
    Watched.killed_after, Watched.killed_by = 2, by
    with company.open() as house:
        Worker(house).run(until_quiet=True)
        assert Watched.failures >= 1
        assert nothing_waits(house)
        made = content(house), insides(house)
    assert made == run_beside(company)


def test_one_that_cannot_look_leaves_it_to_the_stage(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    many_visits(company)
    monkeypatch.setattr(helped, "Aside", lambda _settings: Watched(Company(company.folder / "gone").settings))
    with company.open() as house:
        Worker(house).run(until_quiet=True)
        assert Watched.failures >= 1
        assert Watched.answers == 0
        made = content(house), insides(house)
    assert made == run_beside(company)


def test_stopped_in_a_backlog_it_takes_what_was_read_to_its_end(company: Company) -> None:
    many_visits(company)
    with company.open() as house:
        worker: Worker | None = None

        def stop_when_helped(_one: Pass) -> None:
            if Watched.answers >= 2:
                assert worker is not None
                worker.stop()

        worker = Worker(house, stop_when_helped)
        told = worker.run(until_quiet=True)
        assert Watched.answers >= 2 and not Watched.failures
        assert told.received < VISITS + 20
        assert nothing_waits(house)


def test_it_is_let_go_of_when_the_backlog_is_over(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    many_visits(company)
    with company.open() as house, working(house):
        wait_until(lambda: Watched.answers >= 2, 60)
        monkeypatch.setattr(helped, "IDLE_SECONDS", 0.0)
        wait_until(lambda: nothing_waits(house) and not multiprocessing.active_children(), 60)


def test_it_can_be_turned_off(company: Company) -> None:
    company.text = company.text.replace("smallest_batch", "second_process: false, smallest_batch")
    many_visits(company)
    with company.open() as house:
        Worker(house).run(until_quiet=True)
        assert nothing_waits(house)
    assert Watched.answers == 0


def test_it_ends_with_its_worker_however_that_ends(company: Company) -> None:
    company.run()
    (company.folder / "customer_profiles.yaml").write_text(company.text)
    program = """
import sys
from pathlib import Path
from customer_profiles.pipeline.aside import Aside
from customer_profiles.settings import load_settings

if __name__ == "__main__":
    aside = Aside(load_settings(Path(sys.argv[1])))
    aside.ask("refresh_segments", 10)
    aside.answer()
    print(aside.pid, flush=True)
    sys.stdin.read()
"""
    assert_it_ends_with_its_parent(program, company.folder)


def test_it_looks_on_postgres_too(company: Company, postgres_url: str) -> None:
    company.text = company.text.replace("sqlite:state", postgres_url)
    many_visits(company)
    with company.open() as house:
        Worker(house).run(until_quiet=True)
        assert Watched.answers >= 4
        assert nothing_waits(house)
        made = content(house), insides(house)
    company.text = company.text.replace(postgres_url, "sqlite:state")
    assert made == run_beside(company)
