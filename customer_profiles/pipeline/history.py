"""Keeps the history: clears what a killed process left, moves what is old to it, merges its small segments."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.cleaning.corrections import fold_corrections
from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.cleaning.seal import DAY, SEALED_AT_ONCE
from customer_profiles.cleaning.tables import interaction
from customer_profiles.marts.accumulate import AccumulateStage
from customer_profiles.monitoring.ledger import StageResult, total_of
from customer_profiles.pipeline.stage import Stage
from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation
from customer_profiles.state.history.history import Compacted, History
from customer_profiles.state.history.manifest import totals


@dataclass(frozen=True)
class Kept:
    """What was done to the history.

    Attributes:
        orphans: Files removed that a killed process left.
        sealed: What the sealing did, all its batches added up.
        corrected: Sealed interactions that were written anew, for a changed mapping reads them differently.
        compacted: What was merged.
    """

    orphans: int
    sealed: StageResult
    corrected: int
    compacted: Compacted


@dataclass(frozen=True)
class HistoryStatus:
    """How the history stands.

    Attributes:
        folder: Where its segments are.
        after_days: Interactions older than so many days are sealed.
        segments: How many there are.
        interactions: Interactions in them.
        bytes: Their size.
        first_at: When the oldest of them occurred, micros; None without any.
        last_at: When the newest one did.
        in_database: Interactions that are not sealed.
        due: Of these, those that are old enough.
        problems: What is wrong with files, a sentence each.
    """

    folder: str
    after_days: int
    segments: int
    interactions: int
    bytes: int
    first_at: int | None
    last_at: int | None
    in_database: int
    due: int
    problems: Sequence[str]

    @property
    def well(self) -> bool:
        """Whether every segment is there as it was written."""
        return not self.problems


def history_status(
    state: State, history: History, after_days: int, *, deep: bool = False, now: int | None = None
) -> HistoryStatus:
    """How the history stands.

    Args:
        state: The open state.
        history: Its history.
        after_days: As in the settings.
        deep: Read every byte of every segment, instead of looking for its file and its size.
        now: Micros; by default the clock's.
    """
    horizon = (now_micros() if now is None else now) - after_days * DAY
    with state.reading() as connection:
        sealed = totals(connection)
        problems = [] if deep else history.missing(connection)
        kept, due = (
            int(connection.execute(query).scalar_one())
            for query in (
                sa.select(sa.func.count()).select_from(interaction),
                sa.select(sa.func.count()).where(interaction.c.occurred_at < horizon),
            )
        )
    return HistoryStatus(
        str(history.folder),
        after_days,
        sealed.segments,
        sealed.rows,
        sealed.bytes,
        sealed.first_at,
        sealed.last_at,
        kept,
        due,
        history.verify(state) if deep else problems,
    )


def accumulated_until(connection: sa.Connection) -> int:
    """The number up to which the live generation has taken in interactions."""
    position = read_cursor(connection, AccumulateStage.name, str(live_generation(connection))).position or {}
    # Whoever is still on the way through the history has not read anything after it.
    return 0 if position.get("history") else int(position.get("interaction_no", 0))


def keep_history(
    state: State,
    history: History,
    stage: Stage,
    progress: Callable[[StageResult], None] | None = None,
    limit: int = SEALED_AT_ONCE,
) -> Kept:
    """Remove orphans, seal all that is old enough, write corrections into the history, compact.

    Killed anywhere, the next call goes on; nothing is lost or counted twice.

    Args:
        state: The open state.
        history: Its history.
        stage: The sealing.
        progress: Called after each batch.
        limit: Interactions of one batch.

    Raises:
        SegmentError: A segment cannot be read or written.
        CursorMoved: Another process was at the history too.
    """
    orphans = history.remove_orphans(state)
    results: list[StageResult] = []
    more = True
    while more:
        results.append(stage.advance(limit))
        more = results[-1].more
        if progress is not None:
            progress(results[-1])
    sealed = total_of(results)
    assert sealed is not None  # a stage always says what it did
    corrected = fold_corrections(state, history)
    return Kept(orphans, sealed, corrected, history.compact(state))
