"""A mark is another one when there is something new to read, and stays when there is not."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from customer_profiles.settings import Settings
from customer_profiles.settings.streaming import Streaming
from customer_profiles.sources.file_formats import SETTLED_SECONDS
from customer_profiles.sources.heads import Head, open_head
from customer_profiles.sources.inbox import Arrived, append, clear
from customer_profiles.state.engine import State, Store
from customer_profiles_tests.cleaning.made import NOW, settings_of, write_lines
from customer_profiles_tests.pipeline.company import SETTINGS, Company
from customer_profiles_tests.web.serving import SETTINGS as COLLECTOR

WRITTEN = 1_780_000_000.0


class Clock:
    now = WRITTEN

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def company(tmp_path: Path) -> Company:
    made = Company(tmp_path)
    made.first_week()
    return made


def head(company: Company, source: str, state: State, clock: Clock) -> Head:
    settings: Settings = settings_of(SETTINGS.replace("TEST_MASTER_KEY", "KEY"), company.folder)
    return open_head(source, settings.sources[source], Streaming(), state, clock)


def test_files_have_another_mark_when_one_is_new_grows_or_goes(
    company: Company, state: State, clock: Clock
) -> None:
    web = head(company, "web", state, clock)
    marks = [web.mark()]
    assert web.mark() == marks[0]

    write_lines(company.folder / "web/b.jsonl", [{"id": "1"}])
    marks.append(web.mark())
    with (company.folder / "web/b.jsonl").open("a") as file:
        file.write('{"id": "2"}\n')
    marks.append(web.mark())
    (company.folder / "web/b.jsonl").unlink()

    assert len({*marks}) == 3
    assert web.mark() == marks[0]


def test_the_mark_is_another_one_once_when_a_file_is_settled_and_then_no_more(
    company: Company, state: State, clock: Clock
) -> None:
    web = head(company, "web", state, clock)
    os.utime(company.folder / "web/a.jsonl", (WRITTEN, WRITTEN))
    fresh = web.mark()

    clock.now += SETTLED_SECONDS - 1
    assert web.mark() == fresh
    clock.now += 1
    settled = web.mark()
    assert settled != fresh
    clock.now += 100 * SETTLED_SECONDS
    assert web.mark() == settled


def test_a_database_has_another_mark_with_a_newer_cursor_and_now_and_then_by_the_clock(
    company: Company, state: State, clock: Clock
) -> None:
    crm = head(company, "crm", state, clock)
    before = crm.mark()
    assert crm.mark() == before

    company.crm("UPDATE contacts SET changed = '2027-01-01' WHERE id = 'c1'")
    changed = crm.mark()
    clock.now += Streaming().whole_seconds

    assert len({before, changed, crm.mark()}) == 3
    assert "2027" not in changed
    crm.close()


def test_the_inbox_has_another_mark_with_each_event_and_keeps_it_when_events_are_cleared_away(
    state: State, clock: Clock, company: Company
) -> None:
    collector = settings_of(COLLECTOR, company.folder).sources["web"]
    inbox = open_head("web", collector, Streaming(), state, clock)
    empty = inbox.mark()

    with state.writing(Store.INBOX) as connection:
        append(connection, [[Arrived("web", "1", b"{}"), Arrived("web", "2", b"{}")]], NOW)
    two = inbox.mark()
    with state.writing(Store.INBOX) as connection:
        clear(connection, 2, NOW, 10)

    assert two != empty
    assert inbox.mark() == two
