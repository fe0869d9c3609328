"""What the streaming worker did is told to Dagster: added up, at least once, and without holding anybody up."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import sqlalchemy as sa

from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.orchestration.instance import open_instance, prepare_home
from customer_profiles.orchestration.reporter import Reporter
from customer_profiles.pipeline import unreported as queue
from customer_profiles.pipeline.build import Pipeline
from customer_profiles.pipeline.unreported import begin_reporting
from customer_profiles.pipeline.worker import Worker
from customer_profiles.state.errors import StateError
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, PEOPLE, Company
from customer_profiles_tests.web.serving import wait_until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("reporter")]

TAKEN_IN = {"email_records": 4, "crm_records": 4, "crm_interactions": 4, "web_interactions": 8}
UNREACHABLE = """
storage: {postgres: {postgres_db: {hostname: 127.0.0.1, port: 1, username: nobody, password: nothing, db_name: none}}}
"""


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    made.text += "streaming: {report_seconds: 0.1, files_seconds: 0.02, database_seconds: 0.02}\n"
    made.first_week()
    return made


@pytest.fixture
def house(company: Company) -> Iterator[Pipeline]:
    """The pipeline before anything was taken in, from where on everything is told."""
    with company.open() as opened:
        begin_reporting(opened.state)
        yield opened


def told(company: Company, asset: str | list[str]) -> list[dg.AssetMaterialization]:
    """The reports on an asset, the oldest first."""
    with open_instance(company.folder) as instance:
        records = instance.fetch_materializations(dg.AssetKey(asset), limit=100).records
    found = [record.asset_materialization for record in reversed(records)]
    assert None not in found
    return [one for one in found if one is not None]


def received(reports: list[dg.AssetMaterialization]) -> int:
    return sum(int(str(one.metadata["received"].value)) for one in reports)


def checks(company: Company, asset: str) -> list[bool]:
    key = dg.AssetCheckKey(dg.AssetKey(asset), "ledger_adds_up")
    with open_instance(company.folder) as instance:
        records = instance.event_log_storage.get_asset_check_execution_history(key, limit=10)
    return [record.event.dagster_event.event_specific_data.passed for record in reversed(records)]  # type: ignore[union-attr]


def test_many_batches_are_told_as_one_materialization_and_one_check_an_asset(
    company: Company, house: Pipeline
) -> None:
    company.text = company.text.replace("streaming: {", "streaming: {largest_batch: 2, smallest_batch: 1, ")
    with company.open() as in_small_batches:
        Worker(in_small_batches).run(until_quiet=True)

    events = Reporter(company.settings, house.state).report()

    for asset, rows in TAKEN_IN.items():
        (report,) = told(company, ["cleaned", asset])
        assert report.metadata["received"].value == rows
        assert report.metadata["batches"].value > 1  # type: ignore[operator]
    assert checks(company, "identity_graph") == [True]
    assert len(told(company, "identity_events")) == len(told(company, "segment_changes")) == 1
    assert events == 2 * (4 + 4) + 2


def test_the_latency_of_the_last_hour_is_told_with_the_last_of_the_marts(
    company: Company, house: Pipeline
) -> None:
    Worker(house).run(until_quiet=True)

    Reporter(company.settings, house.state).report()

    metadata = told(company, "segments")[0].metadata
    assert metadata["events served in the last hour"].value == 12
    assert "svg+xml" in str(metadata["latency"].value)


def test_what_was_told_is_not_told_again_and_what_comes_is(company: Company, house: Pipeline) -> None:
    reporter = Reporter(company.settings, house.state)
    Worker(house).run(until_quiet=True)
    reporter.report()
    assert reporter.report() == 0

    company.second_week()
    Worker(house).run(until_quiet=True)
    reporter.report()

    assert [one.metadata["received"].value for one in told(company, ["cleaned", "web_interactions"])] == [
        8,
        6,
    ]
    assert checks(company, "traits") == [True]  # a verdict that does not change is told once a minute


def test_of_what_was_there_before_anybody_reported_nothing_is_told(company: Company) -> None:
    with company.open() as opened:
        opened.run()
        with Reporter(company.settings, opened.state):
            assert queue.unreported(opened.state) is None


def test_killed_after_telling_and_before_noting_it_is_told_again(
    company: Company, house: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    Worker(house).run(until_quiet=True)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("customer_profiles.orchestration.reporter.reported", killed)
        with pytest.raises(KeyboardInterrupt):
            Reporter(company.settings, house.state).report()
    Reporter(company.settings, house.state).report()

    twice = told(company, ["cleaned", "web_interactions"])
    assert [one.metadata["received"].value for one in twice] == [8, 8]
    assert len({one.metadata["batch numbers"].value for one in twice}) == 1


def test_a_ledger_that_does_not_add_up_fails_the_check(company: Company, house: Pipeline) -> None:
    with house.state.writing() as connection:
        record_batch(connection, StageResult("resolve", received=3, applied=2))

    Reporter(company.settings, house.state).report()

    assert checks(company, "identity_graph") == [False]


def test_a_dagster_that_is_down_stops_nobody_and_is_told_everything_later(
    company: Company, house: Pipeline
) -> None:
    settings_of_dagster = prepare_home(company.folder) / "dagster.yaml"
    as_it_was = settings_of_dagster.read_text()
    settings_of_dagster.write_text(UNREACHABLE)
    trouble: list[str] = []
    with Reporter(company.settings, house.state, on_trouble=trouble.append):
        Worker(house).run(until_quiet=True)
        wait_until(lambda: bool(trouble))
        company.second_week()
        Worker(house).run(until_quiet=True)
        with house.state.reading() as connection:
            taken_in = connection.execute(sa.text("SELECT count(*) FROM interaction")).scalar_one()
        assert taken_in == 20
        assert trouble == ["DagsterPostgresException"]
        waiting = queue.unreported(house.state)
        assert waiting is not None

        settings_of_dagster.write_text(as_it_was)
        wait_until(lambda: trouble[-1] == "", 30)

    assert queue.unreported(house.state) is None
    assert received(told(company, ["cleaned", "web_interactions"])) == 14
    assert received(told(company, ["cleaned", "crm_records"])) == 7


def test_it_goes_on_by_itself_and_tells_the_rest_at_its_end(company: Company, house: Pipeline) -> None:
    reporter = Reporter(company.settings, house.state)
    with reporter:
        Worker(house).run(until_quiet=True)
        wait_until(lambda: queue.unreported(house.state) is None)
        company.second_week()
        Worker(house).run(until_quiet=True)
    reporter._thread.join(20)

    assert received(told(company, ["cleaned", "web_interactions"])) == 14


def test_who_does_not_drive_does_not_report(company: Company, house: Pipeline) -> None:
    Worker(house).run(until_quiet=True)
    asked: list[int] = []

    def due() -> bool:
        asked.append(1)
        return False

    with Reporter(company.settings, house.state, due=due):
        wait_until(lambda: len(asked) > 3)

    assert queue.unreported(house.state) is not None


def test_of_two_that_report_at_once_the_second_is_told_so(company: Company, house: Pipeline) -> None:
    Worker(house).run(until_quiet=True)
    found = queue.unreported(house.state)
    assert found is not None
    queue.reported(house.state, found)

    with pytest.raises(StateError, match="report"):
        queue.reported(house.state, found)


def test_no_value_of_a_person_is_told(company: Company, house: Pipeline) -> None:
    Worker(house).run(until_quiet=True)
    Reporter(company.settings, house.state).report()

    kept = b"".join(path.read_bytes() for path in (company.folder / ".dagster").rglob("*") if path.is_file())
    assert b"identity_graph" in kept
    values: list[Any] = [*PEOPLE, *(who.split()[1] for who in PEOPLE), "otherby.example"]
    assert not [value for value in values if value.encode() in kept]
