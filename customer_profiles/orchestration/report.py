"""What an asset tells Dagster about a stage's work: the ledger's terms, sizes and times, never a value of a person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import dagster as dg

from customer_profiles.monitoring.ledger import StageResult

TERMS = ("received", "applied", "unchanged", "duplicate", "quarantined", "suppressed", "declined")


def stage_metadata(result: StageResult, table: str, rows: int | None = None) -> dict[str, dg.MetadataValue]:
    """The metadata of one materialization.

    Args:
        result: What the stage did, all its batches added up.
        table: The main table that it writes.
        rows: Rows in that table now, when they were counted.
    """
    metadata: dict[str, dg.MetadataValue] = {
        "dagster/table_name": dg.MetadataValue.text(table),
        "seconds": dg.MetadataValue.float(round(result.seconds, 3)),
    }
    if rows is not None:
        metadata["dagster/row_count"] = dg.MetadataValue.int(rows)
    for term in TERMS:
        metadata[term] = dg.MetadataValue.int(getattr(result, term))
    if result.watermark is not None:
        moment = datetime.fromtimestamp(result.watermark / 1_000_000, tz=UTC)
        metadata["watermark"] = dg.MetadataValue.timestamp(moment)
    for name, value in result.facts.items():
        metadata[name.replace("_", " ")] = _metadata_value(value)
    return metadata


def _metadata_value(value: object) -> dg.MetadataValue:
    if isinstance(value, bool):
        return dg.MetadataValue.bool(value)
    if isinstance(value, int):
        return dg.MetadataValue.int(value)
    if isinstance(value, float):
        return dg.MetadataValue.float(value)
    return dg.MetadataValue.text(str(value))


def table(columns: Sequence[str], rows: Iterable[Sequence[str | int | float]]) -> dg.TableMetadataValue:
    """A small table as metadata; without rows it still shows its columns."""
    return dg.MetadataValue.table(
        [dg.TableRecord(dict(zip(columns, row, strict=True))) for row in rows],
        schema=dg.TableSchema([dg.TableColumn(name) for name in columns]),
    )
