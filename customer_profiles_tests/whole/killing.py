"""Kills the worker, the collector and runs of Dagster hard, at random moments under traffic, and counts afterwards.

`python -m customer_profiles_tests.whole.killing 200 sqlcipher` does it many times; a test does it a few times.
"""

from __future__ import annotations

import os
import socket
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from random import Random
from typing import Any

import httpx
import sqlalchemy as sa
import uvicorn

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.encryption.keys import open_keys
from customer_profiles.monitoring.ledger import ledger_check
from customer_profiles.orchestration.jobs import REFRESH
from customer_profiles.orchestration.run import run_job
from customer_profiles.pipeline.behind import behind
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.pipeline.lease import run_leases
from customer_profiles.pipeline.worker import Worker
from customer_profiles.settings import Settings, settings_from_text
from customer_profiles.state.engine import State, Store
from customer_profiles.web.app import create_app
from customer_profiles_tests.postgres_server import start_postgres
from customer_profiles_tests.web.serving import SETTINGS, moment, track, wait_until

VICTIMS = ("worker", "collector", "run")
EVENTS = 20
"""In one request."""
PEOPLE = 40
PATIENCE = 120.0
"""Seconds that something may take to happen on a busy machine."""
_STALE = 1.5
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__, "customer_profiles_tests.pipeline.killing"])


def settings_in(folder: Path, state_url: str = "sqlite:state") -> Settings:
    """A company whose only source is the collector, with a key of its own."""
    key = "key: {provider: file, path: master.key}"
    text = SETTINGS.replace("key: {provider: environment, variable: TEST_KEY}", key)
    # Batches so small that there is a backlog now and then, and a second process at work when its worker is killed.
    text += "streaming: {smallest_batch: 100, largest_batch: 1000}\n"
    return settings_from_text(text.replace("sqlite:state", state_url), folder / "settings.yaml", {})


def collect(settings: Settings, port: int) -> None:
    """The collector, as `customer-profiles serve`."""
    with open_pipeline(settings) as house:
        app = create_app(house.state, settings, house.keys)
        config = uvicorn.Config(app, port=port, log_level="critical", access_log=False)
        uvicorn.Server(config).run()


def work(settings: Settings) -> None:
    """The worker, as `customer-profiles stream`."""
    with open_pipeline(settings) as house:
        Worker(house, stale_seconds=_STALE).run()


def refresh(settings: Settings) -> None:
    """A run of Dagster."""
    run_job(settings, REFRESH)


class Sender(threading.Thread):
    """A client that sends each batch again until it is accepted, as all do."""

    def __init__(self, number: int, port: int, write_key: str) -> None:
        super().__init__(daemon=True)
        self.accepted: list[dict[str, Any]] = []
        self.unanswered: list[dict[str, Any]] = []
        """The last batch: it may have been taken without an answer."""
        self.done = threading.Event()
        self._number = number
        self._url = f"http://127.0.0.1:{port}/v1/batch"
        self._client = httpx.Client(auth=(write_key, ""), timeout=10)
        self._dice = Random(number)

    def run(self) -> None:
        batch = 0
        while not self.done.is_set():
            batch += 1
            events = [self._event(f"{self._number}.{batch}.{place}") for place in range(EVENTS)]
            self.unanswered = events
            while not self._send(events):
                if self.done.wait(0.02):
                    return
            self.accepted += events
            self.unanswered = []
            self.done.wait(0.02)  # traffic, not a flood

    def _send(self, events: list[dict[str, Any]]) -> bool:
        try:
            return self._client.post(self._url, json={"batch": events}).status_code == 200
        except httpx.TransportError:
            return False

    def _event(self, name: str) -> dict[str, Any]:
        person = f"u{self._dice.randrange(PEOPLE)}"
        lot = self._dice.random()
        if lot < 0.1:
            traits = {"email": f"{person}@shared.example", "name": f"Person {person}"}
            return {
                "type": "identify",
                "userId": person,
                "messageId": name,
                "traits": traits,
                "timestamp": moment(0),
            }
        if lot < 0.15:
            return track(name, user=person, timestamp="in a while")
        late = self._dice.choice([0, 0, 0, -3_600, -86_400, -20 * 86_400])
        return track(name, user=person, timestamp=moment(late))


