"""Cleaned records, interactions and consent statements: an asset a source and contract, made from the settings."""

import dagster as dg

from customer_profiles.contracts import CONTRACTS
from customer_profiles.orchestration.assets.sources import feed_key
from customer_profiles.orchestration.columns import contract_schema
from customer_profiles.orchestration.report import stage_metadata
from customer_profiles.orchestration.resources import PipelineResource
from customer_profiles.pipeline import overview
from customer_profiles.settings import Settings, Source

_PLURAL = {"record": "records", "interaction": "interactions", "consent": "consent"}
TABLE = {"record": "record", "interaction": "interaction", "consent": "consent_statement"}


def cleaned_key(source: str, contract: str) -> dg.AssetKey:
    """The asset key of the cleaned rows of one source under one contract."""
    return dg.AssetKey(["cleaned", f"{source}_{_PLURAL[contract]}"])


def contracts_of(source: Source) -> tuple[str, ...]:
    """The contracts that a source feeds, records first, as the stages run."""
    present = {feed.contract for feed in source.feeds.values()}
    return tuple(contract for contract in _PLURAL if contract in present)


def cleaned_keys(settings: Settings, *contracts: str) -> list[dg.AssetKey]:
    """The keys of all cleaned assets under the given contracts."""
    return [
        cleaned_key(name, contract)
        for name, source in settings.sources.items()
        for contract in contracts_of(source)
        if contract in contracts
    ]


def build(settings: Settings) -> list[dg.AssetsDefinition]:
    """One asset for each source and contract in the settings."""
    return [
        _cleaned_asset(settings, name, source, contract)
        for name, source in settings.sources.items()
        for contract in contracts_of(source)
    ]


def _cleaned_asset(settings: Settings, name: str, source: Source, contract: str) -> dg.AssetsDefinition:
    deps = [feed_key(name, feed) for feed, spec in source.feeds.items() if spec.contract == contract]
    if contract != "record" and "record" in contracts_of(source):
        deps.append(cleaned_key(name, "record"))

    @dg.asset(
        key=cleaned_key(name, contract),
        group_name="consent" if contract == "consent" else "cleaned",
        owners=[source.owner or settings.owner],
        kinds={"table", "pandas"},
        description=(
            f"{_PLURAL[contract].capitalize()} of {name}: normalised, validated against the {contract} contract; "
            "a row that breaks it waits in the quarantine with every reason."
        ),
        deps=deps,
        metadata={"dagster/column_schema": contract_schema(CONTRACTS[contract])},
    )
    def cleaned(pipeline: PipelineResource) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            result = house.drain(house.ingest(name, contract))
            rows = None if pipeline.quick else overview.rows_in(house.state, TABLE[contract], name)
        return dg.MaterializeResult(metadata=stage_metadata(result, TABLE[contract], rows))

    return cleaned
