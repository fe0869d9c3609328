"""Writes what a changed mapping reads of sealed interactions into the history itself."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from customer_profiles.cleaning.seal import by_partition
from customer_profiles.cleaning.sealed_events import (
    change_sealed,
    event_hash,
    replaced_so_far,
    sealed_among,
)
from customer_profiles.cleaning.tables import corrected_interaction
from customer_profiles.state.bulk import arrow_table, delete_rows
from customer_profiles.state.cursors import CursorMoved
from customer_profiles.state.engine import State
from customer_profiles.state.history.history import History
from customer_profiles.state.history.manifest import Segment, partition_of, segments
from customer_profiles.state.tables import generation

_AT_ONCE = 50_000


def fold_corrections(state: State, history: History) -> int:
    """Write corrected interactions in the place of what was sealed, in the partition of the record they belong to now.

    Not while a generation is being built: it reads history partition by partition, and what moves from one to another could
    be read twice or never. Until then they stand over the sealed ones.

    Args:
        state: The open state.
        history: Its history.

    Returns:
        How many were written.

    Raises:
        SegmentError: A file cannot be read or written; what was done so far stays so.
        CursorMoved: Another process was at it too; nothing was lost.
    """
    folded = 0
    while True:
        with state.reading() as connection:
            if _is_building(connection):
                return folded
            replaced = replaced_so_far(connection)
            first = sa.select(corrected_interaction).order_by(corrected_interaction.c.interaction_no)
            rows = arrow_table(connection, first.limit(_AT_ONCE))
            if not rows.num_rows:
                return folded
            partition_no, rows = _of_one_partition(connection, rows)
            there = segments(connection, [partition_no])
        folded += _fold(state, history, there, rows, replaced)


def _is_building(connection: sa.Connection) -> bool:
    building = sa.select(generation.c.generation).where(generation.c.status == "building").limit(1)
    return connection.execute(building).first() is not None


def _of_one_partition(connection: sa.Connection, rows: pa.Table) -> tuple[int, pa.Table]:
    """Of some corrections, those whose sealed interactions lie in the partition of the first one."""
    partitions: dict[int, int] = {}
    for source in sorted(set(rows["source"].to_pylist())):
        own = rows.filter(pc.equal(rows["source"], source))
        for one in sealed_among(connection, source, own["event_id"].to_pylist()).values():
            partitions[one.interaction_no] = partition_of(one.record_no)
    numbers = rows["interaction_no"].to_pylist()
    chosen = partitions[numbers[0]]
    return chosen, rows.filter(pa.array([partitions[number] == chosen for number in numbers]))


def _fold(state: State, history: History, there: list[Segment], rows: pa.Table, replaced: int) -> int:
    numbers = rows["interaction_no"]
    stale: list[pa.Table] = []
    chosen = [one for one in there if _holds(history, one, numbers)]

    def kept(part: pa.Table) -> pa.Table:
        gone = pc.is_in(part["interaction_no"], value_set=numbers.combine_chunks())
        stale.append(part.filter(gone).select(["interaction_no", "received_at", "seal_no"]))
        return part.filter(pc.invert(gone))

    def beside(home: str) -> list[Segment]:
        known = pa.concat_tables(stale)
        whole = rows.drop_columns("received_at").join(known, "interaction_no").combine_chunks()
        written = (history.write(home, number, [part]) for number, part in by_partition(whole))
        return [one for one in written if one is not None]

    def with_it(connection: sa.Connection) -> None:
        if replaced_so_far(connection) != replaced or _is_building(connection):
            raise CursorMoved("Interactions were replaced meanwhile. Nothing was moved: run it again.")
        names = ("source", "event_id", "interaction_no", "record_no")
        columns = [rows[name].to_pylist() for name in names]
        noted = [
            (event_hash(source, event_id), number, record_no, None)
            for source, event_id, number, record_no in zip(*columns, strict=True)
        ]
        change_sealed(connection, noted, "record_no")
        delete_rows(connection, corrected_interaction, "interaction_no", numbers.to_pylist())

    history.rewrite(state, chosen, kept, with_it, beside)
    return int(rows.num_rows)


def _holds(history: History, segment: Segment, numbers: pa.ChunkedArray) -> bool:
    if pc.max(numbers).as_py() < segment.first_no or pc.min(numbers).as_py() > segment.last_no:
        return False
    with history.opened([segment]) as (file,):
        return any(
            pc.any(
                pc.is_in(
                    file.read(group, ["interaction_no"])["interaction_no"], value_set=numbers.combine_chunks()
                )
            ).as_py()
            for group in file.groups
        )
