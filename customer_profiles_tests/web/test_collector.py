"""What the collector accepts, it keeps, and it says what it does not accept."""

from __future__ import annotations

import gzip
import socket
import threading
from pathlib import Path

import httpx
import orjson
import pytest

from customer_profiles.state.engine import State, Store
from customer_profiles_tests.cleaning.made import assert_adds_up, quarantined, rows_of
from customer_profiles_tests.web.serving import (
    WRITE_KEY,
    Served,
    moment,
    serving,
    settings_with,
    track,
    wait_until,
)


def test_a_tracked_event_is_in_the_profile_after_a_run(collector: Served) -> None:
    answer = collector.post("/v1/track", track("m1"))

    assert answer.status_code == 200, answer.text
    assert answer.json()["accepted"] == 1
    token = answer.json()["position"]
    assert collector.get(f"/v1/positions/{token}").json() == {"in_profiles": False}
    collector.run()
    assert collector.interactions() == ["m1"]
    assert collector.get(f"/v1/positions/{token}").json() == {"in_profiles": True}


def test_a_call_that_is_none_is_told_which_there_are(collector: Served) -> None:
    answer = collector.post("/v1/trak", track("m1"))

    assert answer.status_code == 404
    assert "/v1/track" in answer.text
    assert "trak" not in answer.text.replace("track", "")


@pytest.mark.parametrize("kind", ["track", "identify", "page", "screen", "group", "alias"])
def test_each_call_has_a_path_by_its_name_and_by_its_first_letter(collector: Served, kind: str) -> None:
    for path in (f"/v1/{kind}", f"/v1/{kind[0]}"):
        answer = collector.post(path, {"userId": "u1", "messageId": path})
        assert answer.json()["accepted"] == 1, answer.text
    kinds = rows_of(collector.state, "SELECT body FROM inbox_event")
    assert {orjson.loads(bytes(body))["type"] for body in kinds} == {kind}


def test_a_browser_sends_its_key_in_the_body_after_asking_whether_it_may(collector: Served) -> None:
    asked = httpx.options(
        collector.address + "/v1/t",
        headers={"Origin": "https://shop.example", "Access-Control-Request-Method": "POST"},
    )
    assert asked.status_code == 204
    assert asked.headers["access-control-allow-origin"] == "*"
    assert "authorization" in asked.headers["access-control-allow-headers"]

    sent = collector.post(
        "/v1/t", {**track("m1"), "writeKey": WRITE_KEY}, key=None, **{"Content-Type": "text/plain"}
    )
    assert sent.json()["accepted"] == 1
    assert sent.headers["access-control-allow-origin"] == "*"


def test_an_event_that_comes_again_counts_once_before_and_after_it_was_read(collector: Served) -> None:
    first = collector.post("/v1/batch", {"batch": [track("m1"), track("m1"), track("m2")]}).json()
    assert (first["accepted"], first["duplicate"]) == (2, 1)
    collector.run()
    again = collector.post("/v1/batch", {"batch": [track("m1"), track("m2"), track("m3")]}).json()
    assert (again["accepted"], again["duplicate"]) == (1, 2)
    collector.run()
    assert collector.interactions() == ["m1", "m2", "m3"]


