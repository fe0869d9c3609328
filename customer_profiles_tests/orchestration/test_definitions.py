"""The house as Dagster sees it."""

import warnings

import dagster as dg
import pytest

from customer_profiles.orchestration.build import build_definitions
from customer_profiles.settings import load_settings


@pytest.fixture(scope="module")
def definitions() -> dg.Definitions:
    return build_definitions(load_settings())


def test_definitions_load_without_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dg.Definitions.validate_loadable(build_definitions(load_settings()))


def test_every_asset_has_owner_group_kinds_and_description(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        assert spec.owners, spec.key
        assert spec.group_name not in (None, "default"), spec.key
        assert spec.kinds, spec.key
        assert spec.description, spec.key


def test_every_asset_that_we_make_shows_its_columns(definitions: dg.Definitions) -> None:
    for spec in definitions.resolve_all_asset_specs():
        if spec.group_name == "sources":
            continue
        schema = spec.metadata["dagster/column_schema"]
        assert schema.columns, spec.key


def test_each_source_and_contract_has_a_cleaned_asset(definitions: dg.Definitions) -> None:
    settings = load_settings()
    wanted = {(source, feed.contract) for source, _, feed in settings.feeds()}
    made = [key for key in definitions.resolve_asset_graph().get_all_asset_keys() if key.path[0] == "cleaned"]

    assert len(made) == len(wanted)


def test_the_jobs_are_there(definitions: dg.Definitions) -> None:
    for name in ("first_run", "refresh", "rebuild", "train_identity_model", "audit_sources"):
        assert definitions.resolve_job_def(name).name == name
