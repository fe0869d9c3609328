"""Sources made for tests: real SQLite files and folders, read by the real stages."""

from __future__ import annotations

import csv
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from customer_profiles.cleaning.ingest import IngestStage
from customer_profiles.cleaning.quarantine import QuarantinedRow, list_rows
from customer_profiles.monitoring.ledger import StageResult, ledger_check, total_of
from customer_profiles.settings import Settings, settings_from_text
from customer_profiles.state.engine import State
from customer_profiles.state.schema import from_json

NOW = 1_793_450_000_000_000  # 2026-10-31 12:33:20 UTC


@dataclass(frozen=True)
class Keys:
    """Keys for tests."""

    def key(self, name: str) -> bytes:
        return sha256(name.encode()).digest()


KEYS = Keys()

CRM = """
sources:
  crm:
    phone_region: GB
    time_zone: Europe/London
    currency: GBP
    connector: {type: database, url: "sqlite:///crm.db"}
    feeds:
      contacts:
        contract: record
        table: contacts
        key: id
        cursor: updated_at
        fields:
          source_key: id
          full_name: name
          emails: [email, email_2]
          phones: phone
          birth_date: {column: dob, format: "%d/%m/%Y"}
          postcode: postcode
          country: country
          external_ids: {user_id: web_id}
          consent: {marketing: {column: opt_in, map: {Y: granted, N: refused}}}
          updated_at: updated_at
          deleted_at: deleted_at
        extra: {tier: tier}
"""
SNAPSHOT = CRM.replace("        cursor: updated_at\n", "")
CONTACT_COLUMNS = (
    "id", "name", "email", "email_2", "phone", "dob", "postcode", "country", "web_id", "opt_in", "tier", "secret",
    "updated_at", "deleted_at",
)  # fmt: skip


def settings_of(text: str, folder: Path) -> Settings:
    """Settings whose file would stand in this folder."""
    return settings_from_text(text, folder / "customer_profiles.yaml", environment={})


def stage_of(
    state: State, settings: Settings, contract: str = "record", source: str = "", now: int = NOW
) -> IngestStage:
    """A stage, by default of the only source, with a clock that stands still."""
    return IngestStage(
        state, settings, KEYS, source or next(iter(settings.sources)), contract, clock=lambda: now
    )


def drain(stage: IngestStage, limit: int = 5_000) -> StageResult:
    """Advance until nothing is left."""
    results = [stage.advance(limit)]
    while results[-1].more:
        results.append(stage.advance(limit))
    stage.close()
    total = total_of(results)
    assert total is not None
    return total


def make_contacts(folder: Path) -> sqlite3.Connection:
    """An empty CRM."""
    connection = sqlite3.connect(folder / "crm.db", isolation_level=None)
    columns = ", ".join(f"{name} TEXT" for name in CONTACT_COLUMNS[1:])
    connection.execute(f"CREATE TABLE contacts (id TEXT PRIMARY KEY, {columns})")
    return connection


def put_contact(connection: sqlite3.Connection, **values: Any) -> None:
    """Insert or replace one contact."""
    names = ", ".join(values)
    marks = ", ".join("?" * len(values))
    connection.execute(f"INSERT OR REPLACE INTO contacts ({names}) VALUES ({marks})", tuple(values.values()))


def write_lines(path: Path, rows: Iterable[Mapping[str, Any] | bytes], age_seconds: int = 3_600) -> None:
    """A file of JSON lines; bytes stand as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [row if isinstance(row, bytes) else orjson.dumps(row) for row in rows]
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    grow_old(path, age_seconds)


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A CSV file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    grow_old(path)


def grow_old(path: Path, seconds: int = 3_600) -> None:
    """Let nobody have written to a file for so long."""
    stat = path.stat()
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - seconds * 1_000_000_000))


def rows_of(state: State, query: str) -> list[Any]:
    """The rows of a query; single columns as plain values."""
    with state.everything() as connection:
        rows = connection.execute(sa.text(query)).all()
    return [row[0] if len(row) == 1 else tuple(row) for row in rows]


def record_of(state: State, source_key: str) -> dict[str, Any]:
    """A record by its key, with JSON opened."""
    with state.reading() as connection:
        row = connection.execute(
            sa.text("SELECT * FROM record WHERE source_key = :key"), {"key": source_key}
        ).one()
    found = dict(row._mapping)
    opened = (
        "emails",
        "phones",
        "external_ids",
        "preferences",
        "consent",
        "extra",
        "seen_ids",
        "notes",
        "raw",
        "parts",
    )
    return {name: from_json(value) if name in opened and value else value for name, value in found.items()}


def identifiers_of(state: State, source_key: str) -> set[tuple[str, str]]:
    """The identifiers of a record."""
    query = (
        f"SELECT kind, value FROM identifier JOIN record USING (record_no) WHERE source_key = '{source_key}'"
    )
    return set(rows_of(state, query))


def quarantined(state: State) -> dict[str, tuple[str, ...]]:
    """The reasons of each row in the quarantine, by its position."""
    with state.reading() as connection:
        found: list[QuarantinedRow] = list_rows(connection)
    assert len({(row.source, row.feed, row.position) for row in found}) == len(found)
    return {row.position: row.reasons for row in found}


def assert_adds_up(state: State) -> None:
    """Everything received is accounted for."""
    with state.reading() as connection:
        check = ledger_check(connection)
    assert check.adds_up, check


def tables_without_times(state: State) -> dict[str, list[Any]]:
    """What ingest wrote, but for how long it took."""
    queries = {
        name: f"SELECT * FROM {name}"
        for name in ("record", "superseded_record", "identifier", "interaction", "feed_seen", "source_file")
    }
    queries["feed_position"] = "SELECT source, feed, position FROM feed_position"
    queries["quarantine"] = (
        "SELECT quarantine_no, source, feed, contract, position, reasons, payload_hash FROM quarantine"
    )
    queries["consent_statement"] = "SELECT * FROM consent_statement"
    queries["ledger"] = (
        "SELECT batch_no, stage, source, received, applied, unchanged, duplicate, quarantined FROM ledger"
    )
    return {name: sorted(rows_of(state, query), key=repr) for name, query in queries.items()}
