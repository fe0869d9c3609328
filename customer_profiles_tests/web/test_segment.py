"""What the API makes of a body, without a server."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import orjson
import pytest

from customer_profiles.sources.inbox import Arrived
from customer_profiles.web.refusals import Refused
from customer_profiles.web.segment import events_of

NOW = datetime(2026, 10, 31, 12, 0, tzinfo=UTC)


def made_of(body: dict[str, Any], kind: str = "track") -> list[Arrived]:
    return events_of(body, kind, "web", NOW, 32 * 1024)


def event_of(**body: Any) -> dict[str, Any]:
    (one,) = made_of(body)
    found: dict[str, Any] = orjson.loads(one.body)
    return found


def at(**ahead: float) -> str:
    return (NOW + timedelta(**ahead)).isoformat()


def test_a_clock_that_is_days_ahead_is_set_right_by_when_it_said_that_it_sent() -> None:
    event = event_of(timestamp=at(days=3, seconds=-30), sentAt=at(days=3))

    assert event["timestamp"] == "2026-10-31T11:59:30.000Z"
    assert event["originalTimestamp"] == at(days=3, seconds=-30)


def test_a_clock_that_is_hardly_off_is_left_alone() -> None:
    assert event_of(timestamp=at(seconds=-30), sentAt=at(seconds=-200))["timestamp"] == at(seconds=-30)


def test_an_event_that_waited_for_40_days_in_its_client_keeps_its_time() -> None:
    assert event_of(timestamp=at(days=-40), sentAt=at())["timestamp"] == at(days=-40)


@pytest.mark.parametrize("said", ["yesterday", "2026-10-31T10:00:00", 17, {"a": 1}])
def test_a_time_that_cannot_be_set_right_is_left_for_cleaning(said: object) -> None:
    assert event_of(timestamp=said, sentAt=at(days=3))["timestamp"] == said


def test_an_event_without_a_time_is_of_now() -> None:
    assert event_of()["timestamp"] == "2026-10-31T12:00:00.000Z"


def test_an_event_without_a_message_id_gets_one_of_its_own() -> None:
    first, second = made_of({"batch": [{"type": "track"}, {"type": "track"}]}, "batch")

    assert first.message_id != second.message_id
    assert orjson.loads(first.body)["messageId"] == first.message_id


def test_what_a_batch_says_of_all_is_said_of_each_unless_it_says_otherwise() -> None:
    batch = [{"type": "track", "context": {"ip": "1"}}, {"type": "track"}]
    first, second = made_of({"batch": batch, "context": {"ip": "0", "app": "x"}}, "batch")

    assert orjson.loads(first.body)["context"] == {"ip": "1", "app": "x"}
    assert orjson.loads(second.body)["context"] == {"ip": "0", "app": "x"}


def test_a_write_key_is_not_kept() -> None:
    assert "writeKey" not in event_of(writeKey="secret")


def test_an_event_of_a_batch_that_cannot_be_used_is_kept_with_its_reason() -> None:
    batch = [7, {"type": "tarck"}, {"type": "track", "x": "y" * 40_000}, {"type": "track"}]

    assert [one.error for one in made_of({"batch": batch}, "batch")] == [
        "unreadable_row",
        "not_allowed",
        "too_large",
        None,
    ]


@pytest.mark.parametrize("body", [{}, {"batch": []}, {"batch": {}}])
def test_a_batch_without_events_is_refused(body: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="batch"):
        made_of(body, "batch")


def test_an_event_nested_beyond_what_can_be_kept_is_refused() -> None:
    deep: Any = 1
    for _ in range(500):
        deep = [deep]
    with pytest.raises(Refused, match="nested"):
        made_of({"properties": deep})
