"""The stage that moves old interactions from the database to the history."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa
import sqlalchemy as sa

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.cleaning.sealed_events import (
    TOLD,
    content_hash,
    event_hash,
    remember_sealed,
    replaced_so_far,
)
from customer_profiles.cleaning.tables import interaction
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.state.bulk import arrow_table, delete_rows
from customer_profiles.state.cursors import CursorMoved, move_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.history.history import History
from customer_profiles.state.history.manifest import PARTITIONS, partitions_of

SEALED_AT_ONCE = 25_000
"""Interactions of one transaction: more would let others wait for the writer's lock for more than about a second."""

DAY = 24 * 60 * 60 * 1_000_000


class SealStage:
    """Seals interactions that occurred longer ago than a set number of days, the oldest first.

    The files of a batch are written, synced and named before the transaction in which the manifest names them and the rows
    leave the database. Killed before it, the files are orphans; killed after it, all is done.
    """

    name = "seal"
    source = ""

    def __init__(
        self,
        state: State,
        history: History,
        after_days: int,
        read_until: Callable[[sa.Connection], int],
        clock: Callable[[], int] = now_micros,
    ) -> None:
        """Bind the stage.

        Args:
            state: The open state.
            history: Where to.
            after_days: How long ago an interaction must have occurred.
            read_until: Gives the number up to which the stages that are served have read interactions: what they have still
                to read stays, for the database is where they find it fastest.
            clock: Gives the time, in micros.
        """
        self._state = state
        self._history = history
        self._after = after_days * DAY
        self._read_until = read_until
        self._clock = clock

    def advance(self, limit: int = SEALED_AT_ONCE) -> StageResult:
        """Seal at most so many interactions.

        Raises:
            CursorMoved: Another process sealed or replaced some of them meanwhile; nothing was moved.
            SegmentError: A file cannot be written; nothing was moved.
        """
        began = time.perf_counter()
        cursor = self._history.cursor(self._state)
        home, seal = cursor.position["home"], cursor.position["seals"] + 1
        with self._state.reading() as connection:
            replaced = replaced_so_far(connection)
            rows = self._next(connection, limit)
        if not rows.num_rows:
            return StageResult(self.name, self.source, seconds=time.perf_counter() - began)
        rows = rows.append_column("seal_no", pa.array(np.full(rows.num_rows, seal, dtype=np.int64)))
        written = [
            segment
            for partition_no, part in by_partition(rows)
            if (segment := self._history.write(home, partition_no, [part])) is not None
        ]
        numbers, sealed = rows["interaction_no"].to_pylist(), _sealed(rows)
        with self._state.writing() as connection:
            move_cursor(connection, cursor, {"home": home, "seals": seal})
            if replaced_so_far(connection) != replaced:
                raise CursorMoved("Interactions were replaced meanwhile. Nothing was sealed: run it again.")
            if delete_rows(connection, interaction, "interaction_no", numbers) != len(numbers):
                raise CursorMoved("Interactions were deleted meanwhile. Nothing was sealed: run it again.")
            remember_sealed(connection, sealed)
            self._history.commit(connection, written)
            result = StageResult(
                self.name,
                self.source,
                received=len(numbers),
                applied=len(numbers),
                seconds=time.perf_counter() - began,
                more=len(numbers) == limit,
                facts={"segments": len(written), "bytes": sum(one.byte_count for one in written)},
            )
            record_batch(connection, result, self._clock())
        return result

    def _next(self, connection: sa.Connection, limit: int) -> pa.Table:
        table = interaction.c
        query = (
            sa.select(interaction)
            .where(
                table.occurred_at < self._clock() - self._after,
                table.interaction_no <= self._read_until(connection),
            )
            .order_by(table.occurred_at, table.interaction_no)
            .limit(limit)
        )
        return arrow_table(connection, query)


def by_partition(rows: pa.Table) -> Iterator[tuple[int, pa.Table]]:
    """Rows cut by the partition of their record, each part sorted by record and interaction number."""
    partitions = partitions_of(rows["record_no"].to_numpy())
    rows = rows.take(
        pa.array(np.lexsort((rows["interaction_no"].to_numpy(), rows["record_no"].to_numpy(), partitions)))
    )
    ends = np.searchsorted(np.sort(partitions), np.arange(PARTITIONS + 1))
    for partition_no in range(PARTITIONS):
        start, end = int(ends[partition_no]), int(ends[partition_no + 1])
        if start < end:
            yield partition_no, rows.slice(start, end - start)


def _sealed(rows: pa.Table) -> list[tuple[bytes, int, int, bytes]]:
    columns = [rows[name].to_pylist() for name in ("source", "event_id", "interaction_no", *TOLD)]
    return sorted(
        (event_hash(source, event_id), interaction_no, told[0], content_hash(told))
        for source, event_id, interaction_no, *told in zip(*columns, strict=True)
    )
