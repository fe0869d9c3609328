"""Puts, deletions and sightings of one source's records, written together as one unit of work.

Every accepted change takes the next log position, also when another change of the same record follows in the same batch:
identity must see each version, and the one that it stands on to tell what a deletion left behind, so each that is
overwritten is kept in `superseded_record` until identity has read past it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Any

import orjson
import sqlalchemy as sa

from customer_profiles.cleaning.parts import Part, fold_parts
from customer_profiles.cleaning.tables import (
    CONTRACT_COLUMNS,
    JSON_COLUMNS,
    identifier,
    record,
    superseded_record,
)
from customer_profiles.state.bulk import delete_rows, insert_rows, rows_by_key, upsert_rows
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve

COLUMNS = tuple(str(column.name) for column in record.columns)
NOT_IN_BODY = {"content_hash", "raw", "parts"}
MOST_SEEN = 100
"""Identifiers of a kind that a record may be seen with; a shop's shared tablet would have thousands."""
_LIGHT = ("source_key", "record_no", "incarnation", "source_version", "content_hash", "deleted_at", "change_no",
          "seen_ids", "consent", "parts")  # fmt: skip
_PLACE = {name: place for place, name in enumerate(COLUMNS)}
_JSON_PLACES = tuple((name, name in JSON_COLUMNS) for name in CONTRACT_COLUMNS)
_DUMPS = orjson.dumps
_SORTED = orjson.OPT_SORT_KEYS

Ids = Mapping[str, list[str]]
Values = Mapping[str, Any]


@dataclass(slots=True)
class Put:
    """A record as one feed delivers it.

    Attributes:
        feed: The feed.
        source_key: The record's key.
        values: The fields of the contract.
        version: Its version in the source (micros), 0 where it has none; the highest wins, of equals the last delivered.
            None is whatever version is held: for a row that is no longer in its snapshot.
        deletes: Whether it says that the record is gone.
        present: Whether its delivery proves that the record is there now (a snapshot), whatever its version.
        seen: Identifiers that add up over time instead of being replaced: visitors, devices.
        raw: As received, JSON.
        notes: What was dropped from it.
    """

    feed: str
    source_key: str
    values: Values
    version: int | None
    deletes: bool
    present: bool
    seen: Ids
    raw: bytes
    notes: tuple[str, ...] = ()


@dataclass(slots=True)
class _Known:
    record_no: int
    incarnation: int = 1
    version: int = 0
    content_hash: bytes | None = None
    deleted_at: int | None = None
    change_no: int | None = None
    seen: dict[str, list[str]] = field(default_factory=dict)
    consent: Any = None
    parts: dict[str, Part] = field(default_factory=dict)
    is_new: bool = False
    row: list[Any] | None = None
    """The row this batch will write, its change number still counted from the batch's first."""


@dataclass(frozen=True, slots=True)
class PutResult:
    """What became of a put."""

    term: str
    record_no: int
    consent_before: Any
    """The statements that the record held before."""