@dataclass
class Found:
    """What was counted in the end.

    Attributes:
        kills: How many of each kind.
        accepted: Events that the collector said it took.
        counted: Interactions.
        quarantined: Broken events.
        faults: What is wrong, in words; empty when nothing is.
    """

    kills: Counter[str] = field(default_factory=Counter)
    accepted: int = 0
    counted: int = 0
    quarantined: int = 0
    faults: list[str] = field(default_factory=list)


class Company:
    """The processes of one company, and those who send to it."""

    def __init__(self, settings: Settings, dice: Random) -> None:
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.settings = settings
        self.dice = dice
        self.found = Found()
        self.processes: dict[str, BaseProcess] = {}
        with open_pipeline(settings):  # makes the tables, once
            pass
        key = open_keys(settings.state.key, settings.folder).key("write_key/web")[:16].hex()
        self.senders = [Sender(number, self.port, key) for number in range(3)]

    def start(self, kind: str) -> None:
        """A process of its own."""
        target: dict[str, tuple[Callable[..., None], tuple[Any, ...]]] = {
            "worker": (work, (self.settings,)),
            "collector": (collect, (self.settings, self.port)),
            "run": (refresh, (self.settings,)),
        }
        does, arguments = target[kind]
        process = _PROCESSES.Process(target=does, args=arguments)
        process.start()
        self.processes[kind] = process

    def kill(self, kind: str) -> None:
        """Hard, whatever it does."""
        process = self.processes.pop(kind)
        process.kill()
        process.join()
        process.close()

    def accepted(self) -> int:
        return sum(len(sender.accepted) for sender in self.senders)

    def wait_for_traffic(self) -> None:
        """Until some more was accepted: a moment that nothing of what is killed chooses."""
        enough = self.accepted() + self.dice.randrange(1, 300)
        wait_until(lambda: self.accepted() >= enough, PATIENCE)

    def play(self, kills: int) -> Found:
        """Kill so many times, then let everything come in and count."""
        self.start("collector")
        self.start("worker")
        for sender in self.senders:
            sender.start()
        try:
            for number in range(kills):
                self._kill_one(VICTIMS[number % len(VICTIMS)])
            self.wait_for_traffic()
        finally:
            for sender in self.senders:
                sender.done.set()
            for sender in self.senders:
                sender.join(PATIENCE)
            for kind in [*self.processes]:
                self.kill(kind)
        with open_pipeline(self.settings) as house:
            Worker(house, stale_seconds=_STALE).run(until_quiet=True)
            count(house, self)
        return self.found

    def _kill_one(self, victim: str) -> None:
        if victim == "run":
            # Without the worker there is something for the run to do.
            self.kill("worker")
            self.wait_for_traffic()
            self.start("run")
            with open_pipeline(self.settings) as house:
                wait_until(partial(self._run_is_at_work, house.state), PATIENCE)
        self.wait_for_traffic()
        self.kill(victim)
        self.found.kills[victim] += 1
        if victim == "run":
            self.start("worker")
        else:
            self.start(victim)

    def _run_is_at_work(self, state: State) -> bool:
        with state.reading(Store.INBOX) as connection:
            living = [
                row for row in run_leases(connection) if now_micros() - row.beat_at < _STALE * 1_000_000
            ]
        return bool(living) or not self.processes["run"].is_alive()


