"""Counting anew from the stored interactions: after the settings changed, and where an interaction says something else.

The stage `accumulate` does so a few hundred records at a time, beside what is new. Until it is through, whoever reads
buckets counts those records that are left from their interactions: what is read is right from the first moment.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, func, select, text

from customer_profiles.cleaning.interactions import sealed_of
from customer_profiles.cleaning.tables import interaction, recount
from customer_profiles.marts import tables
from customer_profiles.marts.buckets import Cell, Counting, Grain, cells
from customer_profiles.marts.folding import COLUMNS, Row, count, counted, fold
from customer_profiles.marts.stored import BUCKET, EVERYTHING, bucket_rows
from customer_profiles.state.bulk import delete_rows, rows_by_key, upsert_rows
from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.history.history import History
from customer_profiles.state.sequences import reserve

ACCUMULATE = "accumulate"
"""The stage whose cursor tells what was counted."""
RECORDS_AT_ONCE = 500
"""So many records are counted anew in one transaction at most: what is new does not wait for long."""
_PAGE = 10_000
"""Interactions in memory at once."""

_BY_RECORD = ("bucket", "purchase", "support_matter")

_NEXT_RECORDS = text(
    """
    SELECT record_no, last_at
    FROM record_activity
    WHERE generation = :generation AND record_no > :after
    ORDER BY record_no
    LIMIT :limit
    """
)

_MOVED = text(
    """
    SELECT recount_no, record_no
    FROM recount
    WHERE recount_no > :after
    ORDER BY recount_no
    LIMIT :limit
    """
)

_PAGE_OF_RECORD = select(*(interaction.c[name] for name in COLUMNS)).order_by(interaction.c.interaction_no)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where the stage `accumulate` stands in one generation.

    Attributes:
        interaction_no: The last interaction that was folded.
        moved: The last entry of the list of records to count anew that was done.
        counting: What is counted, as a cursor keeps it; None before anything was.
        counted_to: While records are counted anew because the settings changed: the last one that was, else None.
        history: How far it is in the history, while it is on its way through it; else empty.
    """

    interaction_no: int = 0
    moved: int = 0
    counting: Mapping[str, Any] | None = None
    counted_to: int | None = None
    history: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> dict[str, Any]:
        """Where a reader of interactions stands."""
        return {"interaction_no": self.interaction_no, **self.history}

    def at(self, place: Mapping[str, Any]) -> "Progress":
        """The same, where a reader of interactions stands now."""
        inside = {name: value for name, value in place.items() if name != "interaction_no"}
        return replace(self, interaction_no=place["interaction_no"], history=inside)

    @classmethod
    def of(cls, position: Mapping[str, Any] | None) -> "Progress | None":
        """From a cursor's position; None when nothing was done yet."""
        return None if position is None else cls(**position)

    def to_json(self) -> dict[str, Any]:
        """As a cursor keeps it."""
        told = {"interaction_no": self.interaction_no, "moved": self.moved, "counting": self.counting}
        if self.history:
            told["history"] = self.history
        return told if self.counted_to is None else {**told, "counted_to": self.counted_to}

    def toward(self, counting: Counting) -> "Progress":
        """The same, with every record to be counted anew when something else was counted so far."""
        wanted = counting.to_json()
        if self.counting == wanted:
            return self
        return replace(self, counting=wanted, counted_to=0 if self.interaction_no or self.history else None)

    def ready(self, record_nos: Collection[int], counting: Counting) -> Collection[int]:
        """The records whose buckets are what this counting gives."""
        if self.counting != counting.to_json():
            return []
        if self.counted_to is None:
            return record_nos
        return [record_no for record_no in record_nos if record_no <= self.counted_to]


def newest_recount(conn: Connection) -> int:
    """The newest entry of the list of records to count anew: a generation that begins now needs none of them."""
    return int(conn.execute(select(func.max(recount.c.recount_no))).scalar_one() or 0)


def recount_moved(
    conn: Connection, history: History | None, generation: int, progress: Progress, limit: int
) -> tuple[Progress, int, bool]:
    """Count records anew whose interactions were replaced: everything that is kept of them.

    Returns:
        Where that leaves the stage, how many records, and whether there may be more.
    """
    at_once = min(limit, RECORDS_AT_ONCE)
    entries = conn.execute(_MOVED, {"after": progress.moved, "limit": at_once}).all()
    if not entries:
        return progress, 0, False
    assert progress.counting is not None
    record_nos = sorted({row.record_no for row in entries})
    keys = [(generation, record_no) for record_no in record_nos]
    for table in _BY_RECORD:
        delete_rows(conn, table, ("generation", "record_no"), keys)
    # Changed, also when nothing is left of it: whoever follows activity looks at its customer again.
    first = reserve(conn, "activity", len(record_nos))
    upsert_rows(
        conn,
        tables.record_activity,
        ("generation", "record_no", "changed_no", "first_at", "last_at"),
        [(*key, number, None, None) for number, key in enumerate(keys, first)],
        key=("generation", "record_no"),
        replace=("changed_no", "first_at", "last_at"),
    )
    counting = _counting(progress)
    for page in _pages(conn, history, record_nos, progress.interaction_no):
        fold(conn, generation, page, counting)
    return replace(progress, moved=entries[-1].recount_no), len(record_nos), len(entries) == at_once


