"""The source catalog: what the company's systems hold, found by looking."""

import dagster as dg

from customer_profiles.catalog.facts import FeedFacts
from customer_profiles.catalog.tables import catalog_column
from customer_profiles.orchestration.assets.sources import feed_key
from customer_profiles.orchestration.columns import found_columns, table_schema
from customer_profiles.orchestration.report import table
from customer_profiles.orchestration.resources import PipelineResource
from customer_profiles.settings import Settings


def build(settings: Settings) -> dg.AssetsDefinition:
    """One asset over all sources, with a table of what each holds."""

    @dg.asset(
        name="source_catalog",
        group_name="catalog",
        owners=[settings.owner],
        kinds={"table", "python"},
        description=(
            "What each source holds: its tables or files, rows, size, newest data, owner, and columns with type, "
            "nulls, distinct values and personal-data class."
        ),
        deps=[feed_key(name, feed) for name, source in settings.sources.items() for feed in source.feeds],
        metadata={"dagster/column_schema": table_schema(catalog_column)},
    )
    def source_catalog(
        context: dg.AssetExecutionContext, pipeline: PipelineResource
    ) -> dg.MaterializeResult[None]:
        with pipeline.opened() as house:
            feeds = house.audit()
        for feed in feeds:
            # Each source shows what was found of it where the graph begins, too: it was looked at, not made.
            context.log_event(dg.AssetObservation(feed_key(feed.source, feed.feed), metadata=_observed(feed)))
        columns = [(feed, column) for feed in feeds for column in feed.columns]
        return dg.MaterializeResult(
            metadata={
                "dagster/row_count": dg.MetadataValue.int(len(columns)),
                "dagster/table_name": dg.MetadataValue.text("catalog_column"),
                "feeds": table(
                    ("source", "feed", "rows", "bytes", "newest", "owner", "columns"),
                    [
                        (
                            feed.source,
                            feed.feed,
                            feed.rows,
                            feed.size_bytes or 0,
                            feed.newest or "",
                            feed.owner,
                            len(feed.columns),
                        )
                        for feed in feeds
                    ],
                ),
                "columns": table(
                    ("column", "type", "nulls", "distinct", "class", "mapped to"),
                    [
                        (
                            f"{feed.source}.{feed.feed}.{column.name}",
                            column.type,
                            column.nulls,
                            column.distinct,
                            column.data_class.value,
                            column.mapped_to or "not read",
                        )
                        for feed, column in columns
                    ],
                ),
            }
        )

    return source_catalog


def _observed(feed: FeedFacts) -> dict[str, dg.MetadataValue]:
    size = {} if feed.size_bytes is None else {"bytes": dg.MetadataValue.int(feed.size_bytes)}
    newest = {} if feed.newest is None else {"newest data": dg.MetadataValue.text(feed.newest)}
    return {
        "dagster/row_count": dg.MetadataValue.int(feed.rows),
        "dagster/table_name": dg.MetadataValue.text(feed.place),
        "dagster/column_schema": dg.MetadataValue.table_schema(found_columns(feed)),
        "unreadable lines": dg.MetadataValue.int(feed.unreadable),
        "owner": dg.MetadataValue.text(feed.owner),
        **size,
        **newest,
    }
