"""What changed since a stage last looked: versions of records and decisions, in order of the log. Reads; never writes.

A part of the log ends before a living record is deleted, unless that comes first, decisions included: whoever is of its
customer then inherits its ID, and the stored clusters are those of that moment only when nothing else changed in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.cleaning.tables import record, superseded_record
from customer_profiles.identity.decisions.decisions import Decision, read_decisions
from customer_profiles.identity.graph.records import (
    STORED_COLUMNS,
    identity_records,
    identity_versions,
    together,
)
from customer_profiles.identity.tables import member
from customer_profiles.state.bulk import arrow_batches, delete_rows, rows_by_key
from customer_profiles.state.schema import from_json

Numbers = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Overwritten:
    """A version of a record that is present no more: its log position, and its columns unless it is a deletion."""

    record_no: int
    change_no: int
    received_at: int
    columns: tuple[Any, ...] | None


@dataclass(frozen=True)
class Changes:
    """A part of the log: envelopes in its order, and decisions.

    Attributes:
        since: The position before it.
        until: The position of its end; `since` when nothing is new.
        positions: The log position of each envelope, rising.
        record_nos: The record that each envelope changes.
        deletes: Whether it deletes the record.
        received_at: When it was received (micros).
        lived: The changed records that lived before, rising.
        overwritten: All versions that are present no more, those after this part too.
        decisions: All decisions there are.
        more: Whether the log goes on.
    """

    since: int
    until: int
    positions: Numbers
    record_nos: Numbers
    deletes: Flags
    received_at: Numbers
    lived: Numbers
    overwritten: tuple[Overwritten, ...]
    decisions: tuple[Decision, ...]
    more: bool

    @property
    def records(self) -> Numbers:
        """The changed records, rising."""
        return np.unique(self.record_nos)

    @property
    def fresh_decisions(self) -> list[Decision]:
        """The decisions made or undone in this part of the log."""
        return [
            decision for decision in self.decisions if any(self._inside(at) for at in _positions(decision))
        ]

    @property
    def only_arrivals(self) -> bool:
        """Whether this part deletes no record and decides nothing."""
        return not bool(self.deletes.any()) and not self.fresh_decisions

    @property
    def received(self) -> int:
        """How many envelopes this part of the log holds, decisions included."""
        decided = sum(self._inside(at) for decision in self.decisions for at in _positions(decision))
        return len(self.positions) + decided

    @property
    def watermark(self) -> int | None:
        """When the newest change was received."""
        return int(self.received_at.max()) if len(self.positions) else None

    @property
    def first_departs(self) -> bool:
        """Whether the first envelope deletes a living record."""
        return (
            len(self.positions) > 0
            and bool(self.deletes[0])
            and bool(np.isin(self.record_nos[0], self.lived))
        )

    def _inside(self, position: int) -> bool:
        return self.since < position <= self.until


def read_changes(connection: sa.Connection, since: int, generation: int, limit: int | None = None) -> Changes:
    """The next part of the log after a position.

    Args:
        connection: Reading or writing the state store.
        since: The position.
        generation: Whose members tell which records live at the position.
        limit: About so many envelopes at most; None for all that can be taken at once.
    """
    query = (
        sa.select(record.c.change_no, record.c.record_no, record.c.deleted_at, record.c.received_at)
        .where(record.c.change_no > since)
        .order_by(record.c.change_no)
    )
    # One more than asked for tells whether there is more.
    batches = list(arrow_batches(connection, query if limit is None else query.limit(limit + 1)))
    table = pa.Table.from_batches(batches) if batches else _NOTHING
    cut = limit is not None and table.num_rows > limit
    table = table.slice(0, limit) if cut else table
    numbers = [table[name].to_numpy().astype(np.int64) for name in ("change_no", "record_no", "received_at")]
    end = int(numbers[0][-1]) if cut else None
    overwritten = tuple(_overwritten(connection))
    decisions = tuple(read_decisions(connection))
    deletes = np.asarray(table["deleted_at"].is_valid().to_numpy(), dtype=np.bool_)
    past = [one for one in overwritten if since < one.change_no and (end is None or one.change_no <= end)]
    if past:
        numbers = [
            np.concatenate([present, np.array([getattr(one, name) for one in past], dtype=np.int64)])
            for present, name in zip(numbers, ("change_no", "record_no", "received_at"), strict=True)
        ]
        deletes = np.concatenate([deletes, np.array([one.columns is None for one in past], dtype=np.bool_)])
        order = np.argsort(numbers[0])
        numbers, deletes = [column[order] for column in numbers], deletes[order]
    positions, record_nos, received_at = numbers
    lived = _living(connection, generation, np.unique(record_nos))
    # A decision before the first envelope has to take effect before what that one may delete.
    first = int(positions[0]) if len(positions) else since
    decided_before = any(since < at < first for one in decisions for at in _positions(one))
    stop = _next_departure(record_nos, deletes, lived, 0 if decided_before else 1)
    if stop is not None:
        end, cut = int(positions[stop]) - 1, True
        positions, record_nos, deletes, received_at = (
            column[:stop] for column in (positions, record_nos, deletes, received_at)
        )
        lived = np.intersect1d(lived, record_nos)
    decided = [at for decision in decisions for at in _positions(decision) if end is None or at <= end]
    later = (
        any(at > end for decision in decisions for at in _positions(decision)) if end is not None else False
    )
    return Changes(
        since=since,
        until=max([since, *decided, *positions[-1:].tolist()]),
        positions=positions,
        record_nos=record_nos,
        deletes=deletes,
        received_at=received_at,
        lived=lived,
        overwritten=overwritten,
        decisions=decisions,
        more=cut or later,
    )


def read_followed(connection: sa.Connection, since: int | None, until: int, generation: int) -> Changes:
    """The part of the log that the live generation has taken in and one that is being built has not.

    Args:
        connection: Reading or writing the state store.
        since: Where the one that is being built stands; None when it is to begin with everything that lives.
        until: Where the live one stands.
        generation: The one that is being built.
    """
    overwritten = tuple(_overwritten(connection))
    columns = sa.select(record.c.change_no, record.c.record_no, record.c.deleted_at, record.c.received_at)
    rows = (
        []
        if since is None
        else connection.execute(columns.where(record.c.change_no > since, record.c.change_no <= until)).all()
    )
    found = {row[1]: (row[0], row[1], row[2] is not None, row[3]) for row in rows}
    if since is not None:
        for one in _then(overwritten, until).values():
            if one.change_no > since and one.record_no not in found:
                found[one.record_no] = (one.change_no, one.record_no, one.columns is None, one.received_at)
    envelopes = np.array(sorted(found.values()), dtype=np.int64).reshape(-1, 4)
    return Changes(
        since=until if since is None else since,
        until=until,
        positions=envelopes[:, 0],
        record_nos=envelopes[:, 1],
        deletes=envelopes[:, 2].astype(np.bool_),
        received_at=envelopes[:, 3],
        lived=_living(connection, generation, envelopes[:, 1]),
        overwritten=overwritten,
        decisions=tuple(read_decisions(connection)),
        more=False,
    )


def waiting(connection: sa.Connection, since: int, most: int) -> int:
    """How many records have a version after a position, counted up to a number."""
    # In the order of the index: Postgres would look through all records for some that it believes to be there.
    after = sa.select(record.c.change_no).where(record.c.change_no > since).order_by(record.c.change_no)
    some = after.limit(most).subquery()
    return int(connection.execute(sa.select(sa.func.count()).select_from(some)).scalar_one())


def living_now(connection: sa.Connection, changes: Changes) -> pa.Table:
    """The changed records that live at the end of a part of the log, as they are then, by record number rising."""
    last: dict[int, bool] = dict(zip(changes.record_nos.tolist(), changes.deletes.tolist(), strict=True))
    wanted = [record_no for record_no, deleted in last.items() if not deleted]
    then = _then(changes.overwritten, changes.until)
    names = (*STORED_COLUMNS, "change_no")
    rows = [
        tuple(row[:-1])
        for row in rows_by_key(connection, record, "record_no", wanted, names)
        if row[-1] <= changes.until
    ]
    present = {row[0] for row in rows}
    past = (then[record_no].columns for record_no in wanted if record_no not in present)
    rows += [columns for columns in past if columns is not None]
    return identity_versions(sorted(rows, key=lambda row: row[0]))


def all_living(connection: sa.Connection, changes: Changes) -> pa.Table:
    """Every record that lives at the end of a part of the log, as it is then, by record number rising."""
    present = identity_records(connection, changes.until)
    if not changes.overwritten:
        return present
    later = sa.select(record.c.record_no).where(record.c.change_no > changes.until)
    overwritten_since = set(connection.execute(later).scalars())
    then = _then(changes.overwritten, changes.until)
    rows = [
        one.columns
        for record_no, one in sorted(then.items())
        if record_no in overwritten_since and one.columns is not None
    ]
    table = together([present, identity_versions(rows)])
    return table.take(pc.sort_indices(table["record_no"]))


def forget_overwritten(connection: sa.Connection, changes: Changes) -> None:
    """Delete the versions that nobody will ask for again once a part of the log is consumed."""
    then = _then(changes.overwritten, changes.until)
    numbers = [one.record_no for one in changes.overwritten]
    present: dict[int, int] = dict(
        rows_by_key(connection, record, "record_no", numbers, ("record_no", "change_no"))
    )
    needed = {one.change_no for one in then.values() if present.get(one.record_no, 0) > changes.until}
    consumed = [
        one.change_no
        for one in changes.overwritten
        if one.change_no <= changes.until and one.change_no not in needed
    ]
    delete_rows(connection, superseded_record, "change_no", consumed)


def _then(overwritten: tuple[Overwritten, ...], until: int) -> dict[int, Overwritten]:
    """By record the last version up to a position of those that are present no more."""
    return {one.record_no: one for one in overwritten if one.change_no <= until}


def _living(connection: sa.Connection, generation: int, records: Numbers) -> Numbers:
    within = {"generation": generation}
    rows = rows_by_key(connection, member, "record_no", records.tolist(), ("record_no",), within)
    return np.array(sorted(record_no for (record_no,) in rows), dtype=np.int64)


def _next_departure(record_nos: Numbers, deletes: Flags, lived: Numbers, start: int) -> int | None:
    """The place of the first envelope, from a place on, that deletes a record which lives then."""
    order = np.argsort(record_nos, kind="stable")
    again = np.zeros(len(order), dtype=np.bool_)
    again[1:] = record_nos[order][1:] == record_nos[order][:-1]
    alive = np.isin(record_nos, lived)
    alive[order[again]] = ~deletes[order[np.flatnonzero(again) - 1]]
    departs = np.flatnonzero(deletes & alive)
    departs = departs[departs >= start]
    return int(departs[0]) if len(departs) else None


def _overwritten(connection: sa.Connection) -> Iterator[Overwritten]:
    rows = connection.execute(
        sa.select(
            superseded_record.c.change_no, superseded_record.c.record_no, superseded_record.c.body
        ).order_by(superseded_record.c.change_no)
    )
    for change_no, record_no, text in rows:
        body = from_json(text)
        gone = body.get("deleted_at") is not None
        columns = None if gone else (record_no, *(body.get(name) for name in STORED_COLUMNS[1:]))
        yield Overwritten(record_no, change_no, body["received_at"], columns)


def _positions(decision: Decision) -> list[int]:
    return [at for at in (decision.change_no, decision.undone_change_no) if at is not None]


_NOTHING = pa.table(
    {name: pa.array([], pa.int64()) for name in ("change_no", "record_no", "deleted_at", "received_at")}
)
