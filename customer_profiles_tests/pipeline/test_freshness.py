"""How far the profiles are behind, told from the state while a worker drives, a source is gone, a stage is stuck."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.monitoring.freshness import Freshness
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.pipeline.freshness import freshness
from customer_profiles.pipeline.lane import Lane
from customer_profiles.pipeline.overview import rows_in
from customer_profiles.pipeline.pace import Backoff, BatchSize
from customer_profiles.sources.heads import open_head
from customer_profiles.state.generations import begin_generation
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company
from customer_profiles_tests.pipeline.test_worker import QUICK, working
from customer_profiles_tests.web.serving import wait_until


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    made.text += QUICK
    made.first_week()
    return made


def found(house: Pipeline, after: float = 0) -> Freshness:
    """As it will be found some seconds from now if nothing happens until then."""
    return freshness(house.state, house.settings, now_micros() + int(after * 1_000_000))


def late(house: Pipeline, after: float) -> set[str]:
    return {lag.name for lag in found(house, after).lags if lag.seconds >= after}


def late_stages(house: Pipeline) -> list[str]:
    """In the order of the stages, what will have waited 100 seconds in 100 seconds if nothing happens until then."""
    return [lag.name for lag in found(house, 100).lags if not lag.source and lag.seconds >= 100]


def all_caught_up(house: Pipeline) -> bool:
    return all(lag.micros is not None for lag in found(house).lags)


def test_before_anything_was_read_nobody_is_late(company: Company) -> None:
    with company.open() as house:
        assert late(house, 3_600) == set()
        assert {lag.micros for lag in found(house).lags if lag.source} == {None}


def test_a_run_says_up_to_when_it_took_everything_in(company: Company) -> None:
    before = now_micros()
    company.run()

    with company.open() as house:
        lags = found(house).lags
        assert [lag.name for lag in lags] == [
            "ingest_record of email", "ingest_record of crm", "ingest_interaction of crm", "ingest_interaction of web",
            "resolve", "accumulate", "refresh_traits", "refresh_segments",
        ]  # fmt: skip
        assert all(before <= (lag.watermark or 0) <= now_micros() for lag in lags)


@pytest.mark.parametrize("engine", ["sqlcipher", "postgres"])
def test_a_quiet_source_stays_fresh_and_one_that_is_gone_becomes_late(
    company: Company, engine: str, request: pytest.FixtureRequest
) -> None:
    if engine == "postgres":
        company.text = company.text.replace("sqlite:state", request.getfixturevalue("postgres_url"))
    with open_pipeline(company.settings) as house, working(house) as worker:

        def watermarks() -> dict[str, int | None]:
            return {lag.source: lag.watermark for lag in found(house).lags if lag.source}

        wait_until(lambda: all_caught_up(house))
        company.crm("ALTER TABLE contacts RENAME TO away")
        wait_until(lambda: [failure.of for failure in worker.told.failures] == ["crm"])
        told = watermarks()
        wait_until(lambda: watermarks()["email"] != told["email"])  # what was read before is kept
        gone_at = watermarks()
        wait_until(
            lambda: watermarks()["email"] != gone_at["email"] and watermarks()["web"] != gone_at["web"]
        )
        assert watermarks()["crm"] == gone_at["crm"]

        company.crm("ALTER TABLE away RENAME TO contacts")
        wait_until(lambda: watermarks()["crm"] != gone_at["crm"])


def test_a_stage_that_is_stuck_is_named_and_what_comes_after_it_is_late_too(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    from customer_profiles.identity.model.models import ModelError
    from customer_profiles.identity.resolve import ResolveStage

    real, broken = ResolveStage.advance, threading.Event()

    def advance(self: ResolveStage, limit: int) -> Any:
        if broken.is_set():
            raise ModelError("The bundle is not there.")
        return real(self, limit)

    monkeypatch.setattr(ResolveStage, "advance", advance)
    with company.open() as house, working(house) as worker:
        wait_until(lambda: all_caught_up(house) and not found(house).lags[-1].waiting)
        broken.set()
        company.second_week()
        wait_until(lambda: bool(worker.told.failures) and found(house).lags[4].waiting > 0)
        # What does not come after the stuck stage gets through: a look may come before it has.
        wait_until(lambda: late_stages(house) == ["resolve", "refresh_traits", "refresh_segments"])
        broken.clear()
        wait_until(lambda: not any(lag.waiting for lag in found(house).lags))


WIDER = "windows: {lengths: [45m, 36h, 90d, lifetime]}\nsegments: {seen: {when: interaction_count_90d > 0}}\n"


@pytest.mark.parametrize("stage", ["accumulate", "refresh_segments"])
def test_work_that_new_settings_ask_for_makes_nobody_late_and_what_comes_meanwhile_gets_through(
    company: Company, monkeypatch: pytest.MonkeyPatch, stage: str
) -> None:
    from customer_profiles.marts import accumulate
    from customer_profiles.marts.segments import RefreshSegmentsStage

    company.run()
    company.text += WIDER
    settled = threading.Event()
    recount, touched = accumulate.recount_next, RefreshSegmentsStage._touched

    def recount_slowly(conn: Any, history: Any, generation: int, progress: Any, limit: int) -> Any:
        return recount(conn, history, generation, progress, limit) if settled.is_set() else (progress, 0)

    def sweep_slowly(self: RefreshSegmentsStage, *given: Any) -> Any:
        found, position, more = touched(self, *given)
        return found, position if settled.is_set() else replace(position, sweep=0), more

    if stage == "accumulate":
        monkeypatch.setattr(accumulate, "recount_next", recount_slowly)
    else:
        monkeypatch.setattr(RefreshSegmentsStage, "_touched", sweep_slowly)

    def waiting(house: Pipeline) -> set[str]:
        return {lag.name for lag in found(house).lags if lag.waiting}

    with open_pipeline(company.settings) as house, working(house):
        wait_until(lambda: waiting(house) == {stage})
        before = rows_in(house.state, "interaction")
        company.second_week()
        wait_until(lambda: rows_in(house.state, "interaction") > before)
        # All of it gets through, though what the settings ask for is not done.
        wait_until(lambda: waiting(house) == {stage} and late_stages(house) == [])
        settled.set()
        wait_until(lambda: waiting(house) == set())


def test_a_generation_that_is_built_and_switched_to_makes_nobody_late(company: Company) -> None:
    company.run()
    with company.open() as house:
        with house.state.writing() as connection:
            number = begin_generation(connection)
        for stage in house.derived(number):
            stage.advance(1)
            assert late_stages(house) == []
        house.rebuild()
        assert late_stages(house) == []


def test_once_nobody_drives_every_source_becomes_late_and_no_idle_stage_does(company: Company) -> None:
    with company.open() as house:
        with working(house):
            wait_until(lambda: all_caught_up(house) and not found(house).lags[-1].waiting)
        worst = found(house, 600).worst

        assert {name.split(" of ")[0] for name in late(house, 600)} == {"ingest_record", "ingest_interaction"}
        assert worst is not None
        assert worst.source


def test_a_source_with_a_backlog_has_no_new_watermark_until_it_is_read_to_its_end(company: Company) -> None:
    with company.open() as house:
        streaming, settings = house.settings.streaming, house.settings.sources["web"]
        lane = Lane(
            "web",
            [house.ingest("web", "interaction")],
            lambda: open_head("web", settings, streaming, house.state),
            BatchSize(2, 2, 2),
            Backoff(1, 1),
        )
        lane.advance()
        assert lane.more
        assert lane.watermarks == {}

        before = now_micros()
        while lane.more:
            before = now_micros()
            lane.advance()
        lane.close()
    assert lane.watermarks.keys() == {("ingest_interaction", "web")}
    assert lane.watermarks["ingest_interaction", "web"] >= before