class RecordBook:
    """The records of one source that one batch touches."""

    def __init__(
        self, connection: sa.Connection, source: str, record_feeds: tuple[str, ...], received_at: int
    ) -> None:
        self._connection = connection
        self._source = source
        self._feeds = record_feeds
        self._received_at = received_at
        self._known: dict[str, _Known] = {}
        self._changes = 0
        self._superseded: list[tuple[int, int, list[Any]]] = []
        self._overwritten: list[tuple[int, int]] = []

    def load(self, source_keys: Iterable[str]) -> None:
        """Look up the records of these keys, and give the unknown ones a number, in the order of the keys."""
        wanted = [key for key in dict.fromkeys(source_keys) if key not in self._known]
        found = rows_by_key(
            self._connection,
            record,
            ("source", "source_key"),
            [(self._source, key) for key in wanted],
            _LIGHT,
        )
        for (
            key,
            record_no,
            incarnation,
            version,
            content_hash,
            deleted_at,
            change_no,
            seen,
            consent,
            parts,
        ) in found:
            self._known[key] = _Known(
                record_no,
                incarnation,
                version,
                None if content_hash is None else bytes(content_hash),
                deleted_at,
                change_no,
                from_json(seen) if seen else {},
                from_json(consent) if consent else None,
                {name: Part.from_json(part) for name, part in from_json(parts).items()} if parts else {},
                # A number that was only reserved has no row to speak of yet.
                is_new=change_no is None,
            )
        new = [key for key in wanted if key not in self._known]
        if new:
            first = reserve(self._connection, "record", len(new))
            for number, key in enumerate(new, first):
                self._known[key] = _Known(number, is_new=True)

    def number_of(self, source_key: str) -> int:
        """The number of a loaded record."""
        return self._known[source_key].record_no

    def reserve_numbers(self) -> None:
        """Write the loaded records that are new as bare numbers, which nobody reads yet, so that others may refer to them."""
        rows = [
            (known.record_no, self._source, key, 1, 0, self._received_at)
            for key, known in self._known.items()
            if known.is_new
        ]
        columns = ("record_no", "source", "source_key", "incarnation", "source_version", "received_at")
        upsert_rows(self._connection, record, columns, rows, key="record_no")

    def put(self, put: Put) -> PutResult:
        """Take one delivery of a loaded record, in the order of delivery."""
        known = self._known[put.source_key]
        before = known.consent
        if len(self._feeds) > 1:
            term = self._put_part(known, put)
        else:
            term = self._put_whole(known, put)
        return PutResult(term, known.record_no, before)

    def see(self, sightings: Mapping[str, Ids]) -> None:
        """Note that loaded records were seen with identifiers; a new record comes to be by it, a deleted one stays so."""
        patched: list[str] = []
        for key, ids in sightings.items():
            known = self._known[key]
            if known.deleted_at is not None:
                continue
            more = _add_seen(known.seen, ids)
            if known.is_new and known.row is None:
                self._accept(key, known, self._blank(key, known))
            elif more:
                patched.append(key)
        rows = self._whole_rows(
            [self._known[key].record_no for key in patched if self._known[key].row is None]
        )
        for key in patched:
            known = self._known[key]
            self._accept(key, known, list(known.row) if known.row is not None else rows[known.record_no])

    def flush(self) -> int:
        """Write everything; gives how many changes were accepted."""
        first = reserve(self._connection, "change", self._changes) if self._changes else 0
        touched = {key: known for key, known in self._known.items() if known.row is not None}
        rows = []
        for known in touched.values():
            assert known.row is not None
            row = list(known.row)
            row[_PLACE["change_no"]] += first
            rows.append(tuple(row))
        self._keep_superseded(first)
        upsert_rows(self._connection, record, COLUMNS, rows, key="record_no", replace=COLUMNS[3:])
        self._write_identifiers(touched)
        return self._changes

    def _put_whole(self, known: _Known, put: Put) -> str:
        term, content_hash = self._judge(known, put, known.version, known.content_hash, known.deleted_at)
        more = (
            _add_seen(known.seen, put.seen)
            if not put.deletes and (known.deleted_at is None or term == "applied")
            else False
        )
        if term == "applied":
            known.version, known.content_hash = put.version or 0, content_hash
            self._accept(put.source_key, known, self._row(known, put.source_key, put, put.values))
        elif more:
            row = known.row or self._whole_rows([known.record_no])[known.record_no]
            self._accept(put.source_key, known, list(row))
            return "applied"
        return term

    def _put_part(self, known: _Known, put: Put) -> str:
        part = known.parts.get(put.feed)
        held = (part.version, part.content_hash, part.deleted_at) if part else (0, None, None)
        term, content_hash = self._judge(known, put, *held)
        if term != "applied":
            return term
        if not put.deletes:
            _add_seen(known.seen, put.seen)
        deleted_at = (put.values["deleted_at"] or self._received_at) if put.deletes else None
        values = (
            {} if put.deletes else {name: value for name, value in put.values.items() if value is not None}
        )
        known.parts[put.feed] = Part(put.version or 0, content_hash, deleted_at, values)
        known.version = max(one.version for one in known.parts.values())
        known.content_hash = content_hash
        merged = fold_parts(known.parts, self._feeds)
        gone = all(one.deleted_at is not None for one in known.parts.values())
        whole = Put(
            put.feed, put.source_key, merged, known.version, gone, put.present, {}, put.raw, put.notes
        )
        if gone:
            merged["deleted_at"] = deleted_at
        self._accept(put.source_key, known, self._row(known, put.source_key, whole, merged))
        return "applied"

    def _judge(
        self, known: _Known, put: Put, version: int, content_hash: bytes | None, deleted_at: int | None
    ) -> tuple[str, bytes | None]:
        """What a delivery is against what is held: applied, unchanged, or a duplicate of something newer."""
        if put.version is None:
            put.version = version
        if put.deletes:
            if deleted_at is not None:
                # A later deletion raises the tombstone, or a version between the two would come to life.
                return ("applied" if put.version > version else "unchanged"), None
            return ("duplicate", None) if put.version < version else ("applied", None)
        digest = hash_of(put.values)
        if deleted_at is not None:
            alive_again = put.version > version or (put.present and put.version >= version)
            return ("applied" if alive_again else "duplicate"), digest
        if content_hash is not None:
            if digest == content_hash:
                return "unchanged", digest
            if put.version < version:
                return "duplicate", digest
        return "applied", digest

    def _row(self, known: _Known, key: str, put: Put, values: Values) -> list[Any]:
        if put.deletes:
            # Of a deleted record only the tombstone stays: its version keeps older deliveries dead.
            known.seen = {}
            known.consent = None
            row = self._blank(key, known)
            row[_PLACE["source_version"]] = known.version
            row[_PLACE["deleted_at"]] = known.deleted_at = values["deleted_at"] or self._received_at
            row[_PLACE["parts"]] = _parts_json(known)
            return row
        known.deleted_at = None
        known.consent = values["consent"]
        return [
            known.record_no,
            self._source,
            key,
            known.incarnation,
            known.version,
            known.content_hash,
            *[
                None
                if (value := values[name]) is None
                else _DUMPS(value, option=_SORTED).decode()
                if is_json
                else value
                for name, is_json in _JSON_PLACES
            ],
            None,
            _parts_json(known),
            to_json(list(put.notes)) if put.notes else None,
            put.raw.decode(),
            0,
            self._received_at,
        ]

    def _blank(self, key: str, known: _Known) -> list[Any]:
        row: list[Any] = [None] * len(COLUMNS)
        row[:5] = [known.record_no, self._source, key, known.incarnation, known.version]
        row[_PLACE["received_at"]] = self._received_at
        return row

    def _accept(self, key: str, known: _Known, row: list[Any]) -> None:
        if known.row is not None:
            self._superseded.append((known.row[_PLACE["change_no"]], known.record_no, known.row))
        elif known.change_no is not None:
            self._overwritten.append((known.record_no, known.change_no))
        if known.seen:
            place = _PLACE["external_ids"]
            own = from_json(row[place]) if row[place] else {}
            row[place] = to_json(_union(own, known.seen))
            row[_PLACE["seen_ids"]] = to_json(known.seen)
        row[_PLACE["change_no"]] = self._changes
        known.row = row
        self._changes += 1

    def _whole_rows(self, record_nos: list[int]) -> dict[int, list[Any]]:
        found = rows_by_key(self._connection, record, "record_no", record_nos, COLUMNS)
        return {row[0]: list(row) for row in found}

    def _keep_superseded(self, first: int) -> None:
        kept = [
            (first + change, record_no, _body(row, first + change))
            for change, record_no, row in self._superseded
        ]
        stored = self._whole_rows([record_no for record_no, _ in self._overwritten])
        kept += [
            (change_no, number, _body(stored[number], change_no)) for number, change_no in self._overwritten
        ]
        insert_rows(self._connection, superseded_record, ("change_no", "record_no", "body"), kept)

    def _write_identifiers(self, touched: Mapping[str, _Known]) -> None:
        wanted = {
            (known.record_no, kind, value)
            for known in touched.values()
            for kind, value in identifiers_of(known.row or [])
        }
        changed = [known.record_no for known in touched.values() if not known.is_new]
        held = set(
            rows_by_key(self._connection, identifier, "record_no", changed, ("record_no", "kind", "value"))
        )
        delete_rows(self._connection, identifier, ("record_no", "kind", "value"), held - wanted)
        insert_rows(self._connection, identifier, ("record_no", "kind", "value"), wanted - held)


