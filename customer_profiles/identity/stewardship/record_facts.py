"""What records say of a person, as a steward looks at it: masked unless asked for with a reason. Reads only."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from customer_profiles.cleaning.tables import JSON_COLUMNS, record
from customer_profiles.identity.stewardship.masking import COMPARED_FIELDS, Sight
from customer_profiles.state.bulk import rows_by_key
from customer_profiles.state.schema import from_json

_OF_RECORD = ("record_no", "source", "source_key", "deleted_at")


@dataclass(frozen=True)
class RecordFacts:
    """One record, as it may be shown.

    Attributes:
        record_no: Its number.
        source: Its source.
        source_key: Its key there.
        living: Whether it lives.
        shown: Its values by field; fields that say nothing are left out.
    """

    record_no: int
    source: str
    source_key: str
    living: bool
    shown: Mapping[str, str]


@dataclass(frozen=True)
class Compared:
    """One field of two records.

    Attributes:
        field: The field.
        left: What the one says, as it may be shown.
        right: What the other says.
        same: Whether they share a value; None where one of them says nothing.
    """

    field: str
    left: str
    right: str
    same: bool | None


def record_facts(connection: sa.Connection, records: Iterable[int], sight: Sight) -> dict[int, RecordFacts]:
    """Records by number."""
    return {
        number: RecordFacts(
            record_no=number,
            source=stored["source"],
            source_key=sight.of("source_key", stored["source_key"]),
            living=stored["deleted_at"] is None,
            shown={field: shown for field in COMPARED_FIELDS if (shown := sight.of(field, stored[field]))},
        )
        for number, stored in _stored(connection, records).items()
    }


def compared_records(
    connection: sa.Connection, pairs: Iterable[tuple[int, int]], sight: Sight
) -> dict[tuple[int, int], list[Compared]]:
    """For each pair of records field by field what they say, and whether it is the same. Masking hides no difference."""
    pairs = list(pairs)
    stored = _stored(connection, {number for pair in pairs for number in pair})
    nothing: dict[str, Any] = {}
    return {
        (left, right): [
            one
            for field in COMPARED_FIELDS
            for one in _fields(
                field, stored.get(left, nothing).get(field), stored.get(right, nothing).get(field), sight
            )
        ]
        for left, right in pairs
    }


def _fields(field: str, left: Any, right: Any, sight: Sight) -> Iterable[Compared]:
    """A field of two records; identifiers and extra attributes each by themselves, what both leave empty not at all."""
    if isinstance(left, Mapping) or isinstance(right, Mapping):
        left, right = left or {}, right or {}
        for name in sorted({*left, *right}):
            yield from _fields(name, left.get(name), right.get(name), sight)
        return
    one, other = _values(left), _values(right)
    if one or other:
        same = bool(one & other) if one and other else None
        yield Compared(field, sight.of(field, left), sight.of(field, right), same)


def _values(value: Any) -> set[str]:
    if value is None or value == "":
        return set()
    if isinstance(value, list | tuple):
        return {str(one).casefold() for one in value}
    return {str(value).casefold()}


def _stored(connection: sa.Connection, records: Iterable[int]) -> dict[int, dict[str, Any]]:
    columns = (*_OF_RECORD, *COMPARED_FIELDS)
    found: dict[int, dict[str, Any]] = {}
    for row in rows_by_key(connection, record, "record_no", records, columns):
        stored = dict(zip(columns, row, strict=True))
        for name in JSON_COLUMNS:
            if isinstance(stored.get(name), str | bytes):
                stored[name] = from_json(stored[name])
        found[stored["record_no"]] = stored
    return found
