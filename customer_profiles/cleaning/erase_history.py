"""Takes records out of the history: what an erasure calls. Only the files that hold them are written anew."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from customer_profiles.cleaning.corrections import fold_corrections
from customer_profiles.cleaning.interactions import any_corrected, rows_of
from customer_profiles.cleaning.sealed_events import event_hash, forget_sealed
from customer_profiles.state.engine import State
from customer_profiles.state.errors import StateError
from customer_profiles.state.history.history import History
from customer_profiles.state.history.manifest import Segment, partitions_of, segments
from customer_profiles.state.history.reading import of_records


@dataclass(frozen=True, slots=True)
class ErasedFromHistory:
    """What was taken out.

    Attributes:
        interactions: How many.
        segments: Files that were written anew without them, or removed with them.
    """

    interactions: int
    segments: int


def erase_from_history(state: State, history: History, record_nos: Collection[int]) -> ErasedFromHistory:
    """Write the segments of some records anew without them, and forget their events.

    Each file is one transaction: killed anywhere, the next call does the rest. The old file is removed, and its key is
    gone with its row of the manifest, so that no copy of it opens again.

    Args:
        state: The open state.
        history: Its history.
        record_nos: The records.

    Returns:
        What was taken out; nothing when it was taken out before.

    Raises:
        SegmentError: A file cannot be read or written; what was done so far stays so.
        StateError: A rebuild has to finish first; nothing was erased.
        CursorMoved: Another process changed the history meanwhile: call it again.
    """
    history.remove_orphans(state)
    fold_corrections(state, history)
    theirs = pa.array(sorted(record_nos), type=pa.int64())
    partitions = {int(one) for one in partitions_of(theirs.to_numpy())} if len(theirs) else set()
    with state.reading() as connection:
        if any_corrected(connection):
            raise StateError(
                "Sealed interactions wait to be written anew, which cannot be while a rebuild goes on. Let it finish, or "
                "run `customer-profiles rebuild` if it was killed; then erase again. Nothing was erased from the history."
            )
        there = segments(connection, partitions)
    erased = written = 0
    for segment in there:
        if not _holds(history, segment, theirs):
            continue
        forgotten: list[bytes] = []

        def kept(rows: pa.Table, forgotten: list[bytes] = forgotten) -> pa.Table:
            gone = pc.is_in(rows["record_no"], value_set=theirs)
            forgotten += [
                event_hash(source, event_id)
                for source, event_id in rows_of(rows.filter(gone).select(["source", "event_id"]))
            ]
            return rows.filter(pc.invert(gone))

        def forget(connection: sa.Connection, forgotten: list[bytes] = forgotten) -> None:
            forget_sealed(connection, forgotten)

        history.rewrite(state, [segment], kept, forget)
        erased += len(forgotten)
        written += 1
    return ErasedFromHistory(erased, written)


def _holds(history: History, segment: Segment, theirs: pa.Array) -> bool:
    with history.opened([segment]) as files:
        return next(of_records(files, ["record_no"], theirs), None) is not None
