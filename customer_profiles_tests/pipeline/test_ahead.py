"""A long run has a second process that drains stages ahead of it: nothing else becomes of it, whatever happens to it."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from dagster import AssetKey, DagsterEventType, TableMetadataValue

from customer_profiles.marts.tables import segment_change
from customer_profiles.monitoring.ledger import StageResult, ledger_check
from customer_profiles.monitoring.tables import ledger
from customer_profiles.orchestration.assets.cleaned import cleaned_key
from customer_profiles.orchestration.build import build_definitions
from customer_profiles.orchestration.instance import open_instance
from customer_profiles.orchestration.jobs import REFRESH
from customer_profiles.orchestration.run import run_job
from customer_profiles.pipeline import ahead
from customer_profiles.pipeline.ahead import Ahead, with_a_second_process
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.sources.errors import SourceError
from customer_profiles.state.engine import State
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.pipeline.killing import assert_it_ends_with_its_parent
from customer_profiles_tests.pipeline.test_helped import SETTINGS, insides, many_visits
from customer_profiles_tests.pipeline.test_worker import content, nothing_waits
from customer_profiles_tests.web.serving import wait_until

LIMIT = 3


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    """Its sources are email, crm and web, in this order; a run of a single batch is very long."""
    monkeypatch.setattr(ahead, "LONG", 1)
    monkeypatch.setattr(ahead, "VERY_LONG", 1)
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    # Sources are read side by side, so whose records came first is chance: let trust decide between equals.
    made.text = made.text.replace("  crm:\n", "  crm:\n    trust: 90\n", 1) + SETTINGS
    made.first_week()
    many_visits(made)
    return made


def batches(state: State, stage: str, source: str = "") -> int:
    """How many batches of a stage are in the ledger."""
    query = sa.select(sa.func.count()).where(ledger.c.stage == stage, ledger.c.source == source)
    with state.reading() as connection:
        return int(connection.execute(query).scalar_one())


@contextmanager
def hastened(company: Company, told: Callable[[Pipeline, StageResult], None]) -> Iterator[Pipeline]:
    """The pipeline with a second process, and who hears of each batch."""
    found: list[Pipeline] = []
    with (
        open_pipeline(company.settings, lambda result: told(found[0], result), LIMIT) as opened,
        with_a_second_process(opened) as house,
    ):
        found.append(house)
        yield house


class HeldUp:
    """Holds up the run after its first batch, until something was done ahead, and then does something once."""

    def __init__(
        self,
        then: Callable[[Pipeline], Any] = lambda _house: None,
        after: tuple[str, str] = ("ingest_record", "email"),
        until: tuple[str, str] = ("ingest_interaction", "web"),
        batches_done: int = 2,
    ) -> None:
        self.results: list[StageResult] = []
        self.held = False
        self._then, self._after, self._until = then, after, until
        self._batches = batches_done

    def __call__(self, house: Pipeline, result: StageResult) -> None:
        self.results.append(result)
        if not self.held and (result.stage, result.source) == self._after:
            self.held = True
            wait_until(lambda: batches(house.state, *self._until) >= self._batches, 60)
            self._then(house)


def run_beside(company: Company) -> tuple[list[Any], list[tuple[Any, ...]]]:
    """What a run in one process makes of the same sources in another state."""
    other = Company(company.folder, company.text.replace(company.settings.state.url, "sqlite:other"))
    other.environment = company.environment
    other.run()
    with other.open() as house:
        return content(house), insides(house)


def assert_well(house: Pipeline, company: Company) -> None:
    assert nothing_waits(house)
    with house.state.reading() as connection:
        assert ledger_check(connection).adds_up
    assert (content(house), insides(house)) == run_beside(company)


def killed(by: signal.Signals) -> Callable[[Pipeline], None]:
    def kill(house: Pipeline) -> None:
        assert isinstance(house.ahead, Ahead)
        assert house.ahead.pid is not None
        with (
            house.state.writing()
        ):  # so that it is not in the middle of a transaction: stopped there, it would lock others out
            os.kill(house.ahead.pid, by)

    return kill


def test_what_two_processes_make_is_what_one_makes_and_every_batch_is_told_once(company: Company) -> None:
    told = HeldUp()
    with hastened(company, told) as house:
        house.run()
        assert_well(house, company)
        by_stage = [(one.stage, one.source) for one in told.results if one.received]
        for stage, source in set(by_stage):
            assert by_stage.count((stage, source)) == batches(house.state, stage, source)
    assert not multiprocessing.active_children()


def test_who_asks_for_a_stage_that_was_drained_ahead_is_told_all_that_was_done(company: Company) -> None:
    with hastened(company, HeldUp()) as house:
        results = {(stage.name, stage.source): house.drain(stage) for stage in house.ingests()}
        counted = house.drain(house.accumulate())
    assert results["ingest_interaction", "web"].received == 48
    assert counted.received == 48 + 4


def run_with_segments_ahead(company: Company, *then: Any) -> None:
    """A run that waits for the other process to begin with segments; what is done then, if anything."""
    told = HeldUp()
    following = HeldUp(*then, after=("refresh_traits", ""), until=("refresh_segments", ""), batches_done=1)

    def tell(house: Pipeline, result: StageResult) -> None:
        told(house, result)
        following(house, result)

    with hastened(company, tell) as house:
        house.run()
        assert_well(house, company)
    assert following.held


def test_segments_follow_the_traits_that_the_run_folds(company: Company) -> None:
    run_with_segments_ahead(company)


def test_it_is_gone_while_the_run_finds_out_who_is_who_and_comes_back_for_segments(company: Company) -> None:
    told = HeldUp()
    following = HeldUp(after=("refresh_traits", ""), until=("refresh_segments", ""), batches_done=1)

    def tell(house: Pipeline, result: StageResult) -> None:
        told(house, result)
        if result.stage == "resolve":
            wait_until(lambda: batches(house.state, "accumulate") > 1, 60)
            wait_until(lambda: not multiprocessing.active_children(), 60)
        following(house, result)

    with hastened(company, tell) as house:
        house.run()
        assert_well(house, company)
    assert following.held and not multiprocessing.active_children()


def test_in_a_run_that_is_long_but_not_very_long_it_does_not_come_back(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "VERY_LONG", 1_000)
    told, children = HeldUp(), []

    def tell(house: Pipeline, result: StageResult) -> None:
        told(house, result)
        if result.stage == "refresh_traits":
            children.append(multiprocessing.active_children())
        if result.stage == "resolve":
            wait_until(lambda: not multiprocessing.active_children(), 60)

    with hastened(company, tell) as house:
        house.run()
        assert_well(house, company)
    assert len(children) > 1 and not any(children)


def test_a_run_of_dagster_tells_who_was_put_into_segments_ahead(company: Company) -> None:
    following = HeldUp(after=("refresh_traits", ""), until=("refresh_segments", ""), batches_done=1)
    told = HeldUp()

    def tell(result: StageResult) -> None:
        told(beside, result)
        following(beside, result)

    with open_pipeline(company.settings) as beside:
        assert run_job(company.settings, progress=tell, limit=LIMIT).error is None
        with beside.state.reading() as connection:
            changes = connection.execute(sa.select(sa.func.count()).select_from(segment_change)).scalar_one()
    assert following.held and changes
    with open_instance(company.folder) as instance:
        event = instance.get_latest_materialization_event(AssetKey("segment_changes"))
    assert event is not None and event.asset_materialization is not None
    shown = event.asset_materialization.metadata["changes of this run"]
    assert isinstance(shown, TableMetadataValue)
    assert sum(int(str(row.data["customers"])) for row in shown.records) == changes


def test_what_comes_in_after_something_was_counted_ahead_is_counted_too(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "LONG", 4 + 4 + LIMIT)
    told = HeldUp(after=("ingest_interaction", "crm"), until=("accumulate", ""))
    with hastened(company, told) as house:
        house.run()
        assert_well(house, company)
    assert told.held


def test_drained_again_a_stage_takes_in_what_came_meanwhile(company: Company) -> None:
    with hastened(company, HeldUp()) as house:
        house.run()
        company.second_week()
        house.run()
        assert_well(house, company)


@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hanging"])
def test_gone_or_hanging_it_costs_nothing_but_the_batch_under_way(
    company: Company, monkeypatch: pytest.MonkeyPatch, by: signal.Signals
) -> None:
    monkeypatch.setattr(ahead, "PATIENCE_SECONDS", 2.0)
    with hastened(company, HeldUp(killed(by))) as house:
        house.run()
        assert_well(house, company)


def test_killed_while_it_puts_customers_into_segments_nothing_is_lost(company: Company) -> None:
    run_with_segments_ahead(company, killed(signal.SIGKILL))


def test_a_source_that_cannot_be_read_ahead_is_told_of_by_the_run(company: Company) -> None:
    def away(_house: Pipeline) -> None:
        (company.folder / "crm.db").rename(company.folder / "away.db")

    told = HeldUp(away)
    with hastened(company, told) as house, pytest.raises(SourceError, match=r"crm"):
        house.run()
    (company.folder / "away.db").rename(company.folder / "crm.db")
    with company.open() as house:
        house.run()
        assert_well(house, company)


def test_stopped_in_the_middle_it_goes_on_where_it_was(company: Company) -> None:
    def stop(_house: Pipeline) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), hastened(company, HeldUp(stop)) as house:
        house.run()
    assert not multiprocessing.active_children()
    with company.open() as house:
        house.run()
        assert_well(house, company)


@pytest.mark.parametrize("why", ["short", "turned off"])
def test_a_short_run_has_none_nor_one_whose_settings_say_so(
    company: Company, monkeypatch: pytest.MonkeyPatch, why: str
) -> None:
    if why == "short":
        monkeypatch.setattr(ahead, "LONG", 1_000)
    else:
        company.text = company.text.replace("smallest_batch", "second_process: false, smallest_batch")
    children: list[Any] = []
    with hastened(
        company, lambda _house, _result: children.extend(multiprocessing.active_children())
    ) as house:
        house.run()
        assert_well(house, company)
    assert not children


def test_it_ends_with_its_run_however_that_ends(company: Company) -> None:
    (company.folder / "customer_profiles.yaml").write_text(company.text)
    program = """
