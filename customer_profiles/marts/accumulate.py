"""The stage that turns interactions into buckets, purchases and support matters, all kept by record.

It counts whatever the record does, whoever the record turns out to be: identity never changes what is kept
here. What it counted by other settings, or of interactions that say something else since, it counts anew.
"""

import time
from dataclasses import replace

from sqlalchemy import Connection, text

from customer_profiles.marts.folding import Row, fold
from customer_profiles.marts.recount import ACCUMULATE, Progress, newest_recount, recount_moved, recount_next
from customer_profiles.marts.windows import counting_of
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.state.cursors import move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation

_NEXT = text(
    """
    SELECT interaction_no, record_no, type, channel, occurred_at, received_at, value, currency, properties,
    event_id FROM interaction
    WHERE interaction_no > :position
    ORDER BY interaction_no
    LIMIT :limit
    """
)


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

    def advance(self, limit: int) -> StageResult:
        """Fold up to `limit` interactions, in one transaction with the cursor; then count anew what has to be."""
        started = time.monotonic()
        with self._state.writing() as conn:
            generation = self._generation or live_generation(conn)
            cursor = read_cursor(conn, self.name, str(generation))
            before = Progress.of(cursor.position)
            progress = (before or Progress(moved=newest_recount(conn))).toward(self._counting)
            rows = [
                tuple(row)
                for row in conn.execute(_NEXT, {"position": progress.interaction_no, "limit": limit})
            ]
            progress = self._fold(conn, generation, rows, progress)
            recounted, more = 0, len(rows) == limit
            if not more:
                progress, recounted, more = self._recount(conn, generation, progress, limit)
            if rows or (before is not None and progress != before):
                move_cursor(conn, cursor, progress.to_json())
            result = StageResult(
                stage=self.name,
                source=self.source,
                received=len(rows),
                applied=len(rows),
                watermark=max((row[5] for row in rows), default=None),
                seconds=time.monotonic() - started,
                more=more,
                facts={"records_counted_anew": recounted} if recounted else {},
            )
            if rows or recounted:
                record_batch(conn, result)
        return result

    def _fold(self, conn: Connection, generation: int, rows: list[Row], progress: Progress) -> Progress:
        if not rows:
            return progress
        fold(conn, generation, rows, self._counting)
        return replace(progress, interaction_no=rows[-1][0])

    def _recount(
        self, conn: Connection, generation: int, progress: Progress, limit: int
    ) -> tuple[Progress, int, bool]:
        """Count some records anew: those whose interactions changed, then those counted by other settings."""
        progress, moved, more = recount_moved(conn, generation, progress, limit)
        if more or progress.counted_to is None:
            return progress, moved, more
        progress, others = recount_next(conn, generation, progress, limit)
        return progress, moved + others, progress.counted_to is not None
