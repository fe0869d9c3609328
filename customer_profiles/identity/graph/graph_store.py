"""The stored graph of one generation: read in columns, written by its differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.clusters.vetoes import Verdict
from customer_profiles.identity.edges.edges import Edges, Pairs
from customer_profiles.identity.graph.records import looked_at
from customer_profiles.identity.tables import customer, edge, member, resolved_record, review_pair
from customer_profiles.state.bulk import arrow_batches, delete_rows, insert_rows, upsert_rows
from customer_profiles.state.schema import to_json

Numbers = NDArray[np.int64]
_CHUNK = 100_000
_REFUSALS = (None, *(verdict.name.lower() for verdict in Verdict if verdict is not Verdict.ACCEPTED))
_BELOW = "score below the edge threshold"
_NOWHERE = -1
StoredEdge = tuple[int, str, str]
"""Weight, kind and support of an edge, as stored."""


@dataclass(frozen=True)
class Members:
    """Which customer each live record belongs to; records rising."""

    records: Numbers
    customers: Numbers

    def of(self, records: Numbers) -> Numbers:
        """The customer of each record, -1 for a record that is not among them."""
        return looked_up(self.records, self.customers, records)


def looked_up(keys: Numbers, values: Numbers, wanted: Numbers) -> Numbers:
    """The value of each wanted key, -1 where the rising keys lack it."""
    result = np.full(len(wanted), _NOWHERE, dtype=np.int64)
    if len(keys):
        places = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
        found = keys[places] == wanted
        result[found] = values[places[found]]
    return result


def read_members(connection: sa.Connection, generation: int) -> Members:
    """The members of all customers of a generation."""
    query = (
        sa.select(member.c.record_no, member.c.customer_no)
        .where(member.c.generation == generation)
        .order_by(member.c.record_no)
    )
    return Members(*read_columns(connection, query))


def read_columns(connection: sa.Connection, query: sa.Select[Any]) -> list[Numbers]:
    """The columns of a query that gives whole numbers only."""
    width = len(query.selected_columns)
    batches = list(arrow_batches(connection, query))
    return [
        np.concatenate(
            [
                np.zeros(0, dtype=np.int64),
                *(batch.column(i).to_numpy(zero_copy_only=False) for batch in batches),
            ]
        ).astype(np.int64)
        for i in range(width)
    ]


def write_members(connection: sa.Connection, generation: int, old: Members, new: Members) -> None:
    """Write who belongs to another customer than before, and delete who is gone."""
    gone = old.records[~np.isin(old.records, new.records)]
    _delete(connection, member, ("generation", "record_no"), generation, gone)
    before = old.of(new.records)
    for which, write in (
        (before == _NOWHERE, _insert),
        ((before != _NOWHERE) & (before != new.customers), _upsert),
    ):
        columns = [new.records[which].tolist(), new.customers[which].tolist()]
        write(connection, member, ("record_no", "customer_no"), ("record_no",), generation, columns)


def write_customers(
    connection: sa.Connection, generation: int, customers: Numbers, sizes: Numbers, first_changed_no: int
) -> None:
    """Write customers that changed, each with a change number of its own."""
    numbers = range(first_changed_no, first_changed_no + len(customers))
    columns = [customers.tolist(), sizes.tolist(), list(numbers)]
    _upsert(
        connection, customer, ("customer_no", "size", "changed_no"), ("customer_no",), generation, columns
    )


def write_edges(
    connection: sa.Connection, generation: int, edges: Edges, verdicts: NDArray[np.int8]
) -> tuple[int, int]:
    """Write the edges that differ from those stored.

    Returns:
        How many edges were written, and how many deleted.
    """
    columns = _edge_columns(edges, verdicts)
    return _write_pairs(connection, edge, tuple(columns), generation, edges.pairs, list(columns.values()))


def write_review(connection: sa.Connection, generation: int, edges: Edges) -> None:
    """Write the pairs in the review band that differ from those stored."""
    columns = _review_columns(edges)
    _write_pairs(connection, review_pair, tuple(columns), generation, edges.review, list(columns.values()))


def edge_table(edges: Edges, verdicts: NDArray[np.int8]) -> pa.Table:
    """Edges in the columns of the table `edge`."""
    pairs = {"left_no": edges.pairs.left, "right_no": edges.pairs.right}
    return pa.table({**pairs, **_edge_columns(edges, verdicts)})


def review_table(edges: Edges) -> pa.Table:
    """Review pairs in the columns of the table `review_pair`."""
    pairs = {"left_no": edges.review.left, "right_no": edges.review.right}
    return pa.table({**pairs, **_review_columns(edges)})


def change_edges(
    connection: sa.Connection, generation: int, edges: Edges, old: Mapping[tuple[int, int], StoredEdge]
) -> tuple[int, int]:
    """Put edges in the place of stored ones.

    What became of an edge that was there stays until clustering says otherwise; a new one counts as accepted.

    Args:
        connection: Writing to the state store.
        generation: Which graph.
        edges: The edges that are there now.
        old: All stored edges that they stand for.

    Returns:
        How many edges were written, and how many deleted.
    """
    supports, support_of = _support_texts(edges)
    pairs = edges.pairs
    columns = (pairs.left, pairs.right, pairs.weight, pairs.kind, support_of)
    now = {
        (left, right): (weight, edges.kinds[kind], supports[support])
        for left, right, weight, kind, support in zip(*(column.tolist() for column in columns), strict=True)
    }
    gone = old.keys() - now
    delete_rows(
        connection, edge, ("generation", "left_no", "right_no"), ((generation, *pair) for pair in gone)
    )
    names = ("weight", "kind", "support")
    rows = [(generation, *pair, *said, 1, None) for pair, said in now.items() if old.get(pair) != said]
    upsert_rows(
        connection,
        edge,
        ("generation", "left_no", "right_no", *names, "accepted", "refusal"),
        rows,
        key=("generation", "left_no", "right_no"),
        replace=names,
    )
    return len(rows), len(gone)


def change_review(
    connection: sa.Connection, generation: int, edges: Edges, old: Mapping[tuple[int, int], int]
) -> None:
    """Put review pairs in the place of stored ones, given with their weights."""
    review = edges.review
    columns = (review.left.tolist(), review.right.tolist(), review.weight.tolist())
    now = {(left, right): weight for left, right, weight in zip(*columns, strict=True)}
    key = ("generation", "left_no", "right_no")
    delete_rows(connection, review_pair, key, ((generation, *pair) for pair in old.keys() - now))
    rows = [(generation, *pair, weight, _BELOW) for pair, weight in now.items() if old.get(pair) != weight]
    names = ("weight", "reason")
    upsert_rows(connection, review_pair, (*key, *names), rows, key=key, replace=names)


def write_verdicts(
    connection: sa.Connection,
    generation: int,
    verdicts: Mapping[tuple[int, int], Verdict],
    refusals: Mapping[tuple[int, int], str | None],
) -> None:
    """Write what became of edges where that differs from what is stored.

    Args:
        connection: Writing to the state store.
        generation: Which graph.
        verdicts: By edge what became of it.
        refusals: By edge the stored reason for which it was refused, None where it was accepted.
    """
    rows = []
    for (left, right), verdict in verdicts.items():
        refusal = _REFUSALS[verdict]
        if refusals[left, right] != refusal:
            rows.append((int(verdict is Verdict.ACCEPTED), refusal, generation, left, right))
    update = edge.update().where(
        edge.c.generation == sa.bindparam("of"),
        edge.c.left_no == sa.bindparam("left"),
        edge.c.right_no == sa.bindparam("right"),
    )
    if rows:
        connection.execute(
            update,
            [
                {"accepted": accepted, "refusal": refusal, "of": of, "left": left, "right": right}
                for accepted, refusal, of, left, right in rows
            ],
        )


def refusal_of(verdict: Verdict) -> str | None:
    """Why an edge was refused, as stored; None when it was accepted."""
    return _REFUSALS[verdict]


def write_resolved(
    connection: sa.Connection,
    generation: int,
    records: pa.Table,
    contents: Numbers,
    gone: Numbers | None = None,
) -> None:
    """Write what the graph has taken in of records.

    Args:
        connection: Writing to the state store.
        generation: Which graph.
        records: Identity records.
        contents: The content of each.
        gone: Records that live no more; None when `records` are all there are.
    """
    if gone is None:
        connection.execute(resolved_record.delete().where(resolved_record.c.generation == generation))
    else:
        _delete(connection, resolved_record, ("generation", "record_no"), generation, gone)
    table = resolved_table(records, contents)
    columns = [column.to_pylist() for column in table.columns]
    write = _insert if gone is None else _upsert
    write(connection, resolved_record, table.column_names, ("record_no",), generation, columns)


def resolved_table(records: pa.Table, contents: Numbers) -> pa.Table:
    """What the graph takes in of records, in the columns of the table `resolved_record`.

    Args:
        records: Identity records.
        contents: The content of each.
    """
    return pa.table(
        {
            "record_no": records["record_no"],
            "content_no": contents,
            "first_name": looked_at(records["given_name"]),
            "birth_date": looked_at(records["birth_date"]),
        }
    )


def _edge_columns(edges: Edges, verdicts: NDArray[np.int8]) -> dict[str, Any]:
    supports, support_of = _support_texts(edges)
    return {
        "weight": edges.pairs.weight,
        "kind": np.array(edges.kinds, dtype=object)[edges.pairs.kind],
        "accepted": (verdicts == Verdict.ACCEPTED).astype(np.int64),
        "refusal": np.array(_REFUSALS, dtype=object)[verdicts],
        "support": supports[support_of],
    }


def _review_columns(edges: Edges) -> dict[str, Any]:
    return {"weight": edges.review.weight, "reason": np.full(len(edges.review), _BELOW, dtype=object)}


def _support_texts(edges: Edges) -> tuple[NDArray[np.object_], Numbers]:
    masks, of = np.unique(edges.pairs.support, return_inverse=True)
    texts = [to_json(list(edges.support_names(int(mask)))) for mask in masks]
    return np.array(texts or [""], dtype=object), of


def _write_pairs(
    connection: sa.Connection,
    table: sa.Table,
    names: Sequence[str],
    generation: int,
    pairs: Pairs,
    columns: Sequence[Any],
) -> tuple[int, int]:
    same, stored_before = np.zeros(len(pairs), dtype=np.bool_), np.zeros(len(pairs), dtype=np.bool_)
    gone: list[tuple[int, int]] = []
    query = (
        sa.select(table.c.left_no, table.c.right_no, *(table.c[name] for name in names))
        .where(table.c.generation == generation)
        .order_by(table.c.left_no, table.c.right_no)
    )
    for batch in arrow_batches(connection, query):
        left, right = (batch.column(i).to_numpy(zero_copy_only=False) for i in (0, 1))
        places = _places(pairs, left, right)
        known = places != _NOWHERE
        gone += zip(left[~known].tolist(), right[~known].tolist(), strict=True)
        equal = known.copy()
        for i, values in enumerate(columns, start=2):
            stored = batch.column(i).to_numpy(zero_copy_only=False)
            equal[known] &= values[places[known]] == stored[known]
        same[places[equal]] = True
        stored_before[places[known]] = True
    delete_rows(
        connection, table, ("generation", "left_no", "right_no"), ((generation, *pair) for pair in gone)
    )
    written = [pairs.left, pairs.right, *columns]
    key = ("left_no", "right_no")
    for at, write in (
        (np.flatnonzero(~stored_before), _insert),
        (np.flatnonzero(stored_before & ~same), _upsert),
    ):
        for start in range(0, len(at), _CHUNK):
            part = [values[at[start : start + _CHUNK]].tolist() for values in written]
            write(connection, table, (*key, *names), key, generation, part)
    return int(np.count_nonzero(~same)), len(gone)


def _places(pairs: Pairs, left: Numbers, right: Numbers) -> Numbers:
    """The place of each stored pair among the pairs, which are sorted; -1 for one that is not there."""
    start = np.searchsorted(pairs.left, left, side="left")
    end = np.searchsorted(pairs.left, left, side="right")
    result = np.full(len(left), _NOWHERE, dtype=np.int64)
    # One bisection step for all pairs at once, until each stretch of equal left records is a single place.
    low, high = start, end
    while (open_ := low < high).any():
        middle = (low + high) // 2
        at = pairs.right[np.minimum(middle, len(pairs) - 1)]
        hit = open_ & (at == right)
        result[hit] = middle[hit]
        low = np.where(open_ & (at < right), middle + 1, low)
        high = np.where(open_ & (at >= right), middle, high)
    return result


def _upsert(
    connection: sa.Connection,
    table: sa.Table,
    names: Sequence[str],
    key: Sequence[str],
    generation: int,
    columns: Sequence[list[Any]],
) -> None:
    for rows in _chunks(columns):
        upsert_rows(
            connection,
            table,
            ("generation", *names),
            ((generation, *row) for row in rows),
            key=("generation", *key),
            replace=tuple(name for name in names if name not in key),
        )


def _insert(
    connection: sa.Connection,
    table: sa.Table,
    names: Sequence[str],
    key: Sequence[str],
    generation: int,
    columns: Sequence[list[Any]],
) -> None:
    for rows in _chunks(columns):
        insert_rows(connection, table, ("generation", *names), ((generation, *row) for row in rows))


def _delete(
    connection: sa.Connection, table: sa.Table, key: Sequence[str], generation: int, numbers: Numbers
) -> None:
    delete_rows(connection, table, key, ((generation, number) for number in numbers.tolist()))


def _chunks(columns: Sequence[list[Any]]) -> Iterator[Iterator[tuple[Any, ...]]]:
    for start in range(0, len(columns[0]), _CHUNK):
        yield zip(*(values[start : start + _CHUNK] for values in columns), strict=True)
