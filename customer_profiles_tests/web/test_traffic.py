"""The demo's traffic, played to a served collector: everything accepted is in the profiles, and nothing is forced on it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import orjson
import pytest
from ruamel.yaml import YAML

from customer_profiles.cleaning.quarantine import counts_by_reason
from customer_profiles.demo.rates import DemoError
from customer_profiles.demo.traffic import BATCH, SENDERS, Sent, Traffic, look_for_a_collector
from customer_profiles.demo.visitors import BREAKS, Crowd, logins
from customer_profiles.settings import Settings, load_settings
from customer_profiles.state.engine import State
from customer_profiles_tests.cleaning.made import KEYS, rows_of, settings_of
from customer_profiles_tests.web.serving import Served, serving

WRITE_KEY = KEYS.key("write_key/site")[:16].hex()
MANY = 1_000_000.0
"""Events a second: as fast as they are taken."""


def site_settings(folder: Path, collector: dict[str, Any] | None = None) -> Settings:
    """The settings of the project with the site as the only source."""
    content = YAML(typ="safe").load(load_settings().folder / "customer_profiles.yaml")
    content["sources"] = {"site": content["sources"]["site"]}
    content["identity"].pop("truth")
    content["traits"] = {}
    return settings_of(orjson.dumps({**content, "collector": collector or {}}).decode(), folder)


def crowd(seed: int = 1) -> Crowd:
    dice = Random(seed)
    return Crowd(logins(1_000, 1, dice), dice, 50, f"run{seed}")


def play_until(
    traffic: Traffic, enough: Callable[[Sent], bool], on_tick: Callable[[Sent], None] | None = None
) -> Sent:
    """Play until it has got so far, or for a minute."""
    stop = threading.Event()

    def tick(sent: Sent) -> None:
        if on_tick is not None:
            on_tick(sent)
        if enough(sent):
            stop.set()

    return traffic.play(stop, 60, tick)


@pytest.mark.slow
def test_all_that_is_accepted_is_in_the_profiles_or_in_the_quarantine_with_its_reason(
    state: State, tmp_path: Path
) -> None:
    with serving(state, site_settings(tmp_path)) as served:
        visitors = crowd()
        sent = play_until(
            Traffic(visitors, served.address, WRITE_KEY, 3_000), lambda sent: sent.accepted >= 4_000
        )
        served.run()

    assert sent.made == sent.accepted + sent.duplicate
    assert sent.broken == visitors.broken > 0
    with state.reading() as connection:
        reasons = {reason.split(":")[0] for reason in counts_by_reason(connection)}
    assert reasons <= set(BREAKS)
    assert len(reasons) >= 4
    received = "SELECT sum(applied), sum(unchanged + duplicate), sum(quarantined) FROM ledger WHERE stage LIKE 'ingest%'"
    ((applied, known, quarantined),) = rows_of(state, received)
    consents = rows_of(state, "SELECT count(*) FROM consent_statement")[0]  # are interactions too
    assert 0 < quarantined <= 2 * sent.broken
    assert applied + known + quarantined >= sent.accepted
    assert consents > 0
    joined = rows_of(
        state,
        "SELECT count(*) FROM member AS visitor JOIN record ON record.record_no = visitor.record_no "
        "JOIN member AS other ON other.customer_no = visitor.customer_no AND other.record_no <> visitor.record_no "
        "WHERE record.source_key LIKE 'anonymous:%'",
    )
    assert joined[0] > 0


@pytest.mark.slow
def test_a_collector_with_a_full_backlog_is_asked_again_when_it_said_and_gets_everything(
    state: State, tmp_path: Path
) -> None:
    with serving(state, site_settings(tmp_path, {"backlog": 300, "retry_after": 1})) as served:
        traffic = Traffic(crowd(), served.address, WRITE_KEY, 1_000, last_call_seconds=60)
        reader = threading.Thread(target=read_until_done, args=(served, done := threading.Event(), traffic))
        reader.start()
        try:
            sent = traffic.play(threading.Event(), 1)
        finally:
            done.set()
            reader.join()

    assert sent.refused > 0
    assert (sent.unsent, sent.waiting) == (0, 0)
    assert sent.made == sent.accepted + sent.duplicate > 300


def test_a_collector_that_asks_for_patience_is_not_asked_again_before(state: State, tmp_path: Path) -> None:
    with serving(state, site_settings(tmp_path, {"backlog": 1, "retry_after": 300})) as served:
        sent = Traffic(crowd(), served.address, WRITE_KEY, 2_000, last_call_seconds=0.5).play(
            threading.Event(), 1
        )

    assert 0 < sent.refused <= SENDERS * BATCH
    assert sent.made == sent.unsent + sent.accepted


def read_until_done(served: Served, done: threading.Event, traffic: Traffic) -> None:
    """The pipeline wakes up when the collector has turned somebody away."""
    while not done.wait(0.05):
        if traffic.sent.refused:
            served.run()


def test_a_collector_that_goes_away_gets_the_events_when_it_is_back(state: State, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    traffic, troubled, stop = (
        Traffic(crowd(), f"http://127.0.0.1:{port}", WRITE_KEY, 50),
        threading.Event(),
        threading.Event(),
    )

    def tick(sent: Sent) -> None:
        if "does not answer" in sent.trouble:
            troubled.set()
        if sent.accepted:
            stop.set()

    playing = threading.Thread(target=traffic.play, args=(stop, 60, tick))
    playing.start()
    assert troubled.wait(30)
    with serving(state, site_settings(tmp_path), port):
        playing.join()

    sent = traffic.sent
    assert sent.accepted > 0
    assert sent.made == sent.accepted + sent.duplicate + sent.unsent


def test_a_write_key_that_is_not_known_ends_it_in_words(state: State, tmp_path: Path) -> None:
    with (
        serving(state, site_settings(tmp_path)) as served,
        pytest.raises(DemoError, match="write key is not known"),
    ):
        Traffic(crowd(), served.address, "wrong", MANY).play(threading.Event(), 10)


def test_where_nobody_listens_it_says_how_to_start_a_collector() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(DemoError, match="customer-profiles serve"):
        look_for_a_collector(f"http://127.0.0.1:{port}")
