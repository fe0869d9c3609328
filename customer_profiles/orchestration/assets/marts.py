"""What is known of each customer: interaction buckets, traits with their provenance, segments."""

from collections.abc import Iterator

import dagster as dg

from customer_profiles.marts import tables
from customer_profiles.orchestration.assets.cleaned import cleaned_keys
from customer_profiles.orchestration.columns import table_schema
from customer_profiles.orchestration.latency_plot import latency_of_the_last_hour
from customer_profiles.orchestration.plots import bars
from customer_profiles.orchestration.report import stage_metadata, table
from customer_profiles.orchestration.resources import PipelineResource
from customer_profiles.orchestration.sla import FRESHNESS
from customer_profiles.pipeline import overview
from customer_profiles.settings import Settings

BUCKETS, SEGMENTS = "interaction_buckets", "segments"
_LAST = {"dagster/priority": "-1"}
"""Of what can run, this comes last: in a long run a second process counts while this one finds out who is who."""


def build(settings: Settings) -> list[dg.AssetsDefinition]:
    """The profile marts, one asset a stage."""

    @dg.asset(
        name=BUCKETS,
        group_name="marts",
        owners=[settings.owner],
        freshness_policy=FRESHNESS,
        kinds={"table", "sql"},
        description=(
            "Counts and sums of each record's interactions by minute, hour, day and lifetime, and by the properties that "
            "the settings name; its purchases and its support matters. Windows are sums of buckets, taken when they are read."
        ),
        deps=cleaned_keys(settings, "interaction"),
        op_tags=_LAST,
        metadata={"dagster/column_schema": table_schema(tables.bucket)},
    )
    def interaction_buckets(pipeline: PipelineResource) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            result = house.drain(house.accumulate())
            rows = None if pipeline.quick else overview.rows_in(house.state, "bucket")
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
            rows = None if pipeline.quick else overview.rows_in(house.state, "trait")
        return dg.MaterializeResult(metadata=stage_metadata(result, "trait", rows))

    in_segments = dg.AssetSpec(
        SEGMENTS,
        group_name="marts",
        owners=[settings.owner],
        freshness_policy=FRESHNESS,
        kinds={"table", "duckdb"},
        description="Who is in which segment since when: named conditions over traits and windows.",
        deps=["traits", "interaction_buckets"],
        metadata={"dagster/column_schema": table_schema(tables.segment_membership)},
        skippable=True,
    )
    changes = dg.AssetSpec(
        "segment_changes",
        group_name="marts",
        owners=[settings.owner],
        kinds={"table"},
        description=(
            "The feed of who entered and left which segment, when and why: appended and numbered. Written with the "
            "segments, in their transaction; it stays in the house."
        ),
        deps=["segments"],
        metadata={"dagster/column_schema": table_schema(tables.segment_change)},
        skippable=True,
    )

    @dg.multi_asset(name="refresh_segments", specs=[in_segments, changes], can_subset=True)
    def refresh_segments(
        context: dg.AssetExecutionContext, pipeline: PipelineResource
    ) -> Iterator[dg.MaterializeResult[None]]:
        with pipeline.opened() as house:
            since = pipeline.segments_before
            if since is None:
                since = overview.last_segment_change(house.state)
            result = house.drain(house.refresh_segments())
            names = () if pipeline.quick else ("segment_membership", "segment_change")
            rows = {name: overview.rows_in(house.state, name) for name in names}
            members = None if pipeline.quick else overview.segment_sizes(house.state)
            told = overview.segment_changes(house.state, since)
            house.measure_latency()
            latency = latency_of_the_last_hour(house.state)
        metadata = stage_metadata(result, "segment_membership", rows.get("segment_membership"))
        if members is not None:
            metadata["customers by segment"] = bars(
                "Customers by segment", [(name, members.get(name, 0)) for name in sorted(settings.segments)]
            )
        metadata |= latency
        of_changes: dict[str, dg.MetadataValue] = {
            "dagster/table_name": dg.MetadataValue.text("segment_change"),
            "changes of this run": table(("segment", "what", "cause", "customers"), told),
            "to see more": dg.MetadataValue.text(f"customer-profiles segments changes --since {since}"),
        }
        if "segment_change" in rows:
            of_changes["dagster/row_count"] = dg.MetadataValue.int(rows["segment_change"])
        for key, of_it in ((in_segments.key, metadata), (changes.key, of_changes)):
            if key in context.selected_asset_keys:
                yield dg.MaterializeResult(asset_key=key, metadata=of_it)

    return [interaction_buckets, traits, refresh_segments]