import sys
from pathlib import Path
from customer_profiles.pipeline import ahead
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import load_settings

if __name__ == "__main__":
    ahead.LONG = 1
    with (
        open_pipeline(load_settings(Path(sys.argv[1])), limit=1) as opened,
        ahead.with_a_second_process(opened) as house,
    ):
        house.drain(house.ingests()[0])
        print(house.ahead.pid, flush=True)
        sys.stdin.read()
"""
    assert_it_ends_with_its_parent(program, company.folder)


def test_a_run_of_dagster_has_one_and_waits_last_for_what_is_counted_meanwhile(company: Company) -> None:
    told = HeldUp()
    with open_pipeline(company.settings) as beside:
        outcome = run_job(company.settings, progress=lambda result: told(beside, result), limit=LIMIT)
        assert outcome.error is None
        assert_well(beside, company)
    with open_instance(company.folder) as instance:
        started = [log.step_key for log in instance.all_logs(outcome.run_id, DagsterEventType.STEP_START)]
    stages = [
        step for step in started if step in ("resolve", "traits", "interaction_buckets", "refresh_segments")
    ]
    assert stages == ["resolve", "traits", "interaction_buckets", "refresh_segments"]


def test_a_run_of_some_assets_reads_no_other_source(company: Company) -> None:
    children: list[Any] = []
    definitions = build_definitions(
        company.settings, lambda _result: children.extend(multiprocessing.active_children()), LIMIT
    )
    with open_instance(company.folder) as instance:
        asked = [cleaned_key("web", "interaction")]
        job = definitions.resolve_job_def(REFRESH)
        assert job.execute_in_process(instance=instance, asset_selection=asked).success
    assert not children
    with company.open() as house:
        assert batches(house.state, "ingest_interaction", "web") > 1
        assert batches(house.state, "ingest_record", "email") == 0


def test_two_processes_work_on_postgres_too(company: Company, postgres_url: str) -> None:
    company.text = company.text.replace("sqlite:state", postgres_url)
    with hastened(company, HeldUp()) as house:
        house.run()
        assert_well(house, company)