def hash_of(values: Values) -> bytes:
    """A hash of a record's content."""
    return blake2b(_DUMPS(values, option=_SORTED), digest_size=16).digest()


def identifiers_of(row: list[Any]) -> list[tuple[str, str]]:
    """The identifiers that a row of `record` holds: (kind, value)."""
    emails, phones, others = (row[_PLACE[name]] for name in ("emails", "phones", "external_ids"))
    found = [("email", value) for value in orjson.loads(emails)] if emails else []
    if phones:
        found += [("phone", value) for value in orjson.loads(phones)]
    if others:
        found += [(kind, value) for kind, values in orjson.loads(others).items() for value in values]
    return found


def _body(row: list[Any], change_no: int) -> str:
    body = {name: value for name, value in zip(COLUMNS, row, strict=True) if name not in NOT_IN_BODY}
    return to_json(body | {"change_no": change_no})


def _add_seen(seen: dict[str, list[str]], more: Ids) -> bool:
    added = False
    for kind, values in more.items():
        held = seen.get(kind, [])
        new = [value for value in values if value not in held]
        if new and len(held) < MOST_SEEN:
            seen[kind] = sorted(held + new[: MOST_SEEN - len(held)])
            added = True
    return added


def _union(one: Ids, two: Ids) -> dict[str, list[str]]:
    return {kind: sorted({*one.get(kind, []), *two.get(kind, [])}) for kind in {*one, *two}}


def _parts_json(known: _Known) -> str | None:
    return to_json({name: part.as_json() for name, part in known.parts.items()}) if known.parts else None
