"""Who is who: the Splink model, and the graph of records, edges and customers."""

from collections.abc import Iterator

import dagster as dg

from customer_profiles.identity import tables
from customer_profiles.identity.model.models import ModelError
from customer_profiles.orchestration.assets.cleaned import cleaned_keys
from customer_profiles.orchestration.assets.model_metadata import model_metadata
from customer_profiles.orchestration.columns import table_schema
from customer_profiles.orchestration.plots import bars
from customer_profiles.orchestration.report import stage_metadata, table
from customer_profiles.orchestration.resources import PipelineResource
from customer_profiles.pipeline import overview
from customer_profiles.settings import Settings


def build(settings: Settings) -> list[dg.AssetsDefinition]:
    """The model and the graph."""
    records = cleaned_keys(settings, "record", "interaction")

    @dg.asset(
        name="identity_model",
        group_name="identity",
        owners=[settings.owner],
        kinds={"splink", "duckdb"},
        description=(
            "The Splink model in use, as a versioned bundle: match weights, frozen term frequencies, thresholds. "
            "Trained only while none is promoted; with few records the priors of the package serve."
        ),
        deps=records,
        metadata={"dagster/column_schema": table_schema(tables.model)},
    )
    def identity_model(pipeline: PipelineResource) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            training = house.train()
            weights = overview.match_weights(house.state)
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": dg.MetadataValue.int(training.versions),
                "dagster/table_name": dg.MetadataValue.text("model"),
                "version": dg.MetadataValue.text(training.version),
                "what happened": dg.MetadataValue.text(training.outcome),
                "seconds": dg.MetadataValue.float(round(training.seconds, 2)),
                "metrics": dg.MetadataValue.json(dict(training.metrics)),
                "match weights": bars(
                    "Weight of evidence by comparison and level, in bits",
                    [(f"{comparison}: {level}", weight) for comparison, level, weight in weights],
                ),
            }
        )

    graph = dg.AssetSpec(
        "identity_graph",
        group_name="identity",
        owners=[settings.owner],
        kinds={"splink", "table"},
        description=(
            "Which records are one customer: edges with weight and evidence, members, claims and estates."
        ),
        deps=["identity_model", *records],
        metadata={"dagster/column_schema": table_schema(tables.member)},
        skippable=True,
    )
    events = dg.AssetSpec(
        "identity_events",
        group_name="identity",
        owners=[settings.owner],
        kinds={"table"},
        description=(
            "What happened to customers and why: create, merge, split, delete, each with its cause. Written with the graph, in "
            "its transaction."
        ),
        deps=["identity_graph"],
        metadata={"dagster/column_schema": table_schema(tables.identity_event)},
        skippable=True,
    )

    @dg.multi_asset(name="resolve", specs=[graph, events], can_subset=True)
    def resolve(
        context: dg.AssetExecutionContext, pipeline: PipelineResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        with pipeline.opened() as house:
            since = overview.last_identity_event(house.state)
            result = house.drain(house.resolve())
            names = () if pipeline.quick else ("member", "identity_event")
            rows = {name: overview.rows_in(house.state, name) for name in names}
            shape = None if pipeline.quick else overview.cluster_shape(house.state)
            told = overview.identity_events(house.state, house.settings, since)
        metadata = stage_metadata(result, "member", rows.get("member"))
        if shape is not None:
            metadata["customers by records"] = bars(
                "Customers by how many records they have",
                [(f"{size} records", count) for size, count in sorted(shape.sizes.items())],
            )
            metadata["edges refused"] = table(("why", "edges"), sorted(shape.refusals.items()))
        for key, of_it in ((graph.key, metadata), (events.key, _told(told, rows.get("identity_event")))):
            if key in context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=key, metadata=of_it)

    @dg.asset(
        name="identity_model_candidate",
        group_name="identity",
        owners=[settings.owner],
        kinds={"splink", "duckdb"},
        description=(
            "A model trained on the records of today, with its report: weights, records it cannot link, accuracy, drift. "
            "It changes nothing until `customer-profiles identity model promote` puts it in use."
        ),
        deps=records,
        metadata={"dagster/column_schema": table_schema(tables.model)},
    )
    def identity_model_candidate(pipeline: PipelineResource) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            try:
                trained = house.train_candidate()
            except ModelError as error:
                return dg.MaterializeResult(metadata={"what happened": dg.MetadataValue.text(str(error))})
            report = overview.report_on_model(house.state, house.settings, trained.version)
        return dg.MaterializeResult(
            metadata={
                "version": dg.MetadataValue.text(str(trained.version)),
                "records": dg.MetadataValue.int(trained.records),
                "seed": dg.MetadataValue.int(trained.seed),
                "seconds": dg.MetadataValue.float(round(trained.seconds, 2)),
                "metrics": dg.MetadataValue.json(dict(trained.metrics)),
                **model_metadata(report),
            }
        )

    return [identity_model, resolve, identity_model_candidate]


def _told(told: overview.EventsTold, rows: int | None) -> dict[str, dg.MetadataValue]:
    """What happened to customers in this run; its newest merges and splits in a sentence each."""
    counted = {} if rows is None else {"dagster/row_count": dg.MetadataValue.int(rows)}
    return {
        **counted,
        "dagster/table_name": dg.MetadataValue.text("identity_event"),
        "events of this run": table(("what", "cause", "events"), told.counts),
        "why, the newest of this run": table(
            ("event", "what", "cause", "records to explain", "why"),
            (
                (
                    one.event.event_no,
                    one.event.kind.value,
                    one.event.cause_kind,
                    "" if one.pair is None else " ".join(map(str, one.pair)),
                    one.sentence,
                )
                for one in told.newest
            ),
        ),
        "to see more": dg.MetadataValue.text(
            "customer-profiles identity explain RECORD RECORD, customer-profiles identity history RECORD"
        ),
    }
