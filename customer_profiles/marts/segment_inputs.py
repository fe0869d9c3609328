"""Reads what segment rules are evaluated on: the traits and the buckets that they name, of a batch of customers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
from sqlalchemy import Connection

from customer_profiles.marts import tables
from customer_profiles.marts.buckets import Counting, Grain
from customer_profiles.marts.evaluation import BUCKET_SCHEMA
from customer_profiles.marts.facts import Fact
from customer_profiles.marts.recount import read_buckets
from customer_profiles.marts.rules import Rule
from customer_profiles.state.bulk import rows_by_key
from customer_profiles.state.history.history import History
from customer_profiles.state.schema import from_json


def traits_read(
    conn: Connection, generation: int, rules: Iterable[Rule], customer_nos: Collection[int]
) -> Mapping[str, Mapping[int, Any]]:
    """The values of the traits that rules name, by trait and customer."""
    found = {}
    for name in {spec.name for rule in rules for spec in rule.traits}:
        within = {"generation": generation, "name": name}
        rows = rows_by_key(conn, tables.trait, "customer_no", customer_nos, ("customer_no", "value"), within)
        found[name] = {customer_no: from_json(value) for customer_no, value in rows}
    return found


def buckets_read(
    conn: Connection,
    history: History | None,
    generation: int,
    rules: Iterable[Rule],
    counting: Counting,
    customer_of: Mapping[int, int],
    now: int,
) -> pa.Table:
    """What the facts of rules are computed from: of each grain and property only the columns that a fact reads.

    Args:
        conn: A connection that sees the state store.
        history: Where old interactions are sealed.
        generation: The generation.
        rules: The rules.
        counting: What the settings count.
        customer_of: The customer of each record.
        now: End of the windows, micros.

    Returns:
        Rows as `BUCKET_SCHEMA`.
    """
    facts: dict[tuple[str, Grain], list[Fact]] = {}
    for fact in {fact for rule in rules for fact in rule.facts}:
        facts.setdefault((fact.of_property, fact.grain), []).append(fact)
    read = [BUCKET_SCHEMA.empty_table()]
    for (of_property, grain), of_these in facts.items():
        since = {grain: min(fact.window.since(now) for fact in of_these)}
        columns = ("record_no", *sorted({name for fact in of_these for name in fact.reads}))
        rows = read_buckets(conn, history, generation, counting, customer_of, since, of_property, columns)
        read.append(_table(columns, rows, customer_of, {"grain": str(grain), "property": of_property}))
    return pa.concat_tables(read)


def _table(
    columns: Sequence[str],
    rows: Sequence[tuple[Any, ...]],
    customer_of: Mapping[int, int],
    known: Mapping[str, str],
) -> pa.Table:
    """Rows as `BUCKET_SCHEMA`: what is not among their columns is the same in all of them, or nobody asks for it."""
    values: dict[str, tuple[Any, ...]] = dict.fromkeys(columns, ())
    if rows:
        values = dict(zip(columns, zip(*rows, strict=True), strict=True))
    values["customer_no"] = tuple(customer_of[record_no] for record_no in values["record_no"])

    def column(field: pa.Field) -> pa.Array:
        if field.name in values:
            return pa.array(values[field.name], field.type)
        of_all = known.get(field.name, "" if field.type == pa.string() else 0)
        return pa.repeat(pa.scalar(of_all, field.type), len(rows))

    return pa.Table.from_arrays([column(field) for field in BUCKET_SCHEMA], schema=BUCKET_SCHEMA)
