"""The company's own systems as external assets: where the graph begins. Nothing here is written by us."""

from __future__ import annotations

import dagster as dg

from customer_profiles.orchestration.columns import read_columns
from customer_profiles.settings import CollectorConnector, FilesConnector, Settings, Source

_DATABASE_KINDS = ("postgresql", "mysql", "mssql", "oracle", "snowflake", "bigquery", "sqlite")
_READS = {
    "files": "each file once, on from where it was left",
    "database": "the whole table, compared each time",
    "collector": "each event once, in the order of its acceptance",
}


def feed_key(source: str, feed: str) -> dg.AssetKey:
    """The asset key of one table or file pattern of a source."""
    return dg.AssetKey([source, feed])


def build(settings: Settings) -> list[dg.AssetSpec]:
    """One external asset for each feed of each source."""
    return [
        dg.AssetSpec(
            key=feed_key(name, feed_name),
            group_name="sources",
            description=f"{source.description or name}: {feed.table or feed.files or 'events of the collector'}.",
            owners=[source.owner or settings.owner],
            kinds={_kind(source)},
            metadata={
                "contract": feed.contract,
                "trust": source.trust,
                "reads": "what its cursor says is new" if feed.cursor else _READS[source.connector.type],
                "dagster/column_schema": read_columns(settings, feed),
            },
        )
        for name, source in settings.sources.items()
        for feed_name, feed in source.feeds.items()
    ]


def _kind(source: Source) -> str:
    if isinstance(source.connector, FilesConnector):
        return "file"
    if isinstance(source.connector, CollectorConnector):
        return "http"
    scheme = source.connector.url.split(":", 1)[0].split("+", 1)[0]
    return scheme if scheme in _DATABASE_KINDS else "database"
