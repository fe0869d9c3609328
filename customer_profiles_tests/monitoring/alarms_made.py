"""Signs for tests of alarms: everything well, until a test says otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from customer_profiles.monitoring.alarms.signs import Driver, Signs
from customer_profiles.monitoring.freshness import Freshness, Lag

NOW = 1_764_000_000_000_000
SECOND = 1_000_000
READING = ("ingest_record", "ingest_interaction")
DERIVED = ("resolve", "accumulate", "refresh_traits", "refresh_segments")


def fresh(at: int, **behind: float) -> Freshness:
    """Stages that are so many seconds behind; sources under the name of the source."""
    lags = [Lag("ingest_record", "crm", at, 0, int(behind.get("crm", 0.5) * SECOND))]
    for stage in DERIVED:
        seconds = behind.get(stage, 0.0)
        lags.append(Lag(stage, "", at - int(seconds * SECOND), int(seconds > 0) * 7, int(seconds * SECOND)))
    return Freshness(at, tuple(lags))


def well(at: int = NOW, **other: Any) -> Signs:
    """Signs of a moment at which all is well, but for what is given."""
    signs = Signs(at, fresh(at), Driver(at - SECOND // 2, at - SECOND // 5))
    return replace(signs, **other)
