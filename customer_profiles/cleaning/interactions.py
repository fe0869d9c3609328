"""Reads interactions wherever they are: in the database or sealed in the history, each exactly once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from customer_profiles.cleaning.tables import corrected_interaction, interaction
from customer_profiles.state.bulk import arrow_batches, rows_by_key
from customer_profiles.state.errors import StateError
from customer_profiles.state.history.history import History
from customer_profiles.state.history.manifest import (
    PARTITIONS,
    Segment,
    any_segment,
    newest_number,
    newest_seal,
    partitions_of,
    segments,
)
from customer_profiles.state.history.reading import Place, in_order, of_records

_AT_ITS_END = (-1, -1)
"""Where a walk is asked for no more: what was taken last may have to be taken again, when its transaction failed."""

Position = Mapping[str, Any]
Row = tuple[Any, ...]


class InteractionReader:
    """Gives a stage the interactions it has not read yet, whatever is sealed or merged meanwhile.

    A position is the number up to which interactions were read, where they are read in order of arrival. Whoever reads from
    the beginning meets history first, partition by partition: `sealed` says how far in it, up to which sealing; `seal` the
    sealings that were read to their end. What is sealed later is read before the database goes on, but for the numbers that
    were read already. So each interaction is read once, wherever it was when its turn came.
    """

    def __init__(self, columns: Sequence[str], history: History | None) -> None:
        """Bind the reader.

        Args:
            columns: What to give of each interaction, `interaction_no` first.
            history: Where sealed interactions are; None for a state that has none.
        """
        assert columns[0] == "interaction_no" and "record_no" in columns
        self._columns = tuple(columns)
        self._history = history
        self._after = sa.select(*(interaction.c[name] for name in columns)).order_by(
            interaction.c.interaction_no
        )
        self._walk: _Walk | None = None

    def next(
        self, connection: sa.Connection, position: Position | None, limit: int
    ) -> tuple[list[Row], dict[str, Any], bool]:
        """The next interactions.

        Args:
            connection: Writing the state store: what is where must not change before the position is kept.
            position: As given by the call before; None at the beginning.
            limit: At most so many.

        Returns:
            The interactions, the position after them, and whether there may be more.

        Raises:
            SegmentError: A segment is missing, was cut or changed.
        """
        place = dict(position or {"interaction_no": 0})
        rows: list[Row] = []
        while len(rows) < limit and self._is_in_history(connection, place):
            rows += self._next_sealed(connection, place, limit - len(rows))
        if len(rows) == limit:
            return rows, place, True
        found = [
            tuple(row)
            for row in connection.execute(
                self._after.where(interaction.c.interaction_no > place["interaction_no"]).limit(
                    limit - len(rows)
                )
            )
        ]
        rows += found
        if found:
            place["interaction_no"] = found[-1][0]
        if len(rows) == limit:
            return rows, place, True
        # Everything that is anywhere was read.
        return rows, {"interaction_no": max(place["interaction_no"], newest_number(connection))}, False

    @staticmethod
    def _is_in_history(connection: sa.Connection, place: dict[str, Any]) -> bool:
        """Whether history comes before the database; goes into it where there is something to read."""
        if "sealed" not in place:
            newest = newest_seal(connection, place["interaction_no"], place.get("seal", 0))
            if newest is None:
                return False
            place["sealed"] = {"until": newest, "partition": 0, "after": [0, 0]}
        return True

    def _next_sealed(self, connection: sa.Connection, place: dict[str, Any], limit: int) -> list[Row]:
        """The next sealed interactions of one partition; moves the place on, at last out of history."""
        inside = place["sealed"]
        walk = self._walked(connection, place)
        rows = _corrected(connection, walk.take(limit), self._columns)
        if len(rows) == limit:
            place["sealed"] = {**inside, "after": list(walk.after)}
        elif inside["partition"] + 1 < PARTITIONS:
            place["sealed"] = {**inside, "partition": inside["partition"] + 1, "after": [0, 0]}
        else:
            del place["sealed"]
            place["seal"] = inside["until"]
        return rows

    def _walked(self, connection: sa.Connection, place: Position) -> _Walk:
        """The walk through the partition of a place: the one at hand, if that is where it stands."""
        if self._history is None:
            raise StateError(
                "Interactions of this state are sealed in its history: open it with its history."
            )
        inside = place["sealed"]
        there = segments(connection, [inside["partition"]])
        of = _Sought(place.get("seal", 0), inside["until"], place["interaction_no"])
        after = (inside["after"][0], inside["after"][1])
        if self._walk is None or self._walk.stands_at != (there, of, after):
            if self._walk is not None:
                self._walk.close()
            self._walk = _Walk(_known(self._history), there, self._columns, of, after)
        return self._walk


@dataclass(frozen=True, slots=True)
class _Sought:
    """Which sealed interactions are still to be read.

    Attributes:
        since: Those that a later sealing brought …
        until: … up to this one …
        above: … with a greater number.
    """

    since: int
    until: int
    above: int


class _Walk:
    """Through the interactions of one partition, in the order of its segments."""

    def __init__(
        self, history: History, there: list[Segment], columns: tuple[str, ...], sought: _Sought, after: Place
    ) -> None:
        self._of = (there, sought)
        self.after = after
        self._stack = ExitStack()
        wanted = [one for one in there if one.last_seal > sought.since and one.last_no > sought.above]
        files = self._stack.enter_context(history.opened(wanted))
        self._record = columns.index("record_no")
        self._rows = _sought_rows(in_order(files, (*columns, "seal_no"), after), sought)

    @property
    def stands_at(self) -> tuple[list[Segment], _Sought, Place]:
        return (*self._of, self.after)

    def take(self, limit: int) -> list[Row]:
        rows: list[Row] = []
        for row in self._rows:
            rows.append(row)
            if len(rows) == limit:
                self.after = (row[self._record], row[0])
                return rows
        self.close()
        self.after = _AT_ITS_END
        return rows

    def close(self) -> None:
        self._stack.close()


def _sought_rows(tables: Iterator[pa.Table], sought: _Sought) -> Iterator[Row]:
    for table in tables:
        seals = table["seal_no"]
        kept = pc.and_(pc.greater(seals, sought.since), pc.less_equal(seals, sought.until))
        if sought.above:
            kept = pc.and_(kept, pc.greater(table["interaction_no"], sought.above))
        yield from rows_of(table.filter(kept).drop_columns("seal_no"))


def sealed_of(
    connection: sa.Connection,
    history: History | None,
    record_nos: Iterable[int],
    columns: Sequence[str],
    up_to: int | None = None,
) -> Iterator[list[Row]]:
    """The sealed interactions of some records, some thousand at a time, in no promised order.

    Args:
        connection: Reading or writing the state store.
        history: Where sealed interactions are; None for a state that has none.
        record_nos: The records.
        columns: What to give of each interaction.
        up_to: Only those with a number up to this one.

    Raises:
        SegmentError: A segment is missing, was cut or changed.
        StateError: There are sealed interactions, and it is not known where.
    """
    wanted = pa.array(sorted(record_nos), type=pa.int64())
    if not len(wanted) or not any_segment(connection):
        return
    record_nos = wanted.to_pylist()
    corrected = any_corrected(connection)
    names = list(dict.fromkeys((*columns, "interaction_no", "record_no")))
    partitions = {int(one) for one in partitions_of(wanted.to_numpy())}
    with _known(history).opened(segments(connection, partitions)) as files:
        for rows in of_records(files, names, wanted):
            kept = rows if up_to is None else rows.filter(pc.less_equal(rows["interaction_no"], up_to))
            if corrected:
                stale = corrected_among(connection, kept["interaction_no"].to_pylist())
                kept = kept.filter(pc.invert(pc.is_in(kept["interaction_no"], value_set=stale)))
            if kept.num_rows:
                yield list(rows_of(kept.select(list(columns))))
    own = rows_by_key(
        connection, corrected_interaction, "record_no", record_nos, ("interaction_no", *columns)
    )
    if found := [row[1:] for row in own if up_to is None or row[0] <= up_to]:
        yield found


def interactions_of(
    connection: sa.Connection, history: History | None, record_nos: Sequence[int], columns: Sequence[str]
) -> list[Row]:
    """All interactions of some records, wherever they are, the newest first.

    Args:
        connection: Reading or writing the state store.
        history: Where sealed interactions are; None for a state that has none.
        record_nos: The records.
        columns: What to give of each interaction.

    Raises:
        SegmentError: A segment is missing, was cut or changed.
        StateError: There are sealed interactions, and it is not known where.
    """
    names = (*columns, "occurred_at", "interaction_no")
    found = rows_by_key(connection, interaction, "record_no", record_nos, names)
    for rows in sealed_of(connection, history, record_nos, names):
        found += rows
    found.sort(key=lambda row: row[-2:], reverse=True)
    return [row[:-2] for row in found]


def every_interaction(connection: sa.Connection, history: History | None) -> Iterator[pa.RecordBatch]:
    """All interactions, wherever they are, each once and as it is said to be now, in no promised order.

    Args:
        connection: Reading the state store.
        history: Where sealed interactions are; None for a state that has none.

    Raises:
        SegmentError: A segment is missing, was cut or changed.
        StateError: There are sealed interactions, and it is not known where.
    """
    for rows in _everywhere(connection, history):
        yield from rows.select(_EVERY_COLUMN.names).cast(_EVERY_COLUMN).to_batches()


_EVERY_COLUMN = pa.schema(
    [
        (name, pa.string() if isinstance(column.type, sa.Text) else pa.int64())
        for name, column in interaction.columns.items()
    ]
)


def _everywhere(connection: sa.Connection, history: History | None) -> Iterator[pa.Table]:
    if any_segment(connection):
        corrected = any_corrected(connection)
        with _known(history).opened(segments(connection)) as files:
            for file in files:
                for group in file.groups:
                    rows = file.read(group, _EVERY_COLUMN.names)
                    if corrected:
                        stale = corrected_among(connection, rows["interaction_no"].to_pylist())
                        rows = rows.filter(pc.invert(pc.is_in(rows["interaction_no"], value_set=stale)))
                    yield rows
    for table in (corrected_interaction, interaction):
        for batch in arrow_batches(connection, sa.select(*table.columns)):
            yield pa.Table.from_batches([batch])


def _known(history: History | None) -> History:
    if history is None:
        raise StateError("Interactions of this state are sealed in its history: open it with its history.")
    return history


def any_corrected(connection: sa.Connection) -> bool:
    """Whether something else is said of a sealed interaction since."""
    return connection.execute(sa.select(corrected_interaction.c.interaction_no).limit(1)).first() is not None


def corrected_among(connection: sa.Connection, numbers: Iterable[int]) -> pa.Array:
    """Those of some interactions that something else is said of since, rising."""
    key = ("interaction_no",)
    found = rows_by_key(connection, corrected_interaction, "interaction_no", numbers, key)
    return pa.array(sorted(number for (number,) in found), type=pa.int64())


def _corrected(connection: sa.Connection, rows: list[Row], columns: Sequence[str]) -> list[Row]:
    """Rows of the history, with what is said of them since in the place of those that say something else."""
    if not rows or not any_corrected(connection):
        return rows
    numbers = [row[0] for row in rows]
    since = {
        row[0]: row
        for row in rows_by_key(connection, corrected_interaction, "interaction_no", numbers, columns)
    }
    return [since.get(row[0], row) for row in rows]


def rows_of(table: pa.Table) -> Iterator[Row]:
    """The rows of a table as tuples."""
    return zip(*(column.to_pylist() for column in table.columns), strict=True)


def newest_interaction(connection: sa.Connection) -> int:
    """The greatest interaction number there is, sealed or not; 0 without any."""
    kept = connection.execute(sa.select(sa.func.max(interaction.c.interaction_no))).scalar_one()
    return max(int(kept or 0), newest_number(connection))
