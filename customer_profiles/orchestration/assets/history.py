"""Old interactions, moved from the database to sealed segments."""

import dagster as dg

from customer_profiles.orchestration.columns import table_schema
from customer_profiles.orchestration.report import stage_metadata
from customer_profiles.orchestration.resources import PipelineResource
from customer_profiles.settings import Settings
from customer_profiles.state.tables import history_segment

NAME = "interaction_history"


def build(settings: Settings) -> list[dg.AssetsDefinition]:
    """The history, one asset."""

    @dg.asset(
        name=NAME,
        group_name="history",
        owners=[settings.owner],
        kinds={"parquet"},
        description=(
            f"Interactions older than {settings.history.after_days} days, in encrypted Parquet files that never change. They "
            "leave the database, and stay part of rebuilds, profiles and deduplication."
        ),
        deps=["interaction_buckets"],
        metadata={"dagster/column_schema": table_schema(history_segment)},
    )
    def interaction_history(pipeline: PipelineResource) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            kept = house.keep_history()
            status = house.history_status()
        metadata = stage_metadata(kept.sealed, history_segment.name, status.interactions)
        metadata |= {
            "segments": dg.MetadataValue.int(status.segments),
            "bytes": dg.MetadataValue.int(status.bytes),
            "bytes per interaction": dg.MetadataValue.float(
                round(status.bytes / status.interactions, 1) if status.interactions else 0.0
            ),
            "segments merged": dg.MetadataValue.int(kept.compacted.merged),
            "merged into": dg.MetadataValue.int(kept.compacted.into),
            "orphans removed": dg.MetadataValue.int(kept.orphans),
            "interactions in the database": dg.MetadataValue.int(status.in_database),
        }
        return dg.MaterializeResult(metadata=metadata)

    return [interaction_history]
