"""Each asset by itself, as the README shows, and what it tells Dagster."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dagster as dg
import pytest

from customer_profiles.orchestration.assets.cleaned import cleaned_keys
from customer_profiles.orchestration.build import build_definitions
from customer_profiles.orchestration.instance import open_instance
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, PEOPLE, Company

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("one_by_one")]


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    """A company whose sources nobody has read yet."""
    made = Company(tmp_path_factory.mktemp("company"))
    made.first_week()
    made.text += (
        "history: {after_days: 3650}\n"  # nothing is sealed here: files of a history are never the same twice
    )
    (made.folder / "customer_profiles.yaml").write_text(made.text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(KEY_VARIABLE, "a5" * 32)
        patch.delenv("DAGSTER_HOME", raising=False)
        patch.delenv("CUSTOMER_PROFILES_SETTINGS", raising=False)
        yield made


@pytest.fixture(scope="module")
def one_by_one(company: Company, tmp_path_factory: pytest.TempPathFactory) -> Company:
    """The company after each asset was materialized in a run of its own, and audited."""
    made = Company(tmp_path_factory.mktemp("one_by_one") / "company", company.text)
    shutil.copytree(company.folder, made.folder)
    definitions = build_definitions(made.settings)
    cleaned = cleaned_keys(made.settings, "record", "interaction", "consent")
    derived = (
        "identity_model",
        "identity_graph",
        "identity_events",
        "interaction_buckets",
        "interaction_history",
        "traits",
        "segments",
        "segment_changes",
        "identity_model_candidate",
    )
    keys = [dg.AssetKey("source_catalog"), *cleaned, *map(dg.AssetKey, derived)]
    assert {*keys} == definitions.resolve_asset_graph().materializable_asset_keys
    with open_instance(made.folder) as instance:
        job = definitions.resolve_implicit_global_asset_job_def()
        for key in keys:
            assert job.execute_in_process(instance=instance, asset_selection=[key]).success, key
    return made


def test_assets_that_are_materialized_one_by_one_give_what_one_run_gives(
    company: Company, one_by_one: Company, tmp_path: Path
) -> None:
    whole = Company(tmp_path / "whole", company.text)
    shutil.copytree(company.folder, whole.folder)
    with whole.open(5_000) as house:
        house.audit()
        house.run()

    found, expected = one_by_one.tables(), whole.tables()
    differing = {name for name in expected if found[name] != expected[name]}
    # The audit says when it looked; only Dagster's runs measure how long events took and look what is to be sealed.
    assert differing <= {"catalog_feed", "cursor"}
    alone = {"measure_latency", "history"}
    assert [row for row in found["cursor"] if row[0] not in alone] == expected["cursor"]
    assert found["trait"]


def test_what_was_found_of_a_source_is_shown_where_the_graph_begins(one_by_one: Company) -> None:
    with open_instance(one_by_one.folder) as instance:
        seen = instance.fetch_observations(dg.AssetKey(["crm", "contacts"]), limit=1).records[0]
        metadata = seen.asset_observation.metadata

    assert metadata["dagster/row_count"].value == 4
    assert metadata["dagster/table_name"].value == "contacts"
    assert metadata["newest data"].value == "2026-06-04"
    assert metadata["owner"].value == "team:data"
    columns = {column.name: column for column in metadata["dagster/column_schema"].value.columns}
    assert {name: column.tags["data_class"] for name, column in columns.items()} == {
        "id": "identifier",
        "name": "identifier",
        "mail": "contact",
        "phone": "contact",
        "changed": "behavioural",
    }


def test_nothing_that_dagster_keeps_of_it_is_about_a_person(one_by_one: Company) -> None:
    kept = b"".join(
        path.read_bytes() for path in (one_by_one.folder / ".dagster").rglob("*") if path.is_file()
    )

    assert b"identity_graph" in kept
    for who in PEOPLE[:4]:
        given, family = who.split()
        for value in (who, family, f"{given.lower()}@otherby.example"):
            assert value.encode() not in kept
    assert b"7700900" not in kept.replace(b" ", b"")


def test_the_command_of_the_readme_materializes_one_asset(company: Company, tmp_path: Path) -> None:
    folder = tmp_path / "company"
    shutil.copytree(company.folder, folder)
    (folder / ".dagster").mkdir()
    command = [sys.executable, "-m", "dagster", "asset", "materialize", "-m", "customer_profiles.definitions"]

    ended = subprocess.run(
        [*command, "--select", "source_catalog"],
        capture_output=True,
        text=True,
        cwd=folder,
        env={**os.environ, "DAGSTER_HOME": str(folder / ".dagster")},
    )

    assert ended.returncode == 0, ended.stderr[-2000:]
    with open_instance(folder) as instance:
        assert instance.get_latest_materialization_event(dg.AssetKey("source_catalog")) is not None
