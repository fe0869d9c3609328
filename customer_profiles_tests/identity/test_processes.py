"""Resolving in processes of their own: killed at every commit on the way, and two of them at once."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.settings import Settings
from customer_profiles.state.cursors import CursorMoved, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles_tests.conftest import Engine, _key_for
from customer_profiles_tests.identity.histories import FACTS, GRAPH, IDENTITY, rows_of, someone
from customer_profiles_tests.identity.made import (
    Envelope,
    customers_of,
    resolve,
    settings_with,
    take_in,
    write_envelopes,
)

pytestmark = pytest.mark.slow
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


def stream(seed: int = 3, batches: int = 4) -> list[list[Envelope]]:
    """Batches in which people come, change, leave and return."""
    chance = random.Random(seed)
    found: list[list[Envelope]] = []
    for _ in range(batches):
        people = {f"r{chance.randrange(12)}": someone(chance) for _ in range(8)}
        found.append([*people.items(), (f"r{chance.randrange(12)}", None)])
    return found


def take_in_what_is_left(state: State, settings: Settings) -> None:
    """Take in the stream from where its cursor is, and resolve after each batch."""
    stage = ResolveStage(state, settings)
    while True:
        while stage.advance(1_000).more:
            pass
        with state.writing() as connection:
            cursor = read_cursor(connection, "stream")
            done = cursor.position or 0
            if done == len(stream()):
                return
            write_envelopes(connection, stream()[done], (done + 1) * 1_000_000)
            move_cursor(connection, cursor, done + 1)


def live_until_the_second_commit(url: str, settings: Settings) -> None:
    """Go on with the stream, and die where the second transaction that wrote something is about to be committed."""
    left = [2]

    @sa.event.listens_for(sa.Engine, "after_cursor_execute")
    def sent(connection: sa.Connection, _cursor: Any, statement: str, *_: Any) -> None:
        if statement.startswith(("INSERT", "UPDATE", "DELETE")):
            connection.info["wrote"] = True

    @sa.event.listens_for(sa.Engine, "commit")
    def commit(connection: sa.Connection) -> None:
        if connection.info.pop("wrote", False):
            left[0] -= 1
            if not left[0]:
                os.kill(os.getpid(), signal.SIGKILL)

    with State.open(url, _key_for) as state:
        take_in_what_is_left(state, settings)
    os._exit(0)


def run(target: Callable[..., None], *arguments: Any) -> int | None:
    process = _PROCESSES.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    return process.exitcode


@pytest.mark.parametrize("engine", ["sqlcipher", "postgres"])
def test_killed_at_every_commit_of_a_stream_it_ends_like_one_that_nobody_disturbed(
    engine: Engine,
    state_url: Callable[[Engine], str],
    state_factory: Callable[[Engine], State],
    tmp_path: Path,
) -> None:
    """Each life gets one transaction further: it dies at the next one, with all of its work written."""
    settings, undisturbed, url = settings_with(tmp_path, **IDENTITY), state_factory(engine), state_url(engine)
    take_in_what_is_left(undisturbed, settings)

    lives = 1
    while (code := run(live_until_the_second_commit, url, settings)) == -signal.SIGKILL:
        lives += 1
        assert lives < 100, "a life that commits nothing would go on for ever"
    assert code == 0
    assert lives >= 2 * len(stream())

    with State.open(url, _key_for) as killed:
        assert rows_of(killed, (*FACTS, *GRAPH)) == rows_of(undisturbed, (*FACTS, *GRAPH))
        events = "SELECT kind, customer_no, others, cause_kind FROM identity_event ORDER BY event_no"
        told = []
        for state in (killed, undisturbed):
            with state.reading() as connection:
                told.append(connection.execute(sa.text(events)).all())
        assert told[0] == told[1]


def resolve_beside_another(url: str, settings: Settings, barrier: Barrier) -> None:
    """Resolve all that waits, at the same time as another process."""
    with State.open(url, _key_for, wait_seconds=30) as state:
        stage = ResolveStage(state, settings)
        barrier.wait(30)
        while True:
            try:
                if not stage.advance(10).more:
                    os._exit(0)
            except CursorMoved:
                continue  # the other was faster: what is left is tried again


@pytest.mark.parametrize("engine", ["sqlcipher", "postgres"])
def test_of_two_processes_that_resolve_at_once_one_waits_and_nothing_is_lost(
    engine: Engine,
    state_url: Callable[[Engine], str],
    state_factory: Callable[[Engine], State],
    tmp_path: Path,
) -> None:
    settings, alone, url = settings_with(tmp_path, **IDENTITY), state_factory(engine), state_url(engine)
    chance = random.Random(5)
    with State.open(url, _key_for) as shared:
        received = 0
        for batch in range(1, 4):
            people = [(f"r{n}", someone(chance)) for n in range(60)]
            for state in (alone, shared):
                take_in(state, people, batch * 1_000_000)
            resolve(alone, settings)
            barrier = _PROCESSES.Barrier(2)
            both = [
                _PROCESSES.Process(target=resolve_beside_another, args=(url, settings, barrier))
                for _ in range(2)
            ]
            for process in both:
                process.start()
            for process in both:
                process.join(120)
            assert [process.exitcode for process in both] == [0, 0]
            assert customers_of(shared) == customers_of(alone)
        assert rows_of(shared, (*FACTS, *GRAPH)) == rows_of(alone, (*FACTS, *GRAPH))
        count = sa.text("SELECT sum(received) FROM ledger WHERE stage = 'resolve'")
        with shared.reading() as one, alone.reading() as other:
            received = one.execute(count).scalar_one()
            assert received == other.execute(count).scalar_one() > 150


def test_a_batch_that_is_not_committed_lets_go_of_what_it_read(
    state_factory: Callable[[Engine], State], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Of the index it may have read parts that it wrote itself, whose numbers others get when it is taken back.
    first, second, *_ = stream()
    with state_factory("sqlcipher") as state:
        stage = ResolveStage(state, settings_with(tmp_path, **IDENTITY))
        take_in(state, first, 1_000_000)
        stage.advance(1_000)
        take_in(state, second, 2_000_000)
        with monkeypatch.context() as broken:
            broken.setattr("customer_profiles.identity.resolve.move_cursor", _no_room)
            with pytest.raises(OSError, match="no room"):
                stage.advance(1_000)

        assert stage.rows_read == 0
        stage.advance(1_000)
        assert stage.rows_read > 0


def _no_room(*_: object) -> None:
    raise OSError("no room")
