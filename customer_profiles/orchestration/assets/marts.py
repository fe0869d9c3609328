"""What is known of each customer: interaction buckets, traits with their provenance, segments."""

import dagster as dg

from customer_profiles.marts import tables
from customer_profiles.orchestration.assets.cleaned import cleaned_keys
from customer_profiles.orchestration.columns import table_schema
from customer_profiles.orchestration.plots import bars
from customer_profiles.orchestration.report import stage_metadata
from customer_profiles.orchestration.resources import PipelineResource
from customer_profiles.orchestration.sla import FRESHNESS
from customer_profiles.pipeline import overview
from customer_profiles.settings import Settings


def build(settings: Settings) -> list[dg.AssetsDefinition]:
    """The profile marts, one asset a stage."""

    @dg.asset(
        name="interaction_buckets",
        group_name="marts",
        owners=[settings.owner],
        freshness_policy=FRESHNESS,
        kinds={"table", "sql"},
        description=(
            "Counts and sums of each record's interactions by minute, hour, day and lifetime, its purchases and its "
            "support matters. Windows are sums of buckets, taken when they are read."
        ),
        deps=cleaned_keys(settings, "interaction"),
        metadata={"dagster/column_schema": table_schema(tables.bucket)},
    )
    def interaction_buckets(pipeline: PipelineResource) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            result = house.drain(house.accumulate())
            rows = overview.rows_in(house.state, "bucket")
        return dg.MaterializeResult(metadata=stage_metadata(result, "bucket", rows))

    @dg.asset(
        name="traits",
        group_name="marts",
        owners=[settings.owner],
        freshness_policy=FRESHNESS,
        kinds={"table", "python"},
        description=(
            "One fact a row: its value, the record it comes from, and the values that lost, by the trust order of "
            "the sources and then by age. Every change is kept in the profile history."
        ),
        deps=["identity_graph"],
        metadata={"dagster/column_schema": table_schema(tables.trait)},
    )
    def traits(pipeline: PipelineResource) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            result = house.drain(house.refresh_traits())
            rows = overview.rows_in(house.state, "trait")
        return dg.MaterializeResult(metadata=stage_metadata(result, "trait", rows))

    @dg.asset(
        name="segments",
        group_name="marts",
        owners=[settings.owner],
        freshness_policy=FRESHNESS,
        kinds={"table", "duckdb"},
        description="Who is in which segment since when: named conditions over traits and windows.",
        deps=["traits", "interaction_buckets"],
        metadata={"dagster/column_schema": table_schema(tables.segment_membership)},
    )
    def segments(pipeline: PipelineResource) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            result = house.drain(house.refresh_segments())
            rows = overview.rows_in(house.state, "segment_membership")
            members = overview.segment_sizes(house.state)
        metadata = stage_metadata(result, "segment_membership", rows)
        metadata["customers by segment"] = bars(
            "Customers by segment", [(name, members.get(name, 0)) for name in sorted(settings.segments)]
        )
        return dg.MaterializeResult(metadata=metadata)

    return [interaction_buckets, traits, segments]
