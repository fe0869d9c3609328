"""What changed since a stage last looked: versions of records and decisions, in order of the log. Reads; never writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.cleaning.tables import record, superseded_record
from customer_profiles.identity.decisions import Decision, read_decisions
from customer_profiles.identity.records import STORED_COLUMNS, identity_versions
from customer_profiles.state.bulk import arrow_batches, rows_by_key
from customer_profiles.state.schema import from_json

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class Version:
    """A version of a record: its log position, and its columns unless it is a deletion."""

    record_no: int
    change_no: int
    received_at: int
    columns: tuple[Any, ...] | None


@dataclass(frozen=True)
class Changes:
    """The part of the log after a position.

    Attributes:
        since: The position before it.
        until: The position of its end; `since` when nothing is new.
        records: The records whose present version is new, rising.
        positions: The log position of that version.
        deleted: Whether that version is a deletion.
        received_at: When that version was received (micros).
        superseded: Versions that are no longer present: new ones that were overwritten, and those from
            before.
        decisions: All decisions there are.
    """

    since: int
    until: int
    records: Numbers
    positions: Numbers
    deleted: NDArray[np.bool_]
    received_at: Numbers
    superseded: tuple[Version, ...]
    decisions: tuple[Decision, ...]

    @property
    def fresh_decisions(self) -> list[Decision]:
        """The decisions made or undone in this part of the log."""
        return [
            decision for decision in self.decisions if any(self._inside(at) for at in _positions(decision))
        ]

    @property
    def received(self) -> int:
        """How many envelopes this part of the log holds."""
        overwritten = sum(self._inside(version.change_no) for version in self.superseded)
        decided = sum(self._inside(at) for decision in self.decisions for at in _positions(decision))
        return len(self.records) + overwritten + decided

    @property
    def watermark(self) -> int | None:
        """When the newest change was received."""
        return int(self.received_at.max()) if len(self.records) else None

    def with_history(self) -> frozenset[int]:
        """Records that more than one version is known of."""
        return frozenset(version.record_no for version in self.superseded)

    def _inside(self, position: int) -> bool:
        return self.since < position <= self.until


def read_changes(connection: sa.Connection, since: int) -> Changes:
    """Everything in the log after a position."""
    # Sorted here: told to sort, SQLite walks all records in that order instead of the new ones.
    query = sa.select(
        record.c.record_no, record.c.change_no, record.c.deleted_at, record.c.received_at
    ).where(record.c.change_no > since)
    batches = list(arrow_batches(connection, query))
    table = pa.Table.from_batches(batches).sort_by("record_no") if batches else _NOTHING
    decisions = tuple(read_decisions(connection))
    columns = [table[name].to_numpy().astype(np.int64) for name in ("record_no", "change_no", "received_at")]
    decided = [at for decision in decisions for at in _positions(decision)]
    return Changes(
        since=since,
        until=max([since, *decided, int(columns[1].max(initial=since))]),
        records=columns[0],
        positions=columns[1],
        deleted=np.asarray(table["deleted_at"].is_valid().to_numpy(), dtype=np.bool_),
        received_at=columns[2],
        superseded=tuple(_superseded(connection)),
        decisions=decisions,
    )


def present_versions(connection: sa.Connection, positions: Mapping[int, int]) -> list[Version]:
    """The present version of each record, whose log position is given."""
    names = (*STORED_COLUMNS, "received_at", "deleted_at")
    return [
        Version(row[0], positions[row[0]], row[-2], tuple(row[:-2]) if row[-1] is None else None)
        for row in rows_by_key(connection, record, "record_no", positions, names)
    ]


def identity_table(versions: list[Version]) -> pa.Table:
    """Versions that are no deletions as identity records, in the order given."""
    return identity_versions([version.columns for version in versions if version.columns is not None])


def _superseded(connection: sa.Connection) -> Iterator[Version]:
    rows = connection.execute(
        sa.select(
            superseded_record.c.change_no, superseded_record.c.record_no, superseded_record.c.body
        ).order_by(superseded_record.c.change_no)
    )
    for change_no, record_no, text in rows:
        body = from_json(text)
        gone = body.get("deleted_at") is not None
        columns = None if gone else (record_no, *(body.get(name) for name in STORED_COLUMNS[1:]))
        yield Version(record_no, change_no, body["received_at"], columns)


def _positions(decision: Decision) -> list[int]:
    return [at for at in (decision.change_no, decision.undone_change_no) if at is not None]


_NOTHING = pa.table(
    {name: pa.array([], pa.int64()) for name in ("record_no", "change_no", "deleted_at", "received_at")}
)
