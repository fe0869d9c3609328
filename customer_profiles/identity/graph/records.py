"""Records as the identity engine reads them: only what identity compares, in columns. Reads; never writes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from customer_profiles.cleaning.tables import record
from customer_profiles.identity.clusters.vetoes import FactColumns
from customer_profiles.identity.edges.edges import Hub
from customer_profiles.identity.edges.features import IDENTIFIERS_A_KIND, TEXT_FIELDS
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import arrow_batches
from customer_profiles.state.schema import from_json

LIST_FIELDS = {"email": "emails", "phone": "phones"}
"""Kinds of identifiers that are fields of their own."""
IDENTITY_FIELDS = (*TEXT_FIELDS, *LIST_FIELDS.values())
STORED_COLUMNS = ("record_no", *IDENTITY_FIELDS, "external_ids", "extra")
"""What is read of the table `record`, and of the body of a superseded version."""

_STORED = pa.schema([(name, pa.int64() if name == "record_no" else pa.string()) for name in STORED_COLUMNS])
_NOTHING: dict[str, Any] = {}
_STRINGS = pa.list_(pa.string())
_IDENTIFIERS = pa.list_(pa.struct([("kind", pa.string()), ("value", pa.string())]))


def identity_schema(extras: Iterable[str] = ()) -> pa.Schema:
    """The columns of identity records with these extra attributes."""
    return pa.schema(
        [
            ("record_no", pa.int64()),
            *((name, pa.string()) for name in TEXT_FIELDS),
            *((name, _STRINGS) for name in LIST_FIELDS.values()),
            ("identifiers", _IDENTIFIERS),
            *((f"extra_{name}", pa.string()) for name in extras),
        ]
    )


def identity_records(connection: sa.Connection, until: int | None = None) -> pa.Table:
    """Every live record, by record number rising.

    Args:
        connection: Reading the state store.
        until: Leave out versions that came after this position of the log.
    """
    known = record.c.change_no.is_not(None) if until is None else record.c.change_no <= until
    query = (
        sa.select(*(record.c[name] for name in STORED_COLUMNS))
        .where(known, record.c.deleted_at.is_(None))
        .order_by(record.c.record_no)
    )
    return together([_identity_table(batch) for batch in arrow_batches(connection, query)])


def identity_versions(rows: Sequence[Sequence[Any]]) -> pa.Table:
    """Rows of `STORED_COLUMNS` as identity records, in the order given."""
    if not rows:
        return together([])
    columns = [pa.array(column, _STORED.field(i).type) for i, column in enumerate(zip(*rows, strict=True))]
    return _identity_table(pa.RecordBatch.from_arrays(columns, schema=_STORED))


def together(tables: Sequence[pa.Table]) -> pa.Table:
    """Tables of identity records as one; an extra attribute that one of them lacks is null there."""
    empty = identity_schema().empty_table()
    return pa.concat_tables([empty, *tables], promote_options="default").combine_chunks()


def facts_of(
    records: pa.Table, hubs: Iterable[Hub], settings: IdentitySettings, conflict_veto: bool
) -> FactColumns:
    """What the vetoes look at of each record; an identifier that is a hub counts as null.

    Args:
        records: Identity records, by record number rising.
        hubs: The values that count as null.
        settings: Which kinds of identifiers are exclusive.
        conflict_veto: Whether first names and birth dates can forbid anything; without it they count as unknown.
    """
    numbers = records["record_no"].to_numpy()
    shown = records if conflict_veto else _nameless(records)
    first_name, first_names = _codes(shown["given_name"])
    birth_date, birth_dates = _codes(shown["birth_date"])
    kinds = tuple(sorted(kind for kind, rule in settings.identifiers.items() if rule.exclusive))
    masked = {(hub.kind, hub.value) for hub in hubs}
    held: dict[int, dict[str, set[str]]] = {}
    for kind in kinds:
        for number, value in _values_of(records, kind):
            if (kind, value) not in masked:
                held.setdefault(number, {}).setdefault(kind, set()).add(value)
    exclusive = {
        number: tuple((kind, frozenset(of_record[kind])) for kind in sorted(of_record))
        for number, of_record in held.items()
    }
    return FactColumns(numbers, first_name, birth_date, first_names, birth_dates, exclusive)


def looked_at(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """First names or birth dates as the vetoes look at them; an empty one is unknown."""
    plain = pc.utf8_lower(pc.utf8_trim_whitespace(column))
    return pc.if_else(pc.equal(plain, ""), None, plain)


def _nameless(records: pa.Table) -> pa.Table:
    nothing = pa.nulls(records.num_rows, pa.string())
    return pa.table({"given_name": nothing, "birth_date": nothing})


def _codes(column: pa.ChunkedArray) -> tuple[np.ndarray[Any, np.dtype[np.int32]], list[str]]:
    filled = looked_at(column)
    encoded = pa.chunked_array([filled]) if isinstance(filled, pa.Array) else filled
    array = encoded.combine_chunks().dictionary_encode()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0) if array.num_chunks else pa.array([], pa.string()).dictionary_encode()
    codes = array.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, array.dictionary.to_pylist()


def _values_of(records: pa.Table, kind: str) -> Iterable[tuple[int, str]]:
    numbers = records["record_no"].to_pylist()
    if kind in LIST_FIELDS:
        for number, values in zip(numbers, records[LIST_FIELDS[kind]].to_pylist(), strict=True):
            yield from ((number, value) for value in _counted(values or (), kind))
        return
    for number, pairs in zip(numbers, records["identifiers"].to_pylist(), strict=True):
        values = [pair["value"] for pair in pairs or () if pair["kind"] == kind]
        yield from ((number, value) for value in _counted(values, kind))


def _counted(values: Iterable[str], kind: str) -> list[str]:
    """The values of a kind that count, as identifiers are held."""
    plain = {value.strip().lower() if kind == "email" else value for value in values}
    return sorted(plain - {""})[:IDENTIFIERS_A_KIND]


def _identity_table(stored: pa.RecordBatch) -> pa.Table:
    """`STORED_COLUMNS` as stored, JSON as text, as identity records."""
    extra = [from_json(text) if text else _NOTHING for text in stored.column("extra").to_pylist()]
    names = sorted(set(chain.from_iterable(extra)))
    schema = identity_schema(names)
    arrays: dict[str, pa.Array] = {name: stored.column(name) for name in ("record_no", *TEXT_FIELDS)}
    for name in LIST_FIELDS.values():
        lists = [from_json(text) if text else () for text in stored.column(name).to_pylist()]
        arrays[name] = pa.ListArray.from_arrays(
            _offsets(lists), pa.array(list(chain.from_iterable(lists)), pa.string())
        )
    held = [_identifiers(text) for text in stored.column("external_ids").to_pylist()]
    pairs = list(chain.from_iterable(held))
    columns_of_pairs = [pa.array([pair[i] for pair in pairs], pa.string()) for i in (0, 1)]
    arrays["identifiers"] = pa.ListArray.from_arrays(
        _offsets(held), pa.StructArray.from_arrays(columns_of_pairs, ["kind", "value"])
    )
    for name in names:
        arrays[f"extra_{name}"] = pa.array([_text(one.get(name)) for one in extra], pa.string())
    return pa.table([arrays[name] for name in schema.names], schema=schema)


def _identifiers(text: str | None) -> list[tuple[str, str]]:
    """Kind and value of each identifier that is no field of its own, sorted by kind."""
    if not text:
        return []
    held = sorted(from_json(text).items())
    return [(kind, str(value)) for kind, values in held if kind not in LIST_FIELDS for value in values]


def _offsets(lists: Sequence[Sequence[object]]) -> pa.Array:
    """Where each list starts among the values of all."""
    return pa.array(list(accumulate(map(len, lists), initial=0)), pa.int32())


def _text(value: object) -> str | None:
    return None if value is None else str(value)
