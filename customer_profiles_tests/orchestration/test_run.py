"""A whole run of the demo company through Dagster, on real engines."""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest
import sqlalchemy as sa

from customer_profiles import demo
from customer_profiles.cleaning.quarantine import list_rows
from customer_profiles.orchestration.run import run_job
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.pipeline.overview import rows_in, summary
from customer_profiles.settings import Settings, load_settings

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("run")]

TABLES = (
    "record",
    "identifier",
    "interaction",
    "quarantine",
    "edge",
    "member",
    "bucket",
    "trait",
    "consent_statement",
)

_START = 8
"""Characters of a value that are looked for first."""


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """The demo company of 1,000 customers after its first run."""
    folder = tmp_path_factory.mktemp("company")
    shutil.copy(load_settings().folder / "customer_profiles.yaml", folder)
    demo.generate(folder / ".data" / "demo", customers=1000, seed=7)
    settings = load_settings(folder / "customer_profiles.yaml")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("DAGSTER_HOME", raising=False)
        outcome = run_job(settings)
        assert outcome.error is None
        yield settings


def sizes(settings: Settings) -> dict[str, int]:
    with open_pipeline(settings) as house:
        return {table: rows_in(house.state, table) for table in TABLES}


def test_a_run_makes_customers_of_records_and_accounts_for_everything(company: Settings) -> None:
    with open_pipeline(company) as house:
        totals = summary(house.state, company)

    assert totals.ledger_adds_up
    assert 0 < totals.customers < totals.records
    assert totals.received == totals.applied + totals.unchanged + totals.duplicate + totals.quarantined


def test_each_broken_row_is_in_the_quarantine_with_its_reason_and_nothing_else_is(company: Settings) -> None:
    broken = [
        json.loads(line)
        for line in (company.folder / ".data/demo/truth/broken.jsonl").read_text().splitlines()
        if line
    ]
    with open_pipeline(company) as house, house.state.reading() as connection:
        held = list_rows(connection)

    # One broken value can make two fields wrong, as a date that two fields read: both have the same reason.
    found = {
        (row.source, row.feed, row.position): {reason.split(":")[0] for reason in row.reasons} for row in held
    }
    assert len(found) == len(held)
    assert found == {(row["source"], row["feed"], row["where"]): {row["reason"]} for row in broken}


def test_running_twice_changes_nothing(company: Settings) -> None:
    before = sizes(company)

    outcome = run_job(company)

    assert outcome.error is None
    assert sizes(company) == before


def test_a_rebuild_of_what_has_not_changed_moves_nobody(company: Settings) -> None:
    with open_pipeline(company) as house:
        rebuilt = house.rebuild()

    assert rebuilt.moved == 0
    assert rebuilt.customers_after == rebuilt.customers_before


def personal_values(settings: Settings) -> set[bytes]:
    """What would tell of a person wherever it is found: identifiers, keys, whole names, addresses."""
    with open_pipeline(settings) as house, house.state.reading() as connection:
        values = {
            str(value)
            for query in (
                "SELECT value FROM identifier",
                "SELECT source_key FROM record",
                "SELECT full_name FROM record",
                "SELECT given_name || ' ' || family_name FROM record",
                "SELECT address_line FROM record",
            )
            for value in connection.execute(sa.text(query)).scalars()
            if value
        }
    # Short ones, and numbers, are found in any file by accident.
    told = {value.encode() for value in values if len(value) >= _START and not value.isdigit()}
    assert len(told) > 5_000
    return told


def files_that_hold_one(folder: Path, values: set[bytes]) -> list[str]:
    """The files with any of the values in them; each file is gone through once, for the values are many."""
    starts, lengths = {value[:_START] for value in values}, sorted({len(value) for value in values})
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        content = path.read_bytes()
        places = [place for place in range(len(content)) if content[place : place + _START] in starts]
        if any(content[place : place + length] in values for place in places for length in lengths):
            found.append(path.name)
    return found


def test_dagsters_storage_holds_no_personal_value(company: Settings) -> None:
    assert files_that_hold_one(company.folder / ".dagster", personal_values(company)) == []


def test_the_state_files_hold_no_plain_text(company: Settings) -> None:
    assert files_that_hold_one(company.folder / ".data" / "state", personal_values(company)) == []


def test_the_search_for_personal_values_finds_them_where_they_are(company: Settings) -> None:
    """Or the two tests above would pass whatever the files hold."""
    found = files_that_hold_one(company.folder / ".data" / "demo", personal_values(company))

    assert {"crm.db", "orders.db", "subscribers-0000.csv"} <= {*found}


def test_the_run_is_there_to_look_at(company: Settings) -> None:
    with dg.DagsterInstance.from_config(str(company.folder / ".dagster")) as instance:
        runs = instance.get_runs()
        graph = instance.get_latest_materialization_event(dg.AssetKey("identity_graph"))

    assert runs[-1].job_name == "first_run"
    assert graph is not None


def test_what_happened_to_customers_is_told_with_why(company: Settings) -> None:
    with dg.DagsterInstance.from_config(str(company.folder / ".dagster")) as instance:
        first = instance.fetch_materializations(
            dg.AssetKey("identity_events"), limit=1, ascending=True
        ).records[0]

    assert first.asset_materialization is not None
    metadata = first.asset_materialization.metadata
    told = metadata["events of this run"]
    assert isinstance(told, dg.TableMetadataValue)
    counts = [record.data for record in told.records]
    assert [(one["what"], one["cause"]) for one in counts] == [("create", "record")]
    assert int(str(counts[0]["events"])) == metadata["dagster/row_count"].value


def test_who_entered_and_left_segments_is_told_with_its_causes(company: Settings) -> None:
    with dg.DagsterInstance.from_config(str(company.folder / ".dagster")) as instance:
        first = instance.fetch_materializations(
            dg.AssetKey("segment_changes"), limit=1, ascending=True
        ).records[0]

    assert first.asset_materialization is not None
    metadata = first.asset_materialization.metadata
    told = metadata["changes of this run"]
    assert isinstance(told, dg.TableMetadataValue)
    counts = [record.data for record in told.records]
    assert ("big_spender", "entered", "identity") in {
        (one["segment"], one["what"], one["cause"]) for one in counts
    }
    assert sum(int(str(one["customers"])) for one in counts) == metadata["dagster/row_count"].value
