"""The demo company with sixty customers, and what its state holds after whole runs, told so that two can be compared."""

import re
import shutil
import sqlite3
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles import demo
from customer_profiles.cli.migrations import load_all_tables
from customer_profiles.encryption.opening import open_state
from customer_profiles.identity.edges.index import Index
from customer_profiles.identity.tables import index_run
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings, load_settings
from customer_profiles.state.schema import METADATA

CUSTOMERS = 60
HISTORY_ENDS = datetime(2025, 6, 30, 12, tzinfo=UTC)
"""Long ago, so that no moment of the data is one of the test's."""
LIMIT = 50
"""Envelopes in a batch: small enough that most stages have several."""

# No country is known of anybody whose traits are not folded yet: such a rule tells whether segments wait for them.
_SEGMENT = '  from_nowhere: {description: Of no known country, when: "country IS NULL"}\n'

Content = dict[str, list[str]]
Columns = dict[str, set[str]]

UNLIKE: Columns = {
    "ledger": {"seconds"},  # how long things took
    "generation": {"comparison"},  # holds that too
    "quarantine": {"payload"},  # sealed with a new nonce each time; payload_hash tells whether it is the same
}
"""What is never alike. Moments within the test are the clock's, not the data's: all of them are compared as `now`."""

ORDER: Columns = {
    "record": {"change_no"},
    "claim": {"seniority"},
    "quarantine": {"quarantine_no"},
    "customer": {"changed_no"},
    "record_activity": {"changed_no"},
    "profile": {"version", "changed_no"},
    "segment_change": {
        "change_no",
        "cause_kind",
        "cause",
    },  # of causes that came together the last one is told
    "cursor": {"position", "version"},
}
"""What numbers the work in the order in which it was done: it differs where the order does."""


@dataclass(frozen=True)
class Undisturbed:
    """The company after the runs of two days that nothing disturbed.

    Attributes:
        began: When the tests began, micros.
        first_day: The state after the first day's run; the sources hold the second day already.
        second_day: The state after the second day's.
        folder: Where states of further runs may be kept.
    """

    began: int
    first_day: Settings
    second_day: Settings
    folder: Path

    def copy(self, settings: Settings, name: str) -> Settings:
        """A copy of an embedded state as it is now."""
        shutil.copytree(settings.state.url.removeprefix("sqlite:"), self.folder / name)
        return self.at(f"sqlite:{self.folder / name}")

    def empty(self, name: str) -> Settings:
        """The company with nothing read yet."""
        return self.at(f"sqlite:{self.folder / name}")

    def from_scratch(self) -> Settings:
        """The state after one run over the sources as they are on the second day, made when first asked for."""
        made = self.empty("from_scratch")
        if not (self.folder / "from_scratch").exists():
            run(made)
        return made

    def at(self, url: str) -> Settings:
        """The company with its state elsewhere."""
        return at(self.first_day, url)

    def content(self, settings: Settings, *unlike: Columns, exactly: bool = False) -> Content:
        """What a state holds; see :func:`content`. Exactly: with every moment as it is, for a state and its copy."""
        return content(settings, None if exactly else self.began, (UNLIKE, *unlike))


def make_undisturbed(folder: Path) -> Undisturbed:
    """Make the company and run it for two days."""
    began = time.time_ns() // 1_000
    company = _make_company(folder)
    made = Undisturbed(
        began,
        at(company, f"sqlite:{folder / 'first_day'}"),
        at(company, f"sqlite:{folder / 'second_day'}"),
        folder,
    )
    run(made.first_day)
    _pass_a_day(company)
    run(made.copy(made.first_day, "second_day"))
    return made


def at(settings: Settings, url: str) -> Settings:
    """The same company with its state elsewhere."""
    return settings.model_copy(update={"state": settings.state.model_copy(update={"url": url})})


def run(settings: Settings, limit: int = LIMIT) -> None:
    """A whole run."""
    with open_pipeline(settings, limit=limit) as pipeline:
        pipeline.run()


