"""A collector that is killed, or has no room left, loses nothing that it accepted."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import Settings, load_settings
from customer_profiles.sources import inbox
from customer_profiles.state.engine import KeyFor, State
from customer_profiles.state.migrate import migrate
from customer_profiles.web import group_commit
from customer_profiles_tests.cleaning.made import rows_of
from customer_profiles_tests.web.serving import (
    SETTINGS,
    Served,
    serving,
    settings_with,
    track,
    wait_until,
)

LARGE_BATCH = {"batch": [track(f"late.{number}", note="x" * 4_000) for number in range(100)]}
WRITE_KEY = "a-write-key-of-the-tests"


@contextmanager
def killed_in_the_end(settings: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """The command itself, in a process of its own."""
    command = "from customer_profiles.cli.main import main; main()"
    process = subprocess.Popen(
        [sys.executable, "-c", command, "-s", str(settings), "serve", "--port", str(port)],
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: answers(port) or process.poll() is not None, 60)
        assert process.poll() is None
        yield process
    finally:
        process.kill()
        process.wait()


def accepted_by(senders: list[Sender]) -> int:
    return sum(len(sender.accepted) for sender in senders)


def have_accepted(senders: list[Sender], enough: int) -> bool:
    return accepted_by(senders) > enough


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/health").status_code == 200
    except httpx.TransportError:
        return False


class Sender(threading.Thread):
    """A client that sends each batch again until it is accepted, as all do."""

    def __init__(self, number: int, port: int) -> None:
        super().__init__()
        self.accepted: list[str] = []
        self._number = number
        self._port = port
        self._client = httpx.Client(auth=(WRITE_KEY, ""))
        self.done = threading.Event()

    def run(self) -> None:
        batch = 0
        while not self.done.is_set():
            batch += 1
            ids = [f"{self._number}.{batch}.{place}" for place in range(20)]
            events = [track(one, user=f"u{self._number}") for one in ids]
            while not self._send(events):
                if self.done.is_set():
                    return
                time.sleep(0.02)  # the client's own pause, not a wait of the test
            self.accepted += ids

    def _send(self, events: list[dict[str, object]]) -> bool:
        url = f"http://127.0.0.1:{self._port}/v1/batch"
        try:
            return self._client.post(url, json={"batch": events}).status_code == 200
        except httpx.TransportError:
            return False


@pytest.mark.slow
def test_killed_at_random_moments_every_accepted_event_counts_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEST_KEY", os.urandom(32).hex())
    monkeypatch.setenv("TEST_WRITE_KEY", WRITE_KEY)
    file = tmp_path / "customer_profiles.yaml"
    keys = "type: collector\n      write_keys: [{provider: environment, variable: TEST_WRITE_KEY}]"
    file.write_text(SETTINGS.replace("type: collector", keys))
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    dice = random.Random(4)
    senders = [Sender(number, port) for number in range(3)]
    for kill in range(4):
        with killed_in_the_end(file, port) as process:
            if kill == 0:
                for sender in senders:
                    sender.start()
            enough = accepted_by(senders) + dice.randrange(50, 600)
            wait_until(partial(have_accepted, senders, enough), 60)
            if kill == 3:
                for sender in senders:
                    sender.done.set()
                for sender in senders:
                    sender.join()
            process.send_signal(signal.SIGKILL)
    settings = load_settings(file)
    with open_pipeline(settings) as house:
        house.run()
        counted = rows_of(house.state, "SELECT event_id FROM interaction")
        in_buckets = rows_of(house.state, "SELECT sum(count) FROM bucket WHERE grain = 'lifetime'")

    accepted = {one for sender in senders for one in sender.accepted}
    sent = len(accepted) + 3 * 20  # of each sender, the last batch may have been written without an answer
    assert len(counted) == len(set(counted))
    assert accepted <= set(counted)
    assert len(counted) <= sent
    assert in_buckets == [len(counted)]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 6 MB."""
    if os.geteuid() != 0 and "CI" not in os.environ:
        pytest.skip("only root can mount a small file system; CI does")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_on_a_full_disk_it_refuses_says_so_and_loses_nothing_accepted(
    small_disk: Path, tmp_path: Path, key_for: KeyFor, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings: Settings = settings_with(tmp_path)
    looks = counted_looks_at_the_inbox(monkeypatch)
    with State.open(f"sqlite:{small_disk}/state", key_for) as state:
        migrate(state)
        with serving(state, settings) as served:
            accepted = fill_up(served)
            seen = len(looks)
            wait_until(lambda: len(looks) > seen + 2)  # a full disk still has room for a few bytes
            assert served.get("/health").status_code == 503
            assert served.post("/v1/batch", LARGE_BATCH).status_code == 503

            (small_disk / "ballast").unlink()
            wait_until(lambda: served.get("/health").status_code == 200)
            assert served.post("/v1/batch", LARGE_BATCH).json()["accepted"] == 100
            found = rows_of(state, "SELECT count(*) FROM inbox_event")
    assert found == [accepted + 100]


def counted_looks_at_the_inbox(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows with each time that the collector tries whether it can write again, which it does all the time."""
    looks: list[int] = []

    def try_writing(connection: sa.Connection) -> None:
        looks.append(1)
        write(connection)

    write = inbox.try_writing
    monkeypatch.setattr(inbox, "try_writing", try_writing)
    monkeypatch.setattr(group_commit, "_UPKEEP_SECONDS", 0.01)
    return looks


def fill_up(served: Served) -> int:
    """Send until there is no room; how many events were accepted."""
    (served.state.folder.parent / "ballast").write_bytes(b"x" * 2_000_000)  # type: ignore[union-attr]
    accepted = 0
    for batch in range(1_000):
        events = [track(f"{batch}.{number}", note="x" * 2_000) for number in range(50)]
        answer = served.post("/v1/batch", {"batch": events})
        if answer.status_code == 503:
            assert answer.json()["code"] == "not_stored"
            assert int(answer.headers["retry-after"]) > 0
            return accepted
        accepted += answer.json()["accepted"]
    raise AssertionError("the disk was never full")
