"""The jobs a person or a sensor starts: refresh, rebuild, train, audit, and the first run that does it all."""

from typing import TYPE_CHECKING

import dagster as dg

from customer_profiles.orchestration.assets import history
from customer_profiles.orchestration.housekeeping import keep_house
from customer_profiles.orchestration.resources import PipelineResource
from customer_profiles.orchestration.sla import CHECK, MARTS
from customer_profiles.pipeline.rebuild import Rebuilt

if TYPE_CHECKING:
    from dagster._core.definitions.unresolved_asset_job_definition import UnresolvedAssetJobDefinition

EVERYTHING = "first_run"
REFRESH = "refresh"
TRAIN = "train_identity_model"
AUDIT = "audit_sources"
REBUILD = "rebuild"
KEEPING = "keep_house"
CANDIDATE = "train_candidate_model"
HISTORY = "keep_history"
REVIEWED = "measure_reviewed_precision"
CHECKS = "check_everything"

_MODEL = dg.AssetSelection.assets("identity_model")
_CATALOG = dg.AssetSelection.assets("source_catalog")
_HISTORY = dg.AssetSelection.assets(history.NAME)
_CANDIDATE = dg.AssetSelection.assets("identity_model_candidate")
_REVIEWED = dg.AssetSelection.checks(dg.AssetCheckKey(dg.AssetKey("identity_graph"), "reviewed_precision"))
# Of the time, not of a run: the sensor tells them.
_SLA = dg.AssetSelection.checks(*[dg.AssetCheckKey(dg.AssetKey(asset), CHECK) for asset in MARTS])


def build_jobs() -> "list[dg.JobDefinition | UnresolvedAssetJobDefinition]":
    """Every job runs in one process: a stage is one transaction after another, and its lock is in the state."""

    def asset_job(
        name: str, selection: dg.AssetSelection, description: str
    ) -> "UnresolvedAssetJobDefinition":
        return dg.define_asset_job(
            name, selection=selection, description=description, executor_def=dg.in_process_executor
        )

    return [
        asset_job(
            EVERYTHING,
            dg.AssetSelection.all() - _CANDIDATE - _HISTORY - _REVIEWED - _SLA,
            "The first run: audit the sources, read them, train the model, build the profiles.",
        ),
        asset_job(
            REFRESH,
            dg.AssetSelection.all() - _MODEL - _CATALOG - _CANDIDATE - _HISTORY - _REVIEWED - _SLA,
            "Take in what is new in the sources and bring every profile up to date.",
        ),
        asset_job(TRAIN, _MODEL, "Train the Splink model, when none is promoted yet."),
        asset_job(
            CANDIDATE,
            _CANDIDATE,
            "Train another model on the records of today, as a candidate; nothing changes.",
        ),
        asset_job(REVIEWED, _REVIEWED, "Work out the precision of the graph from what stewards decided."),
        asset_job(
            CHECKS,
            dg.AssetSelection.all_asset_checks() - _REVIEWED - _SLA,
            "Look at everything once more: do the ledgers add up, what does the graph look like.",
        ),
        asset_job(HISTORY, _HISTORY, "Seal what is old in the history, and merge its small segments."),
        asset_job(AUDIT, _CATALOG, "Look at every source again: tables, columns, sizes, newest data."),
        _rebuild_job,
        _keeping_job,
    ]


def describe_rebuild(rebuilt: Rebuilt) -> dict[str, dg.MetadataValue]:
    """What a rebuild found, as metadata of its step."""
    return {
        "generation": dg.MetadataValue.int(rebuilt.generation),
        "customers before": dg.MetadataValue.int(rebuilt.customers_before),
        "customers after": dg.MetadataValue.int(rebuilt.customers_after),
        "records that changed customer": dg.MetadataValue.int(rebuilt.moved),
        "seconds": dg.MetadataValue.float(round(rebuilt.seconds, 2)),
    }


@dg.op(
    name="tidy",
    description="Prune runs, events and checks without run, ticks, inbox, expired buckets, old batches of the ledger and alarms.",
)
def _tidy(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    with pipeline.opened() as house:
        gone = keep_house(context.instance, house.state, house.settings)
    context.add_output_metadata({name: dg.MetadataValue.int(count) for name, count in gone.items()})


@dg.job(
    name=KEEPING,
    executor_def=dg.in_process_executor,
    description="Keep Dagster's storage, the inbox and the state small: `keeping` in the settings says what is left.",
)
def _keeping_job() -> None:
    _tidy()


@dg.op(name="rebuild_generation", description="Build a new generation from stored records, compare, switch.")
def _rebuild_generation(context: dg.OpExecutionContext, pipeline: PipelineResource) -> None:
    with pipeline.opened() as house:
        rebuilt = house.rebuild()
    context.add_output_metadata(describe_rebuild(rebuilt))


@dg.job(
    name=REBUILD,
    executor_def=dg.in_process_executor,
    description="Build a new generation beside the live one from stored records, compare, switch the pointer.",
)
def _rebuild_job() -> None:
    _rebuild_generation()