def content(settings: Settings, since: int | None, unlike: Iterable[Columns] = (UNLIKE,)) -> Content:
    """Every table of every store, its rows as text.

    Args:
        settings: Say which state.
        since: Micros; every moment from here until now is told as `now`. None leaves all as they are.
        unlike: Columns to leave out, by table.
    """
    load_all_tables()
    now = time.time_ns() // 1_000

    def told(value: Any) -> str:
        text = value.hex() if isinstance(value, bytes | memoryview) else str(value)
        if since is None:
            return text
        return re.sub(
            r"(?<!\d)\d{16}(?!\d)", lambda found: "now" if since <= int(found[0]) <= now else found[0], text
        )

    rows: Content = {}
    with open_state(settings) as (state, _), state.everything() as connection:
        for table in (table for metadata in METADATA.values() for table in metadata.sorted_tables):
            left_out = {name for columns in unlike for name in columns.get(table.name, ())}
            shown = sa.select(*(column for column in table.columns if column.name not in left_out))
            rows[table.name] = sorted(
                " | ".join(f"{name}={told(value)}" for name, value in row._mapping.items())
                for row in connection.execute(shown)
            )
        nameless = any("generation" in columns.get("index_run", ()) for columns in unlike)
        rows["index_run"] = sorted(_index_of(connection, nameless))
    return rows


def _index_of(connection: sa.Connection, nameless: bool) -> Iterator[str]:
    """What the index says, whatever runs it is cut into."""
    for generation in connection.execute(sa.select(index_run.c.generation).distinct()).scalars().all():
        named = "" if nameless else f"generation={generation} | "
        index = Index(generation)
        index.refresh(connection)
        found = index.everything(connection)
        for names, entries in ((("key", "content"), found.keys), (("content", "record"), found.copies)):
            for pair in zip(entries.keys.tolist(), entries.contents.tolist(), strict=True):
                yield named + " | ".join(f"{name}={one}" for name, one in zip(names, pair, strict=True))
        if found.contents is not None:
            yield from (f"{named}{row}" for row in found.contents.sort_by("content_no").to_pylist())


def assert_same(found: Content, expected: Content, but: Iterable[str] = ()) -> None:
    """All tables hold the same; where they do not, the first rows that differ are told."""
    assert found.keys() == expected.keys()
    differing = {
        table: (
            sorted({*found[table]} - {*expected[table]})[:2],
            sorted({*expected[table]} - {*found[table]})[:2],
        )
        for table in expected
        if table not in but and found[table] != expected[table]
    }
    assert not differing, differing


def _make_company(folder: Path) -> Settings:
    text = (load_settings().folder / "customer_profiles.yaml").read_text()
    assert "\nsegments:\n" in text
    (folder / "customer_profiles.yaml").write_text(
        text.replace("\nsegments:\n", f"\nsegments:\n{_SEGMENT}", 1)
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(import_module("customer_profiles.demo.generate"), "FEWEST", CUSTOMERS)
        demo.generate(folder / ".data" / "demo", customers=CUSTOMERS, seed=7, as_of=HISTORY_ENDS)
    return load_settings(folder)


def _pass_a_day(company: Settings) -> None:
    """People move, are deleted, take another's name and email: customers lose records, merge and split."""
    with sqlite3.connect(company.folder / ".data/demo/crm.db") as crm:
        crm.executescript(
            """
            UPDATE contacts SET updated_at = '2025-06-30 13:00:00', town = 'Ripon' WHERE rowid % 11 = 0;
            UPDATE contacts SET updated_at = '2025-06-30 14:00:00', deleted_at = '2025-06-30 14:00:00'
            WHERE rowid % 7 = 0;
            UPDATE contacts SET updated_at = '2025-06-30 15:00:00',
                email = (SELECT email FROM contacts AS other WHERE other.rowid = contacts.rowid - 1),
                last_name = (SELECT last_name FROM contacts AS other WHERE other.rowid = contacts.rowid - 1),
                first_name = (SELECT first_name FROM contacts AS other WHERE other.rowid = contacts.rowid - 1),
                date_of_birth = (SELECT date_of_birth FROM contacts AS other WHERE other.rowid = contacts.rowid - 1)
            WHERE rowid % 13 = 0;
            """
        )
    crm.close()