def recount_next(
    conn: Connection, history: History | None, generation: int, progress: Progress, limit: int
) -> tuple[Progress, int]:
    """Count the next records anew because the settings changed: their buckets alone, for nothing else follows these.

    Returns:
        Where that leaves the stage, and how many records.
    """
    at_once = min(limit, RECORDS_AT_ONCE)
    given = {"generation": generation, "after": progress.counted_to, "limit": at_once}
    newest = {row.record_no: row.last_at for row in conn.execute(_NEXT_RECORDS, given)}
    keys = [(generation, record_no) for record_no in newest]
    delete_rows(conn, tables.bucket, ("generation", "record_no"), keys)
    counting = _counting(progress)
    for page in _pages(conn, history, newest, progress.interaction_no):
        count(conn, generation, counted(page, counting), newest, counting)
    last = max(newest) if len(newest) == at_once else None
    return replace(progress, counted_to=last), len(newest)


def read_buckets(
    conn: Connection,
    history: History | None,
    generation: int,
    counting: Counting,
    record_nos: Collection[int],
    since: Mapping[Grain, int] = EVERYTHING,
    of_property: str | None = None,
    columns: Sequence[str] = BUCKET,
) -> list[tuple[Any, ...]]:
    """Rows of the records' buckets, right also while records are being counted anew.

    Args:
        conn: A connection that sees the state store.
        history: Where old interactions are sealed.
        generation: The generation.
        counting: What the settings of the reader count.
        record_nos: The records.
        since: The grains that are wanted, and the earliest start of each (micros).
        of_property: As for :func:`~customer_profiles.marts.stored.bucket_rows`. ``columns``: likewise.

    Returns:
        The values of those fields.
    """
    progress = Progress.of(read_cursor(conn, ACCUMULATE, str(generation)).position) or Progress()
    ready = progress.ready(record_nos, counting)
    rows = bucket_rows(conn, generation, ready, since, of_property, columns)
    if len(ready) < len(record_nos):
        wanted = {str(grain): start for grain, start in since.items()}
        waiting = set(record_nos).difference(ready)
        counted_now = _counted_now(conn, history, generation, counting, waiting, progress.interaction_no)
        places = [BUCKET.index(name) for name in columns]
        rows += [
            tuple(cell[place] for place in places)
            for cell in counted_now
            if cell[1] in wanted
            and cell[2] >= wanted[cell[1]]
            and (of_property is None or cell[6] == of_property)
        ]
    return rows


def _counted_now(
    conn: Connection,
    history: History | None,
    generation: int,
    counting: Counting,
    record_nos: Iterable[int],
    up_to: int,
) -> Iterator[Cell]:
    """Buckets of records from their interactions, a page at a time: several rows of one bucket add up."""
    keys = [(generation, record_no) for record_no in record_nos]
    key, columns = ("generation", "record_no"), ("record_no", "last_at")
    newest = {
        record_no: last_at
        for record_no, last_at in rows_by_key(conn, tables.record_activity, key, keys, columns)
        if last_at is not None
    }
    for page in _pages(conn, history, newest, up_to):
        yield from cells(counted(page, counting), newest, counting)


def _counting(progress: Progress) -> Counting:
    assert progress.counting is not None
    kept = {Grain(grain): length for grain, length in progress.counting["kept"].items()}
    return Counting(kept, tuple(progress.counting["properties"]))


def _pages(
    conn: Connection, history: History | None, record_nos: Collection[int], up_to: int
) -> Iterator[list[Row]]:
    """The records' interactions up to a number, each once, so many at a time that a busy record does no harm."""
    yield from sealed_of(conn, history, record_nos, COLUMNS, up_to)
    page: list[Row] = []
    for record_no in sorted(record_nos):
        after: int | None = 0
        while after is not None:
            wanted = _PAGE_OF_RECORD.where(
                interaction.c.record_no == record_no,
                interaction.c.interaction_no > after,
                interaction.c.interaction_no <= up_to,
            ).limit(_PAGE)
            found = [tuple(row) for row in conn.execute(wanted)]
            page += found
            after = found[-1][0] if len(found) == _PAGE else None
            if len(page) >= _PAGE:
                yield page
                page = []
    if page:
        yield page
