"""How fresh the profiles are, read from the state: looks at the ends of indexes, no scan."""

from __future__ import annotations

from collections.abc import Mapping

import sqlalchemy as sa

from customer_profiles.cleaning.tables import interaction, record
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.identity.tables import decision
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.monitoring.freshness import (
    UPSTREAM,
    Freshness,
    caught_up,
    derived_lag,
    note_watermarks,
    read_watermarks,
    reading_lag,
)
from customer_profiles.pipeline.behind import behind
from customer_profiles.pipeline.stage import CONTRACT_ORDER, Stage
from customer_profiles.settings import CollectorConnector, Settings
from customer_profiles.sources.inbox import read_up_to
from customer_profiles.sources.tables import inbox_event
from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.engine import State, Store
from customer_profiles.state.generations import live_generation


def freshness(state: State, settings: Settings, now: int) -> Freshness:
    """The lag of every stage.

    Args:
        state: The open state.
        settings: Say which sources there are.
        now: Micros.

    Raises:
        StateError: The state cannot be read.
    """
    with state.everything() as connection:
        watermarks = read_watermarks(connection)
        waiting = behind(connection, now)
        oldest = _oldest(connection, waiting.data)
        unread = _unread_since(connection, settings)
    reading = [
        reading_lag(stage, source, now, watermarks.get((stage, source)), unread.get(source))
        for source, stage in _reading(settings)
    ]
    derived = [
        derived_lag(
            stage,
            now,
            watermarks.get((stage, "")),
            waiting.data,
            oldest.get(stage),
            waiting.planned.get(stage, 0),
        )
        for stage in UPSTREAM
    ]
    return Freshness(now, (*reading, *derived))


def note_drained(state: State, stage: Stage, at: int) -> None:
    """Keep that everything up to a moment is through a stage that a run drained.

    Args:
        state: The open state.
        stage: The stage, which had nothing left to do.
        at: When the draining began (micros).
    """
    if stage.source:
        noted = {(stage.name, stage.source): at}
    else:
        with state.reading() as connection:
            noted = {(one, ""): at for one in caught_up(behind(connection, at).data)}
    with state.writing(Store.INBOX) as connection:
        note_watermarks(connection, noted)


def _reading(settings: Settings) -> list[tuple[str, str]]:
    """Each source and stage that reads it, in the order of the settings."""
    found = []
    for name, source in settings.sources.items():
        contracts = {feed.contract for feed in source.feeds.values()}
        found += [(name, f"ingest_{contract}") for contract in CONTRACT_ORDER if contract in contracts]
    return found


def _oldest(connection: sa.Connection, waiting: Mapping[str, int]) -> dict[str, int]:
    """When the oldest of what waits was received, where a row tells it."""
    found: dict[str, int] = {}
    if waiting[ResolveStage.name]:
        at = (read_cursor(connection, ResolveStage.name).position or {}).get("change_no", 0)
        moments = [
            connection.execute(
                sa.select(moment).where(number > at).order_by(number).limit(1)
            ).scalar_one_or_none()
            for number, moment in (
                (record.c.change_no, record.c.received_at),
                (decision.c.change_no, decision.c.decided_at),
                (decision.c.undone_change_no, decision.c.undone_at),
            )
        ]
        known = [moment for moment in moments if moment is not None]
        if known:
            found[ResolveStage.name] = min(known)
    if waiting[AccumulateStage.name]:
        cursor = read_cursor(connection, AccumulateStage.name, str(live_generation(connection)))
        at = (cursor.position or {}).get("interaction_no", 0)
        number = interaction.c.interaction_no
        first = sa.select(interaction.c.received_at).where(number > at).order_by(number).limit(1)
        received_at = connection.execute(first).scalar_one_or_none()
        if received_at is not None:
            found[AccumulateStage.name] = received_at
    return found


def _unread_since(connection: sa.Connection, settings: Settings) -> dict[str, int]:
    """When the oldest event in the inbox was received that a source of the collector has not read."""
    found: dict[str, int] = {}
    for name, source in settings.sources.items():
        if isinstance(source.connector, CollectorConnector):
            number = inbox_event.c.inbox_no
            read = read_up_to(connection, settings, [name])
            # Events of other sources count too: looking for the first of this one would be a scan.
            first = sa.select(inbox_event.c.received_at).where(number > read).order_by(number).limit(1)
            received_at = connection.execute(first).scalar_one_or_none()
            if received_at is not None:
                found[name] = received_at
    return found
