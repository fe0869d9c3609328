"""Interactions: counted once, tied to records that may come to be by them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from customer_profiles.state.engine import State
from customer_profiles_tests.cleaning.made import (
    NOW,
    assert_adds_up,
    drain,
    identifiers_of,
    quarantined,
    record_of,
    rows_of,
    settings_of,
    stage_of,
    write_lines,
)

WEB = """
sources:
  web:
    currency: GBP
    connector: {type: files, folder: web}
    feeds:
      identify:
        contract: record
        files: "*.jsonl"
        where: {type: identify}
        fields:
          source_key: userId
          emails: traits.email
          external_ids: {user_id: userId, anonymous_id: anonymousId}
          updated_at: timestamp
      events:
        contract: interaction
        files: "*.jsonl"
        where: {type: [track, page]}
        fields:
          event_id: messageId
          record_key: userId
          identifiers: {user_id: userId, anonymous_id: anonymousId}
          type: [event, type]
          channel: {value: web}
          occurred_at: timestamp
          value: {column: properties.total, scale: 100}
          currency: properties.currency
          properties: {category: properties.category, lines: properties.products, order_id: properties.order_id}
"""


def event(number: int, **values: Any) -> dict[str, Any]:
    """A page view of visitor v1."""
    return {
        "type": "page", "messageId": f"m{number}", "anonymousId": "v1", "timestamp": "2026-10-01T10:00:00Z", **values
    }  # fmt: skip


def test_a_visit_before_log_in_belongs_to_the_visitor_and_after_it_to_the_log_in(
    state: State, tmp_path: Path
) -> None:
    identify = {"type": "identify", "userId": "u1", "anonymousId": "v1", "timestamp": "2026-10-01T10:01:00Z"}
    write_lines(tmp_path / "web/a.jsonl", [event(1), identify, event(2, userId="u1"), event(3, userId="u2")])
    settings = settings_of(WEB, tmp_path)
    assert drain(stage_of(state, settings)).applied == 1
    assert drain(stage_of(state, settings, "interaction")).applied == 3
    query = "SELECT event_id, source_key FROM interaction JOIN record USING (record_no) ORDER BY event_id"
    assert rows_of(state, query) == [("m1", "anonymous:v1"), ("m2", "u1"), ("m3", "u2")]
    assert identifiers_of(state, "anonymous:v1") == {("anonymous_id", "v1")}
    assert (
        identifiers_of(state, "u1")
        == identifiers_of(state, "u1")
        == {("user_id", "u1"), ("anonymous_id", "v1")}
    )
    assert identifiers_of(state, "u2") == {("user_id", "u2"), ("anonymous_id", "v1")}
    assert rows_of(state, "SELECT DISTINCT type, channel FROM interaction") == [("page", "web")]


def test_visitors_add_up_while_what_the_source_says_is_replaced(state: State, tmp_path: Path) -> None:
    settings = settings_of(WEB, tmp_path)

    def log_in(name: str, anonymous: str, email: str) -> None:
        row = {
            "type": "identify",
            "userId": "u1",
            "anonymousId": anonymous,
            "timestamp": f"2026-10-0{name}T10:00:00Z",
        }
        write_lines(tmp_path / f"web/{name}.jsonl", [{**row, "traits": {"email": email}}])
        drain(stage_of(state, settings))

    log_in("1", "v1", "old@a.example")
    log_in("3", "v3", "new@a.example")
    log_in("2", "v2", "late@a.example")
    assert identifiers_of(state, "u1") == {
        ("user_id", "u1"),
        ("email", "new@a.example"),
        *(("anonymous_id", f"v{number}") for number in (1, 2, 3)),
    }


def test_an_event_that_comes_twice_counts_once(state: State, tmp_path: Path) -> None:
    settings = settings_of(WEB, tmp_path)
    write_lines(tmp_path / "web/a.jsonl", [event(1), event(1), event(2)])
    first = drain(stage_of(state, settings, "interaction"))
    write_lines(tmp_path / "web/b.jsonl", [event(2), event(3)])
    second = drain(stage_of(state, settings, "interaction"))
    assert (first.applied, first.duplicate, second.applied, second.duplicate) == (2, 1, 1, 1)
    assert rows_of(state, "SELECT interaction_no, event_id FROM interaction ORDER BY 1") == [
        (1, "m1"),
        (2, "m2"),
        (3, "m3"),
    ]
    assert_adds_up(state)


def test_money_lines_and_properties_are_kept_in_the_contracts_types(state: State, tmp_path: Path) -> None:
    lines = [{"product": 17, "name": " Red  socks ", "quantity": 2, "price": 499}]
    order = {"total": 9.98, "category": "socks", "products": lines, "order_id": 5, "secret": "x"}
    write_lines(
        tmp_path / "web/a.jsonl", [event(1, event="purchase", type="track", userId="u1", properties=order)]
    )
    drain(stage_of(state, settings_of(WEB, tmp_path), "interaction"))
    assert rows_of(state, "SELECT type, value, currency, properties FROM interaction") == [
        (
            "purchase",
            998,
            "GBP",
            '{"category":"socks","lines":[{"name":"Red socks","price":499,"product":"17","quantity":2}],"order_id":"5"}',
        )
    ]


def test_the_scale_of_money_can_follow_its_currency(state: State, tmp_path: Path) -> None:
    text = WEB.replace("scale: 100", "scale: currency")
    amounts = [("12.34", "GBP"), (1234, "JPY"), ("1.234", "KWD")]
    write_lines(
        tmp_path / "web/a.jsonl",
        [
            event(number, properties={"total": total, "currency": code})
            for number, (total, code) in enumerate(amounts)
        ],
    )
    drain(stage_of(state, settings_of(text, tmp_path), "interaction"))
    assert rows_of(state, "SELECT value, currency FROM interaction ORDER BY 2") == [
        (1234, "GBP"),
        (1234, "JPY"),
        (1234, "KWD"),
    ]


def test_each_fault_of_a_row_is_told_at_once(state: State, tmp_path: Path) -> None:
    bad = {"type": "track", "anonymousId": None, "timestamp": "2026-02-30", "properties": {"total": "a lot"}}
    write_lines(tmp_path / "web/a.jsonl", [bad, event(1)])
    result = drain(stage_of(state, settings_of(WEB, tmp_path), "interaction"))
    assert (result.applied, result.quarantined) == (1, 1)
    assert quarantined(state) == {
        "a.jsonl:1": (
            "bad_amount:value",
            "bad_date:occurred_at",
            "missing_key:event_id",
            "missing_key:record_key",
        )
    }


def test_an_event_more_than_five_minutes_ahead_waits(state: State, tmp_path: Path) -> None:
    write_lines(
        tmp_path / "web/a.jsonl",
        [event(1, timestamp="2026-10-31T12:38:00Z"), event(2, timestamp="2026-10-31T12:38:40Z")],
    )
    drain(stage_of(state, settings_of(WEB, tmp_path), "interaction"))
    assert NOW == 1_793_450_000_000_000
    assert rows_of(state, "SELECT event_id FROM interaction") == ["m1"]
    assert quarantined(state) == {"a.jsonl:2": ("future_event:occurred_at",)}


def test_a_late_event_of_a_deleted_record_does_not_bring_it_back(state: State, tmp_path: Path) -> None:
    text = WEB.replace("updated_at: timestamp", "updated_at: timestamp, deleted_at: gone").replace(
        "          updated_at: timestamp, deleted_at: gone",
        "          updated_at: timestamp\n          deleted_at: gone",
    )
    settings = settings_of(text, tmp_path)
    gone = {
        "type": "identify",
        "userId": "u1",
        "timestamp": "2026-10-01T10:00:00Z",
        "gone": "2026-10-02T10:00:00Z",
    }
    write_lines(tmp_path / "web/a.jsonl", [gone, event(1, userId="u1")])
    drain(stage_of(state, settings))
    drain(stage_of(state, settings, "interaction"))
    assert record_of(state, "u1")["deleted_at"] is not None
    assert identifiers_of(state, "u1") == set()
    assert rows_of(state, "SELECT count(*) FROM interaction") == [1]


def test_a_changed_mapping_says_what_is_read_again_and_replaces_what_reads_differently(
    state: State, tmp_path: Path
) -> None:
    write_lines(tmp_path / "web/a.jsonl", [event(number, name=f"Page {number % 2}") for number in range(10)])
    drain(stage_of(state, settings_of(WEB, tmp_path), "interaction"))
    changed = settings_of(WEB.replace("category: properties.category", "category: name"), tmp_path)
    result = drain(stage_of(state, changed, "interaction"), limit=4)
    assert "web.events: its settings changed, so its files are all read again." in str(result.facts["notes"])
    assert (result.received, result.applied, result.facts["replaced"]) == (10, 10, 10)
    assert rows_of(state, "SELECT count(*), count(DISTINCT properties) FROM interaction") == [(10, 2)]
    assert drain(stage_of(state, changed, "interaction")).received == 0
    assert_adds_up(state)
