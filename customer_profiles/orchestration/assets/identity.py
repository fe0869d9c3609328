"""Who is who: the Splink model, and the graph of records, edges and customers."""

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

    @dg.asset(
        name="identity_graph",
        group_name="identity",
        owners=[settings.owner],
        kinds={"splink", "table"},
        description=(
            "Which records are one customer: edges with weight and evidence, members, claims, estates and identity "
            "events with their causes."
        ),
        deps=["identity_model", *records],
        metadata={"dagster/column_schema": table_schema(tables.member)},
    )
    def identity_graph(pipeline: PipelineResource) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            result = house.drain(house.resolve())
            rows = overview.rows_in(house.state, "member")
            shape = overview.cluster_shape(house.state)
        metadata = stage_metadata(result, "member", rows)
        metadata["customers by records"] = bars(
            "Customers by how many records they have",
            [(f"{size} records", count) for size, count in sorted(shape.sizes.items())],
        )
        metadata["edges refused"] = table(("why", "edges"), sorted(shape.refusals.items()))
        return dg.MaterializeResult(metadata=metadata)

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

    return [identity_model, identity_graph, identity_model_candidate]
