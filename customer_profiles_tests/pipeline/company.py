"""A company of three sources, small enough to break in every way and to run again in a moment."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.settings import Settings, settings_from_text
from customer_profiles.state.engine import State
from customer_profiles.state.schema import METADATA, Store
from customer_profiles_tests.cleaning.made import write_csv, write_lines

KEY_VARIABLE = "TEST_MASTER_KEY"
PASSWORD = "tr0ub4dor-and-3"
SETTINGS = """
company: Small company
state: {url: "sqlite:state", key: {provider: environment, variable: TEST_MASTER_KEY}}
defaults: {phone_region: GB, currency: GBP}
sources:
  email:
    connector: {type: files, folder: email}
    feeds:
      subscribers:
        contract: record
        files: subscribers.csv
        fields: {source_key: id, given_name: first, family_name: last, emails: [mail], updated_at: changed}
  crm:
    connector: {type: database, url: "sqlite:///crm.db"}
    feeds:
      contacts:
        contract: record
        table: contacts
        key: id
        cursor: changed
        fields: {source_key: id, full_name: name, emails: [mail], phones: [phone], updated_at: changed}
      orders:
        contract: interaction
        table: orders
        key: id
        cursor: at
        fields: {event_id: id, record_key: contact, type: {value: purchase}, occurred_at: at, value: pence,
                 properties: {order_id: id}}
  web:
    connector: {type: files, folder: web}
    feeds:
      visits:
        contract: interaction
        files: "*.jsonl"
        fields: {event_id: id, identifiers: {user_id: who}, record_key: who, type: kind, occurred_at: at}
purposes:
  support: {description: "Answers.", lawful_basis: contract, default: allow}
"""
PEOPLE = ("Ann Otherby", "Bo Marsden", "Cy Thornhill", "Dee Ravensworth", "Eve Pickering", "Flo Haxby")
_OF_THE_RUN = {"arrived_at", "received_at", "committed_at", "changed_at", "watermark", "seconds"}
"""Columns that tell when a run did something, or how long it took."""
WRITTEN_AT = 1_780_000_000
"""When every file was written, seconds since 1970: long ago, and the same in every company."""


def email_of(person: int) -> str:
    """The address of a person in every source."""
    return f"{PEOPLE[person].split()[0].lower()}@otherby.example"


@dataclass
class Company:
    """Three sources in a folder, and settings that read them."""

    folder: Path
    text: str = SETTINGS
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def settings(self) -> Settings:
        """As a run reads them."""
        return settings_from_text(self.text, self.folder / "customer_profiles.yaml", self.environment)

    def first_week(self) -> None:
        """What the sources hold at first."""
        self._write_subscribers(4)
        self.crm(
            "CREATE TABLE contacts (id TEXT PRIMARY KEY, name TEXT, mail TEXT, phone TEXT, changed TEXT)",
            "CREATE TABLE orders (id TEXT PRIMARY KEY, contact TEXT, at TEXT, pence INTEGER)",
        )
        for person in range(4):
            self._put_contact(person)
        self._write_visits("a", range(8))

    def second_week(self) -> None:
        """What they hold a week later: new rows in each."""
        self._write_subscribers(6)
        self._put_contact(4)
        self._put_contact(5)
        self.crm("UPDATE contacts SET phone = '07700 900999', changed = '2026-06-09' WHERE id = 'c1'")
        self._write_visits("b", range(8, 14))

    def crm(self, *statements: str) -> None:
        """Run statements in the CRM's database."""
        with closing(sqlite3.connect(self.folder / "crm.db", isolation_level=None)) as connection:
            for statement in statements:
                connection.execute(statement)

    def run(self, limit: int = 3) -> None:
        """One whole run, in small batches."""
        with self.open(limit) as house:
            house.run()

    @contextmanager
    def open(self, limit: int = 3) -> Iterator[Pipeline]:
        """The pipeline over this company."""
        with open_pipeline(self.settings, limit=limit) as house:
            yield house

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        """Every row of every table of the state, without the times of the runs."""
        with self.open() as house:
            return tables_of(house.state)

    def _put_contact(self, person: int) -> None:
        name, mail, phone = PEOPLE[person], email_of(person), f"07700 90000{person}"
        self.crm(
            f"INSERT INTO contacts VALUES ('c{person}', '{name}', '{mail}', '{phone}', '2026-06-0{person + 1}')",
            f"INSERT INTO orders VALUES ('o{person}', 'c{person}', '2026-06-0{person + 1}T10:00:00Z', {100 + person})",
        )

    def _write_subscribers(self, people: int) -> None:
        path = self.folder / "email/subscribers.csv"
        rows = [
            (f"s{person}", *PEOPLE[person].split(), email_of(person), f"2026-06-0{person + 1}")
            for person in range(people)
        ]
        write_csv(path, ("id", "first", "last", "mail", "changed"), rows)
        os.utime(path, (WRITTEN_AT, WRITTEN_AT))

    def _write_visits(self, name: str, numbers: range) -> None:
        visits = [
            {
                "id": f"v{number}",
                "who": f"u{number % 3}",
                "kind": "page",
                "at": f"2026-06-01T10:{number:02}:00Z",
            }
            for number in numbers
        ]
        path = self.folder / f"web/{name}.jsonl"
        write_lines(path, visits)
        os.utime(path, (WRITTEN_AT, WRITTEN_AT))


def tables_of(state: State) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, without the times of the runs."""
    found: dict[str, list[tuple[Any, ...]]] = {}
    with state.everything() as connection:
        for store in Store:
            for table in METADATA[store].sorted_tables:
                columns = [column for column in table.columns if column.name not in _OF_THE_RUN]
                rows = connection.execute(sa.select(*columns)).all()
                found[table.name] = sorted((tuple(row) for row in rows), key=repr)
    return found
