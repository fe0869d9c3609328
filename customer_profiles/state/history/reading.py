"""Reads rows out of several segments in their order, by record and interaction number, holding no more than what overlaps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa
import pyarrow.compute as pc

from customer_profiles.state.history.files import ROW_GROUP, SegmentFile

_SORTED_AT_ONCE = 4 * ROW_GROUP
ORDER = [("record_no", "ascending"), ("interaction_no", "ascending")]
"""What the rows of every segment are sorted by."""

Place = tuple[int, int]
"""A record number, and the number of an interaction of it."""


def in_order(
    files: Sequence[SegmentFile], columns: Sequence[str], after: Place = (0, 0)
) -> Iterator[pa.Table]:
    """Rows sorted by record and interaction number, table by table.

    Args:
        files: Opened segments.
        columns: What to give of each row, `record_no` and `interaction_no` among them.
        after: Only rows that come later.

    Raises:
        SegmentError: A file was changed.
    """
    groups = sorted(
        ((group, file) for file in files for group in file.groups if group.last_record >= after[0]),
        key=lambda one: (one[0].first_record, one[0].last_record),
    )
    held: list[pa.Table] = []
    enough = _SORTED_AT_ONCE
    for place, (group, file) in enumerate(groups, 1):
        held.append(file.read(group, columns))
        is_last = place == len(groups)
        if not is_last and sum(table.num_rows for table in held) < enough:
            continue
        rows = pa.concat_tables(held, promote_options="default").sort_by(ORDER)
        if not is_last:
            # What is still to come may begin in the middle of what is held.
            whole = pc.less(rows["record_no"], groups[place][0].first_record)
            held = [rows.filter(pc.invert(whole))]
            rows = rows.filter(whole)
            enough = max(_SORTED_AT_ONCE, 2 * held[0].num_rows)
        if after != (0, 0):
            rows = rows.filter(_comes_after(rows, after))
        if rows.num_rows:
            yield rows


def of_records(
    files: Sequence[SegmentFile], columns: Sequence[str], record_nos: pa.Array
) -> Iterator[pa.Table]:
    """The rows of some records, in no promised order; only the parts of files that may hold them are read.

    Args:
        files: Opened segments.
        columns: What to give of each row, `record_no` among them.
        record_nos: The records, rising.

    Raises:
        SegmentError: A file was changed.
    """
    wanted = record_nos.to_numpy()
    for file in files:
        for group in file.groups:
            if wanted.searchsorted(group.first_record) == wanted.searchsorted(
                group.last_record, side="right"
            ):
                continue
            rows = file.read(group, columns)
            rows = rows.filter(pc.is_in(rows["record_no"], value_set=record_nos))
            if rows.num_rows:
                yield rows


def _comes_after(rows: pa.Table, place: Place) -> pa.ChunkedArray:
    record_no, interaction_no = place
    return pc.or_(
        pc.greater(rows["record_no"], record_no),
        pc.and_(pc.equal(rows["record_no"], record_no), pc.greater(rows["interaction_no"], interaction_no)),
    )
