"""The house as Dagster sees it."""

import subprocess
import sys
import warnings

import dagster as dg
import pytest

from customer_profiles.contracts import CONTRACTS
from customer_profiles.orchestration.assets.sources import feed_key
from customer_profiles.orchestration.build import build_definitions
from customer_profiles.settings import load_settings


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(load_settings())


def test_definitions_load_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dg.Definitions.validate_loadable(build_definitions(load_settings()))


def test_a_code_server_that_loads_them_hears_no_warning() -> None:
    """Imports count too, and whatever warns once only: hence a process of its own."""
    load = "import dagster as dg; from customer_profiles.definitions import defs; dg.Definitions.validate_loadable(defs)"

    ended = subprocess.run(
        [sys.executable, "-W", "always", "-c", load], capture_output=True, text=True, check=True
    )

    assert not [line for line in ended.stderr.splitlines() if "Warning" in line and "/dagster/" not in line]


def test_every_asset_has_owner_group_kinds_and_description(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.owners, spec.key
        assert spec.group_name not in (None, "default"), spec.key
        assert spec.kinds, spec.key
        assert spec.description, spec.key


def test_every_asset_shows_its_columns_with_their_class(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        columns = spec.metadata["dagster/column_schema"].columns
        assert columns, spec.key
        assert all(column.tags["data_class"] for column in columns), spec.key
        if spec.group_name != "identity":
            assert all(column.description for column in columns), spec.key


def test_the_columns_of_a_cleaned_asset_are_its_contracts(definitions: dg.Definitions) -> None:
    columns = {
        spec.key.path[-1]: spec.metadata["dagster/column_schema"].columns
        for spec in definitions.resolve_all_asset_specs()
    }

    for asset, contract in (
        ("crm_records", "record"),
        ("web_interactions", "interaction"),
        ("email_consent", "consent"),
    ):
        assert [(column.name, column.description) for column in columns[asset]] == [
            (field.name, field.description) for field in CONTRACTS[contract].fields
        ]


def test_a_source_is_an_external_asset_that_shows_what_is_read_of_it(definitions: dg.Definitions) -> None:
    graph, settings = definitions.resolve_asset_graph(), load_settings()

    for source, name, feed in settings.feeds():
        node = graph.get(feed_key(source, name))
        assert node.is_external, node.key
        assert not node.parent_keys, node.key
        assert {column.name for column in node.metadata["dagster/column_schema"].columns} == {*feed.columns}
    assert node.metadata["contract"] == feed.contract


def test_the_graph_reads_from_left_to_right(definitions: dg.Definitions) -> None:
    floors = {"sources": 0, "catalog": 1, "cleaned": 1, "consent": 1, "identity": 2, "marts": 3, "history": 4}
    graph = definitions.resolve_asset_graph()

    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.parent_keys or node.group_name == "sources", key
        for parent in node.parent_keys:
            assert floors[graph.get(parent).group_name] <= floors[node.group_name], (parent, key)


def test_every_asset_that_takes_in_rows_has_a_check_that_its_ledger_adds_up(
    definitions: dg.Definitions,
) -> None:
    graph = definitions.resolve_asset_graph()
    checked = {key.asset_key for key in graph.asset_check_keys if key.name == "ledger_adds_up"}

    without = graph.materializable_asset_keys - checked
    assert without == {
        dg.AssetKey("source_catalog"),
        dg.AssetKey("identity_model"),
        dg.AssetKey("identity_events"),  # written with the graph, in its transaction
        dg.AssetKey("segment_changes"),  # written with the segments, in their transaction
        dg.AssetKey("identity_model_candidate"),
    }


def test_every_run_stays_in_one_process_whoever_starts_it(definitions: dg.Definitions) -> None:
    for job in (*definitions.resolve_all_job_defs(), definitions.resolve_implicit_global_asset_job_def()):
        assert job.executor_def is dg.in_process_executor, job.name


def test_each_source_and_contract_has_a_cleaned_asset(definitions: dg.Definitions) -> None:
    settings = load_settings()
    wanted = {(source, feed.contract) for source, _, feed in settings.feeds()}
    made = [key for key in definitions.resolve_asset_graph().get_all_asset_keys() if key.path[0] == "cleaned"]

    assert len(made) == len(wanted)


def test_the_jobs_are_there(definitions: dg.Definitions) -> None:
    for name in (
        "first_run",
        "refresh",
        "rebuild",
        "train_identity_model",
        "train_candidate_model",
        "measure_reviewed_precision",
        "audit_sources",
        "check_everything",
    ):
        assert definitions.resolve_job_def(name).name == name
