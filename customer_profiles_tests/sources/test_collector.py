"""The inbox as a source: in order, each feed from its own place, each source its own events."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path
from typing import Any

import orjson
import pytest
from orjson import loads

from customer_profiles.catalog.audit import audit_sources
from customer_profiles.settings import Settings
from customer_profiles.sources import collector
from customer_profiles.sources.connectors import open_connector
from customer_profiles.sources.envelope import Connector
from customer_profiles.sources.inbox import REMEMBERED_MICROS, Accepted, Arrived, append, clear
from customer_profiles.state.engine import State, Store
from customer_profiles_tests.cleaning.made import NOW, drain, quarantined, rows_of, settings_of, stage_of
from customer_profiles_tests.sources.reading import kept, notes, payloads, places, read_all

SETTINGS = """
sources:
  web:
    connector: {type: collector}
    feeds:
      people:
        contract: record
        where: {type: identify}
        fields: {source_key: userId, full_name: traits.name}
      events:
        contract: interaction
        where: {type: track}
        fields: {event_id: messageId, record_key: userId, type: event, occurred_at: timestamp}
  app:
    connector: {type: collector}
    feeds:
      people:
        contract: record
        where: {type: identify}
        fields: {source_key: userId}
"""


def both(tmp_path: Path) -> Settings:
    return settings_of(SETTINGS, tmp_path)


def reader_of(state: State, settings: Settings, source: str) -> Connector:
    return open_connector(source, settings.sources[source], state)


def put(state: State, *events: Arrived, at: int = NOW) -> Accepted:
    with state.writing(Store.INBOX) as connection:
        (accepted,) = append(connection, [events], at)
    return accepted


def event(source: str, kind: str, number: int, error: str | None = None) -> Arrived:
    body: dict[str, Any] = {"type": kind, "userId": f"u{number}", "secret": "never mapped"}
    return Arrived(source, f"m{number}", orjson.dumps(body), error)


def test_each_source_reads_its_own_events_in_their_order_and_nothing_unmapped(
    state: State, tmp_path: Path
) -> None:
    put(state, *(event("web" if number % 3 else "app", "identify", number) for number in range(20)))
    web, _ = read_all(reader_of(state, both(tmp_path), "web"), limit=4)
    app, _ = read_all(reader_of(state, both(tmp_path), "app"), limit=4)

    assert payloads(web) == [{"userId": f"u{number}"} for number in range(20) if number % 3]
    assert payloads(app) == [{"userId": f"u{number}"} for number in range(0, 20, 3)]
    assert places(web)[:2] == ["inbox:2", "inbox:3"]


def test_the_feeds_of_a_source_read_an_event_once_and_each_gets_what_it_wants(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded: list[bytes] = []
    monkeypatch.setattr(
        collector, "orjson", Namespace(loads=lambda body: decoded.append(body) or loads(body))
    )
    put(state, *(event("web", "track" if number % 2 else "identify", number) for number in range(6)))
    # As stages do, each feed has a reader of its own.
    people, events = (reader_of(state, both(tmp_path), "web") for _ in range(2))

    first = people.read("people", {}, 4)
    put(state, event("web", "track", 6))
    second = events.read("events", {}, 4)
    assert (places([first]), places([second])) == (["inbox:1", "inbox:3"], ["inbox:2", "inbox:4"])
    assert (first.position, first.complete) == (
        {**second.position, "mapping": first.position["mapping"]},
        False,
    )
    assert len(decoded) == 4

    # One that comes again for the same events reads them anew, and so does one that stands elsewhere.
    assert places([people.read("people", {}, 4)]) == ["inbox:1", "inbox:3"]
    assert places([events.read("events", second.position, 4)]) == ["inbox:6", "inbox:7"]
    assert places([people.read("people", first.position, 4)]) == ["inbox:5"]
    assert len(decoded) == 4 + 4 + 3


def test_at_the_end_events_of_other_sources_count_as_passed(state: State, tmp_path: Path) -> None:
    put(state, event("web", "identify", 1), *(event("app", "identify", number) for number in range(9)))
    _, position = read_all(reader_of(state, both(tmp_path), "web"))

    assert position["after"] == 10


def test_an_event_that_cannot_be_understood_is_told_of_by_one_feed(state: State, tmp_path: Path) -> None:
    put(state, event("web", "nothing", 1, "not_allowed"))
    reader = reader_of(state, both(tmp_path), "web")

    (told,) = (one for batch in read_all(reader)[0] for one in batch.envelopes)
    assert (told.payload, told.error, told.received_at) == (None, "not_allowed", NOW)
    assert payloads(read_all(reader, feed="events")[0]) == []


def test_a_changed_mapping_goes_on_and_says_from_when_it_counts(state: State, tmp_path: Path) -> None:
    put(state, event("web", "identify", 1))
    _, position = read_all(reader_of(state, both(tmp_path), "web"))
    put(state, event("web", "identify", 2))
    changed = settings_of(SETTINGS.replace("traits.name", "traits.full_name"), tmp_path)
    batches, _ = read_all(reader_of(state, changed, "web"), kept(position))

    assert payloads(batches) == [{"userId": "u2"}]
    assert "from now on" in notes(batches)[0]


def test_the_same_message_id_of_two_sources_is_two_events(state: State) -> None:
    assert put(state, event("web", "track", 1), event("app", "track", 1)).accepted == 2


def test_an_event_that_came_before_is_told_the_place_it_has(state: State) -> None:
    first = put(state, event("web", "track", 1), event("web", "track", 2))
    assert put(state, event("web", "track", 1)) == Accepted(0, 1, first.inbox_no - 1)


def test_message_ids_are_forgotten_when_no_late_event_can_change_a_bucket(state: State) -> None:
    put(state, event("web", "track", 1))
    put(state, event("web", "track", 2), at=NOW + 1)
    with state.writing(Store.INBOX) as connection:
        clear(connection, 2, NOW + REMEMBERED_MICROS + 1, 100)

    assert rows_of(state, "SELECT inbox_no FROM inbox_message") == [2]
    assert put(state, event("web", "track", 2), event("web", "track", 1)) == Accepted(1, 1, 3)


def test_what_was_not_read_is_not_cleared_away(state: State) -> None:
    put(state, *(event("web", "track", number) for number in range(5)))
    with state.writing(Store.INBOX) as connection:
        clear(connection, 3, NOW, 100)

    assert rows_of(state, "SELECT inbox_no FROM inbox_event") == [4, 5]


def test_the_audit_tells_what_waits_for_a_feed(state: State, tmp_path: Path) -> None:
    put(state, event("web", "identify", 1), event("web", "track", 2), event("web", "x", 3, "not_allowed"))
    found = {(one.source, one.feed): one for one in audit_sources(both(tmp_path), state)}

    people = found["web", "people"]
    assert (people.rows, people.unreadable) == (1, 1)
    assert {column.name for column in people.columns} == {"type", "userId", "secret"}
    assert found["app", "people"].rows == 0


def test_an_event_counts_as_received_when_it_was_accepted_not_when_it_was_read(
    state: State, tmp_path: Path
) -> None:
    half_an_hour = 1_800_000_000
    ahead = {"type": "track", "messageId": "m1", "userId": "u1", "event": "x", "timestamp": NOW // 1_000_000}
    behind = {**ahead, "messageId": "m2", "timestamp": ahead["timestamp"] - 3_600}
    bodies = [Arrived("web", str(one["messageId"]), orjson.dumps(one)) for one in (ahead, behind)]
    put(state, *bodies, at=NOW - half_an_hour)
    drain(stage_of(state, both(tmp_path), "interaction", "web", now=NOW))

    assert list(quarantined(state).values()) == [("future_event:occurred_at",)]
    assert rows_of(state, "SELECT event_id, received_at FROM interaction") == [("m2", NOW - half_an_hour)]


def test_a_batch_of_large_events_ends_before_it_fills_the_memory(
    state: State, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "customer_profiles.sources.collector.MOST_BYTES", 3 * len(event("web", "track", 0).body)
    )
    put(state, *(event("web", "track", number) for number in range(7)))
    reader = reader_of(state, both(tmp_path), "web")
    sizes, position, complete = [], {}, False
    while not complete:
        batch = reader.read("events", position, 100)
        sizes.append(len(batch.envelopes))
        position, complete = batch.position, batch.complete

    assert sizes == [3, 3, 1]
