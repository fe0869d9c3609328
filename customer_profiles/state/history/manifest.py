"""The manifest: which segments there are. Its rows commit with the state that they belong to."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import astuple, dataclass, fields, replace

import numpy as np
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.state.bulk import delete_rows, insert_rows
from customer_profiles.state.cursors import CursorMoved
from customer_profiles.state.tables import history_segment as table

PARTITIONS = 32
"""Into so many parts history is cut by the hash of the record; never changed, or nobody would find a record's part."""
_ODD = np.uint64(0x9E3779B97F4A7C15)


@dataclass(frozen=True, slots=True)
class Segment:
    """A file of history.

    Attributes:
        segment: Its name: the home of this state's segments, and its own.
        partition_no: The partition that all of its records belong to.
        row_count: Rows.
        first_no: The smallest interaction number.
        last_no: The greatest.
        last_seal: The newest sealing that brought a row.
        first_at: When the oldest interaction occurred, micros.
        last_at: When the newest one did.
        byte_count: The size of the file.
        sealed_key: The file's own key, sealed. Without it no copy of the file can be opened any more.
        sealed_at: When the file was written, micros.
    """

    segment: str
    partition_no: int
    row_count: int
    first_no: int
    last_no: int
    last_seal: int
    first_at: int
    last_at: int
    byte_count: int
    sealed_key: bytes
    sealed_at: int


@dataclass(frozen=True, slots=True)
class Totals:
    """All segments together.

    Attributes:
        segments: How many there are.
        rows: Their rows.
        bytes: Their size.
        first_at: When the oldest interaction occurred, micros; None without any.
        last_at: When the newest one did.
    """

    segments: int
    rows: int
    bytes: int
    first_at: int | None
    last_at: int | None


COLUMNS = tuple(field.name for field in fields(Segment))


def partitions_of(record_nos: NDArray[np.int64]) -> NDArray[np.int64]:
    """The partition of each record: a multiplicative hash of its number (Knuth, TAOCP 3, 6.4)."""
    shift = np.uint64(64 - (PARTITIONS.bit_length() - 1))
    return ((record_nos.astype(np.uint64) * _ODD) >> shift).astype(np.int64)


def partition_of(record_no: int) -> int:
    """The partition of one record."""
    return int(partitions_of(np.array([record_no], dtype=np.int64))[0])


def segments(connection: sa.Connection, partitions: Collection[int] | None = None) -> list[Segment]:
    """The segments there are, in order of what they hold; of some partitions where they are named."""
    query = sa.select(*(table.c[name] for name in COLUMNS)).order_by(table.c.first_no, table.c.segment)
    if partitions is not None:
        query = query.where(table.c.partition_no.in_(sorted(partitions)))
    found = (Segment(*row) for row in connection.execute(query))
    return [replace(one, sealed_key=bytes(one.sealed_key)) for one in found]


def totals(connection: sa.Connection) -> Totals:
    """All segments together, from the manifest alone."""
    row = connection.execute(
        sa.select(
            sa.func.count(),
            sa.func.coalesce(sa.func.sum(table.c.row_count), 0),
            sa.func.coalesce(sa.func.sum(table.c.byte_count), 0),
            sa.func.min(table.c.first_at),
            sa.func.max(table.c.last_at),
        )
    ).one()
    return Totals(int(row[0]), int(row[1]), int(row[2]), row[3], row[4])


def any_segment(connection: sa.Connection) -> bool:
    """Whether anything is sealed."""
    return connection.execute(sa.select(table.c.segment).limit(1)).first() is not None


def newest_number(connection: sa.Connection) -> int:
    """The greatest interaction number in history; 0 without any."""
    return int(connection.execute(sa.select(sa.func.max(table.c.last_no))).scalar_one() or 0)


def newest_seal(connection: sa.Connection, after_no: int, after_seal: int) -> int | None:
    """The newest sealing later than one that brought interactions with a greater number; None when there is none."""
    query = sa.select(sa.func.max(table.c.last_seal)).where(
        table.c.last_no > after_no, table.c.last_seal > after_seal
    )
    newest: int | None = connection.execute(query).scalar_one()
    return newest


def change_manifest(connection: sa.Connection, added: Sequence[Segment], dropped: Iterable[Segment]) -> None:
    """Name new segments, and those no more whose rows they took over.

    Raises:
        CursorMoved: One that was to be dropped is named no more: another process was faster.
    """
    names = [one.segment for one in dropped]
    if delete_rows(connection, table, "segment", names) != len(names):
        raise CursorMoved("Another process changed the history meanwhile. Nothing was lost: run it again.")
    insert_rows(connection, table, COLUMNS, [astuple(one) for one in added])
