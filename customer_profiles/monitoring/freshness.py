"""How fresh the profiles are: up to when everything is through each stage, and how far that lies back.

Idle is not late, a dead reader is. The watermark of a source moves on with every reading that succeeds, an empty one
included, so its age says whether somebody reads. A stage after ingest is late only while something waits for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

import sqlalchemy as sa

from customer_profiles.monitoring.tables import watermark as table
from customer_profiles.state.bulk import upsert_rows

Key = tuple[str, str]
"""A stage and the source it reads; no source for a stage that reads the stages before it."""


class Verdict(StrEnum):
    """What the SLA says of a lag."""

    WITHIN = "within"
    AT_RISK = "at risk"
    """At least half of what is allowed."""
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Lag:
    """How far one stage is behind.

    Attributes:
        stage: The stage.
        source: The source it reads, or the empty text.
        watermark: Everything up to here is through it (micros); None while that was never so, as in a first load.
        waiting: About how much waits for it or for what comes before it.
        micros: How long what waits has waited, for a source how long it was not read; None without a watermark.
    """

    stage: str
    source: str
    watermark: int | None
    waiting: int
    micros: int | None

    @property
    def seconds(self) -> float:
        """The lag in seconds; 0 without a watermark."""
        return (self.micros or 0) / 1_000_000

    @property
    def name(self) -> str:
        """As people call it: `ingest_record of crm`, `resolve`."""
        return f"{self.stage} of {self.source}" if self.source else self.stage


@dataclass(frozen=True, slots=True)
class Freshness:
    """The lags of every stage at one moment, in the order in which data goes through them."""

    at: int
    lags: tuple[Lag, ...]

    @property
    def worst(self) -> Lag | None:
        """The stage that is furthest behind: of those that are about as far, the first, for the others wait for it."""
        known = [lag for lag in self.lags if lag.micros is not None]
        most = max((lag.seconds for lag in known), default=0.0)
        return next((lag for lag in known if lag.seconds >= most * 0.9), None)

    @property
    def seconds(self) -> float:
        """How far the profiles are behind, in seconds."""
        return max((lag.seconds for lag in self.lags), default=0.0)

    @property
    def watermark(self) -> int | None:
        """Everything received up to here is in the profiles, as far as is known (micros)."""
        known = [lag.micros for lag in self.lags if lag.micros is not None]
        return self.at - max(known) if known else None

    def upto(self, stage: str) -> Freshness:
        """Only the stages that an asset of this stage needs: what reads sources, and the stages through which it goes."""
        needed = {stage, *UPSTREAM.get(stage, ())}
        return Freshness(self.at, tuple(lag for lag in self.lags if lag.source or lag.stage in needed))


UPSTREAM: Mapping[str, tuple[str, ...]] = {
    "resolve": (),
    "accumulate": (),
    "refresh_traits": ("resolve",),
    "refresh_segments": ("resolve", "accumulate", "refresh_traits"),
}
"""What each stage after ingest waits for, in the order of the data."""


def reading_lag(stage: str, source: str, now: int, watermark: int | None, unread_since: int | None) -> Lag:
    """The lag of a stage that reads a source.

    Args:
        stage: The stage.
        source: Its source.
        now: Micros.
        watermark: When the source was last read to its end.
        unread_since: When the oldest event was received that is known to wait in it; None where that cannot be told.
    """
    if watermark is None:
        return Lag(stage, source, None, 0, None)
    since = watermark if unread_since is None else max(watermark, unread_since)
    return Lag(stage, source, watermark, 0 if unread_since is None else 1, max(0, now - since))


def derived_lag(
    stage: str,
    now: int,
    watermark: int | None,
    waiting: Mapping[str, int],
    oldest: int | None,
    planned: int = 0,
) -> Lag:
    """The lag of a stage after ingest.

    Args:
        stage: The stage.
        now: Micros.
        watermark: When nothing waited for it, nor for what comes before it.
        waiting: How much waits for each stage.
        oldest: When the oldest of what waits was received; None where that cannot be told.
        planned: What else it has to do, for which nobody's data is late.
    """
    before = sum(waiting.get(one, 0) for one in (*UPSTREAM[stage], stage))
    if not before:
        return Lag(stage, "", now if watermark is None else watermark, planned, 0)
    if watermark is None:
        return Lag(stage, "", None, before + planned, None)
    # What waits came after the moment when nothing did, whatever a source says of when it was received.
    since = watermark if oldest is None else max(watermark, oldest)
    return Lag(stage, "", watermark, before + planned, max(0, now - since))


def caught_up(waiting: Mapping[str, int]) -> list[str]:
    """The stages for which nothing waits, nor for what comes before them."""
    return [
        stage
        for stage, before in UPSTREAM.items()
        if not any(waiting.get(one, 0) for one in (*before, stage))
    ]


def verdict(seconds: float, sla_seconds: float) -> Verdict:
    """What the SLA says of a lag: an error at it, a warning at half of it."""
    if seconds >= sla_seconds:
        return Verdict.BROKEN
    return Verdict.AT_RISK if seconds >= sla_seconds / 2 else Verdict.WITHIN


def note_watermarks(connection: sa.Connection, watermarks: Mapping[Key, int]) -> None:
    """Keep watermarks. The newest writing counts, also when a clock was set back in between.

    Args:
        connection: A writing connection to the inbox store.
        watermarks: Micros by stage and source.
    """
    rows = [(stage, source, at) for (stage, source), at in sorted(watermarks.items())]
    upsert_rows(
        connection,
        table,
        ("stage", "source", "watermark"),
        rows,
        key=("stage", "source"),
        replace=("watermark",),
    )


def read_watermarks(connection: sa.Connection) -> dict[Key, int]:
    """The watermarks by stage and source, also of sources that the settings no longer name."""
    rows = connection.execute(sa.select(table.c.stage, table.c.source, table.c.watermark))
    return {(stage, source): at for stage, source, at in rows}