def count(house: Pipeline, company: Company) -> None:
    """Hold what is in the profiles against what was accepted, and then against a rebuild."""
    found, faults = company.found, company.found.faults
    accepted = {one["messageId"]: one for sender in company.senders for one in sender.accepted}
    possible = {one["messageId"]: one for sender in company.senders for one in sender.unanswered}

    def names(events: dict[str, dict[str, Any]], broken: bool) -> set[str]:
        return {
            name
            for name, one in events.items()
            if one["type"] == "track" and (one["timestamp"] == "in a while") is broken
        }

    with house.state.reading() as connection:
        rows = connection.execute(
            sa.text(
                "SELECT interaction.event_id, record.source_key FROM interaction "
                "JOIN record ON record.record_no = interaction.record_no"
            )
        ).all()
        in_buckets = connection.execute(
            sa.text("SELECT coalesce(sum(count), 0) FROM bucket WHERE grain = 'lifetime'")
        ).scalar_one()
        of_people = connection.execute(
            sa.text(
                "SELECT record.source_key, sum(count) FROM bucket JOIN record "
                "ON record.record_no = bucket.record_no WHERE grain = 'lifetime' GROUP BY record.source_key"
            )
        ).all()
        quarantined = connection.execute(sa.text("SELECT count(*) FROM quarantine")).scalar_one()
        adds_up = ledger_check(connection).adds_up
        waiting = {name: left for name, left in behind(connection, now_micros()).total.items() if left}
    counted = [row[0] for row in rows]
    good, broken = names(accepted, False), names(accepted, True)
    found.accepted, found.counted, found.quarantined = len(accepted), len(counted), int(quarantined)
    if len(counted) != len(set(counted)):
        faults.append("an event counts twice")
    if lost := good - set(counted):
        faults.append(f"{len(lost)} accepted events are lost")
    if more := set(counted) - good - names(possible, False):
        faults.append(f"{len(more)} events were counted that nobody sent")
    if int(in_buckets) != len(counted):
        faults.append(f"the buckets hold {in_buckets} of {len(counted)} events")
    truth = Counter(row[1] for row in rows)
    if {row[0]: int(row[1]) for row in of_people} != dict(truth):
        faults.append("the buckets of a person are not what this person did")
    if not len(broken) <= quarantined <= len(broken) + len(names(possible, True)):
        faults.append(f"{quarantined} of {len(broken)} broken events are in the quarantine")
    if not adds_up:
        faults.append("the ledger does not add up")
    if waiting:
        faults.append(f"stages are behind: {waiting}")
    before = profiles(house)
    rebuilt = house.rebuild()
    if rebuilt.moved or rebuilt.changed_traits or profiles(house) != before:
        faults.append("a rebuild gives other profiles")


def profiles(house: Pipeline) -> list[list[tuple[Any, ...]]]:
    """Customers, traits and buckets of the live generation, by names that a rebuild keeps."""
    live = "(SELECT max(generation) FROM member)"
    queries = (
        f"SELECT customer_no, record_no FROM member WHERE generation = {live} ORDER BY 1, 2",
        f"SELECT customer_no, name, value, record_no FROM trait WHERE generation = {live} ORDER BY 1, 2, 3, 4",
        f"SELECT record_no, grain, start, type, count, value_sum FROM bucket WHERE generation = {live} ORDER BY 1, 2, 3, 4",
    )
    with house.state.reading() as connection:
        return [[tuple(row) for row in connection.execute(sa.text(query))] for query in queries]


def kill_and_count(folder: Path, kills: int, seed: int, state_url: str = "sqlite:state") -> Found:
    """A company of its own in a folder."""
    return Company(settings_in(folder, state_url), Random(seed)).play(kills)


def main() -> None:
    kills, engine = int(sys.argv[1]), sys.argv[2]
    os.environ.pop("DAGSTER_HOME", None)
    seed = time.time_ns() % 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        if engine == "postgres":
            with start_postgres() as server:
                found = kill_and_count(Path(folder), kills, seed, server.create_database())
        else:
            found = kill_and_count(Path(folder), kills, seed)
    print(
        f"seed {seed}, {engine}: {dict(found.kills)} killed, {found.accepted} accepted: "
        f"{found.counted} counted, {found.quarantined} broken ones in the quarantine, the others say who somebody is"
    )
    if found.faults:
        raise SystemExit("; ".join(found.faults))


if __name__ == "__main__":
    main()
