"""The stage that turns interactions into buckets, purchases and support matters, all kept by record.

It counts whatever the record does, whoever the record turns out to be: identity never changes what is kept
here. What it counted by other settings, or of interactions that say something else since, it counts anew.
"""

import time

from sqlalchemy import Connection

from customer_profiles.cleaning.interactions import InteractionReader
from customer_profiles.marts.folding import COLUMNS, fold
from customer_profiles.marts.recount import ACCUMULATE, Progress, newest_recount, recount_moved, recount_next
from customer_profiles.marts.windows import counting_of
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.state.cursors import move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.garbage import garbage_left_alone
from customer_profiles.state.generations import live_generation


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
        started = time.monotonic()
        with self._state.writing() as conn:
            generation = self._generation or live_generation(conn)
            cursor = read_cursor(conn, self.name, str(generation))
            before = Progress.of(cursor.position)
            progress = (before or Progress(moved=newest_recount(conn))).toward(self._counting)
            rows, place, more = self._reader.next(conn, progress.place, limit)
            if rows:
                fold(conn, generation, rows, self._counting)
            progress, recounted = progress.at(place), 0
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

    def _recount(
        self, conn: Connection, generation: int, progress: Progress, limit: int
    ) -> tuple[Progress, int, bool]:
        """Count some records anew: those whose interactions changed, then those counted by other settings."""
        progress, moved, more = recount_moved(conn, self._state.history, generation, progress, limit)
        if more or progress.counted_to is None:
            return progress, moved, more
        progress, others = recount_next(conn, self._state.history, generation, progress, limit)
        return progress, moved + others, progress.counted_to is not None
