"""The stage that turns interactions into buckets, purchases and support matters, all kept by record.

It counts whatever the record does, whoever the record turns out to be: identity never changes what is kept
here. What it counted by other settings, or of interactions that say something else since, it counts anew.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from sqlalchemy import Connection

from customer_profiles.cleaning.interactions import InteractionReader
from customer_profiles.marts.folding import COLUMNS, Folded, folded, write_folded
from customer_profiles.marts.recount import ACCUMULATE, Progress, newest_recount, recount_moved, recount_next
from customer_profiles.marts.windows import counting_of
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.state.cursors import Cursor, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.errors import CursorMoved
from customer_profiles.state.garbage import garbage_left_alone
from customer_profiles.state.generations import live_generation
from customer_profiles.state.history.manifest import newest_seal


@dataclass(frozen=True, slots=True)
class FoldedInteractions:
    """Interactions that were folded; nothing of it is written yet.

    Attributes:
        generation: Into which. ``live``: which one was live. ``sealed``: the newest sealing.
        cursor: Where the stage stood. ``before``: the same, read. ``progress``: where it will, before it counts anything anew.
        received: How many. ``watermark``: when the newest of them was received (micros).
        folded: What becomes of the tables; None when there was nothing.
        limit: Of the batch.
        seconds: How long it took.
        more: Whether there may be more.
    """

    generation: int
    live: int
    sealed: int | None
    cursor: Cursor
    before: Progress | None
    progress: Progress
    received: int
    watermark: int | None
    folded: Folded | None
    limit: int
    seconds: float
    more: bool


class AccumulateStage:
    """Folds new interactions into what is kept of their records.

    Late, duplicate and out-of-order interactions give what a recomputation gives: sums do not care for order,
    what is kept of an order or a matter is decided by event time, and an event ID is counted once by ingest.
    """

    name = ACCUMULATE
    source = ""

    def __init__(self, state: State, settings: Settings, generation: int | None = None) -> None:
        """Bind the stage.

        Args:
            state: The state.
            settings: Say what is counted.
            generation: The generation to write; None for the one that is live.
        """
        self._state = state
        self._counting = counting_of(settings)
        self._generation = generation
        self._reader = InteractionReader(COLUMNS, state.history)

    @garbage_left_alone()
    def advance(self, limit: int) -> StageResult:
        """Fold up to `limit` interactions, in one transaction with the cursor; then count anew what has to be."""
        with self._state.writing() as conn:
            return self._write(conn, self._look(conn, limit))

    @garbage_left_alone()
    def look(self, limit: int) -> FoldedInteractions:
        """The first half of `advance`, which reads and folds: others may write meanwhile."""
        with self._state.reading() as conn:
            return self._look(conn, limit)

    @garbage_left_alone()
    def write(self, found: FoldedInteractions) -> StageResult:
        """The second half: write what a look found, in one transaction with the cursor.

        What says something else since is counted anew like any other that was counted before.

        Raises:
            CursorMoved: The stage went on, another generation is live, or interactions were sealed, since the look; nothing
                was written.
        """
        with self._state.writing() as conn:
            if live_generation(conn) != found.live or newest_seal(conn, 0, 0) != found.sealed:
                raise CursorMoved(
                    f"Interactions are elsewhere than when {self.name} looked. Nothing was lost: run it again."
                )
            return self._write(conn, found)

    def _look(self, conn: Connection, limit: int) -> FoldedInteractions:
        started = time.monotonic()
        live = live_generation(conn)
        generation = self._generation or live
        cursor = read_cursor(conn, self.name, str(generation))
        before = Progress.of(cursor.position)
        progress = (before or Progress(moved=newest_recount(conn))).toward(self._counting)
        sealed = newest_seal(conn, 0, 0)
        rows, place, more = self._reader.next(conn, progress.place, limit)
        return FoldedInteractions(
            generation=generation,
            live=live,
            sealed=sealed,
            cursor=cursor,
            before=before,
            progress=progress.at(place),
            received=len(rows),
            watermark=max((row[5] for row in rows), default=None),
            folded=folded(conn, generation, rows, self._counting) if rows else None,
            limit=limit,
            seconds=time.monotonic() - started,
            more=more,
        )

    def _write(self, conn: Connection, found: FoldedInteractions) -> StageResult:
        started = time.monotonic()
        generation, progress, recounted, more = found.generation, found.progress, 0, found.more
        if found.folded is not None:
            write_folded(conn, generation, found.folded)
        if not more:
            progress, recounted, more = self._recount(conn, generation, progress, found.limit)
        if found.received or (found.before is not None and progress != found.before):
            move_cursor(conn, found.cursor, progress.to_json())
        result = StageResult(
            stage=self.name,
            source=self.source,
            received=found.received,
            applied=found.received,
            watermark=found.watermark,
            seconds=found.seconds + time.monotonic() - started,
            more=more,
            facts={"records_counted_anew": recounted} if recounted else {},
        )
        if found.received or recounted:
            record_batch(conn, result)
        return result

    def _recount(
        self, conn: Connection, generation: int, progress: Progress, limit: int
    ) -> tuple[Progress, int, bool]:
        """Count some records anew: those whose interactions changed, then those counted by other settings."""
        progress, moved, more = recount_moved(conn, self._state.history, generation, progress, limit)
        if more or progress.counted_to is None:
            return progress, moved, more
        progress, others = recount_next(conn, self._state.history, generation, progress, limit)
        return progress, moved + others, progress.counted_to is not None