def test_what_was_read_is_cleared_away_and_still_known(collector: Served) -> None:
    collector.post("/v1/track", track("m1"))
    collector.run()
    wait_until(lambda: rows_of(collector.state, "SELECT count(*) FROM inbox_event") == [0])

    assert collector.post("/v1/track", track("m1")).json()["duplicate"] == 1
    assert collector.get("/health").json() == {"status": "ok", "backlog": 0}


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "invalid_json"),
        (b"[]", {}, 400, "invalid_json"),
        (b"\xff\xfe", {}, 400, "invalid_json"),
        (b"{}", {"Content-Encoding": "gzip"}, 400, "invalid_gzip"),
        (gzip.compress(b"{}" * 99, mtime=0)[:-5], {"Content-Encoding": "gzip"}, 400, "invalid_gzip"),
        (b"{}", {"Content-Encoding": "br"}, 415, "unknown_encoding"),
        (b'{"a": "' + b"x" * 40_000 + b'"}', {}, 413, "event_too_large"),
        (b'{"a": "' + b"x" * 600_000 + b'"}', {}, 413, "request_too_large"),
        (gzip.compress(b" " * 50_000_000, mtime=0), {"Content-Encoding": "gzip"}, 413, "request_too_large"),
    ],
    ids=["cut", "list", "encoding", "no gzip", "cut gzip", "br", "large event", "large request", "bomb"],
)
def test_a_body_that_cannot_be_taken_is_refused_in_words(
    collector: Served, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    answer = collector.post("/v1/track", body, **headers)

    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert answer.json()["success"] is False
    assert rows_of(collector.state, "SELECT count(*) FROM inbox_event") == [0]


@pytest.mark.parametrize("key", [None, "", "wrong", "ключ"])
def test_without_a_known_write_key_nothing_is_taken(collector: Served, key: str | None) -> None:
    answer = collector.post("/v1/track", track("m1"), key=key)

    assert answer.status_code == 401
    assert answer.json()["code"] in ("no_write_key", "unknown_write_key")
    assert rows_of(collector.state, "SELECT count(*) FROM inbox_event") == [0]


def test_nothing_describes_the_interface_and_every_answer_is_guarded(collector: Served) -> None:
    for path in ("/docs", "/redoc", "/openapi.json", "/nothing", "/v1/positions/forged", "/"):
        answer = collector.get(path)
        assert answer.status_code == 404
        assert answer.json()["success"] is False
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")
    assert collector.get("/v1/track").status_code == 405


def test_a_refusal_repeats_nothing_of_what_was_sent(collector: Served) -> None:
    for body in (b'{"email": "ada@example.com"', orjson.dumps({"batch": "ada@example.com"})):
        assert "ada" not in collector.post("/v1/batch", body).text


def test_a_megabyte_in_one_event_is_taken_where_the_limits_say_so(state: State, tmp_path: Path) -> None:
    settings = settings_with(tmp_path, "largest_event: 2_000_000, largest_request: 2_500_000")
    with serving(state, settings) as served:
        big = track("m1", properties={"path": "/cart", "note": "x" * 1_000_000})
        assert served.post("/v1/track", big, packed=True).json()["accepted"] == 1
        served.run()
        assert served.interactions() == ["m1"]


def test_over_the_backlog_clients_are_told_to_come_again_until_it_is_read(
    state: State, tmp_path: Path
) -> None:
    with serving(state, settings_with(tmp_path, "backlog: 10, retry_after: 7")) as served:
        batch = {"batch": [track(f"m{number}") for number in range(8)]}
        assert served.post("/v1/batch", batch).status_code == 200
        refused = served.post("/v1/batch", {"batch": [track(f"n{number}") for number in range(8)]})
        assert (refused.status_code, refused.headers["retry-after"]) == (429, "7")
        assert refused.json()["code"] == "backlog_full"
        served.run()
        wait_until(lambda: served.post("/v1/track", track("o1")).status_code == 200)
        served.run()
        assert served.interactions() == [*(f"m{number}" for number in range(8)), "o1"]


@pytest.mark.parametrize("limit", ["unwritten: 2000", "requests_at_once: 1"])
def test_while_the_disk_is_slow_no_more_waits_in_memory_than_is_set_aside(
    state: State, tmp_path: Path, limit: str
) -> None:
    answers: list[int] = []
    with serving(state, settings_with(tmp_path, f"{limit}, retry_after: 9")) as served:

        def send() -> None:
            answers.append(served.post("/v1/track", track("m1", note="x" * 1_500)).status_code)

        assert served.get("/health").status_code == 200  # it has begun
        with state.writing(Store.INBOX):  # nobody else can write
            sender = threading.Thread(target=send)
            sender.start()
            wait_until(lambda: served.get("/health").json()["backlog"] == 1)
            refused = served.post("/v1/track", track("m2", note="x" * 1_500))
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "9")
            assert refused.json()["code"] == "too_busy"
        sender.join()
        assert served.post("/v1/track", track("m3", note="x" * 1_500)).status_code == 200
        served.run()

        assert answers == [200]
        assert served.interactions() == ["m1", "m3"]


def test_a_body_that_never_comes_to_its_end_does_not_keep_its_place(
    collector: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customer_profiles.web.bodies.READ_SECONDS", 0.1)
    address = httpx.URL(collector.address)
    with socket.create_connection((address.host, address.port or 0)) as slow:
        slow.sendall(b"POST /v1/track HTTP/1.1\r\nHost: shop.example\r\nContent-Length: 100\r\n\r\n{")
        slow.settimeout(20)
        assert slow.recv(12) == b"HTTP/1.1 408"


@pytest.mark.slow
def test_ten_thousand_broken_events_in_a_row_wait_in_the_quarantine_and_the_next_one_comes_through(
    collector: Served,
) -> None:
    broken = [7, None, {"type": "track"}, {"type": "nothing"}, {**track("x"), "timestamp": "never"}]
    for start in range(0, 10_000, 1_000):
        batch = [
            {**one, "messageId": f"b{start + number}"} if isinstance(one, dict) else one
            for number, one in enumerate(broken * 200)
        ]
        assert collector.post("/v1/batch", {"batch": batch}).json()["accepted"] == 1_000
    collector.post("/v1/track", track("good"))
    collector.run()

    assert collector.interactions() == ["good"]
    assert rows_of(collector.state, "SELECT count(*) FROM quarantine") == [10_000]
    assert_adds_up(collector.state)


def test_an_event_of_the_future_waits_and_one_of_40_days_ago_counts(collector: Served) -> None:
    events = [
        track("future", timestamp=moment(3_600), sentAt=moment(0)),
        track("old", timestamp=moment(-40 * 86_400), sentAt=moment(0)),
        track("skewed", timestamp=moment(3 * 86_400), sentAt=moment(3 * 86_400)),
    ]
    collector.post("/v1/batch", {"batch": events})
    collector.run()

    assert collector.interactions() == ["old", "skewed"]
    assert list(quarantined(collector.state).values()) == [("future_event:occurred_at",)]
