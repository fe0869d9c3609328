"""How long events took from received to served, as metadata: a picture of the last hour and its two figures."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import dagster as dg

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.orchestration.plots import Line, lines
from customer_profiles.pipeline.latency import ServedBatch, served_batches, together
from customer_profiles.state.engine import State

_MINUTE = 60_000_000
_HOUR = 60 * _MINUTE
_MOST = 20_000
"""Batches that are looked at: more than a worker makes in an hour at full load."""


def latency_of_the_last_hour(state: State) -> dict[str, dg.MetadataValue]:
    """The metadata of now; empty when nothing was served in the last hour.

    Args:
        state: The open state.
    """
    now = now_micros()
    with state.reading() as connection:
        batches = served_batches(connection, now - _HOUR, _MOST)
    return latency_metadata(batches, now)


def latency_metadata(batches: Sequence[ServedBatch], now: int) -> dict[str, dg.MetadataValue]:
    """The picture, p50 and p99 (seconds), and the number of events.

    Args:
        batches: Those of the last hour.
        now: Micros.
    """
    if not batches:
        return {}
    by_minute: dict[int, list[ServedBatch]] = defaultdict(list)
    for batch in batches:
        by_minute[(batch.served_at - now) // _MINUTE].append(batch)
    minutes = {minute: together(found) for minute, found in sorted(by_minute.items())}
    whole = together(batches)
    shown = [
        Line(name, [(float(minute), latency.quantile(share) or 0.0) for minute, latency in minutes.items()])
        for name, share in (("p50", 0.5), ("p99", 0.99))
    ]
    return {
        "latency": lines("Seconds from received to served, by minute of the last hour", shown, (-60.0, 0.0)),
        "latency p50 (s)": dg.MetadataValue.float(round(whole.quantile(0.5) or 0.0, 3)),
        "latency p99 (s)": dg.MetadataValue.float(round(whole.quantile(0.99) or 0.0, 3)),
        "events served in the last hour": dg.MetadataValue.int(whole.events),
    }
