"""Keeps a history in a process of its own that kills itself at a chosen point, as a power cut would."""

import hashlib
import os
import signal
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

from customer_profiles.state.engine import State
from customer_profiles_tests.history.made import history_in, seal
from customer_profiles_tests.pipeline.killing import Before, During

# A server that has imported everything forks a process in a moment, and no thread of the tests is in it.
_PROCESSES = get_context("forkserver")


@dataclass(frozen=True)
class AtTheDisk:
    """Dies before or after the disk was asked for something the given number of times."""

    when: Literal["before", "after"]
    call: Literal["fsync", "rename", "unlink"]
    times: int = 1

    def arm(self) -> None:
        """Put itself between this process and the disk."""
        really: Callable[..., Any] = getattr(os, self.call)
        left = [self.times]

        def asked(*args: Any, **kw: Any) -> Any:
            left[0] -= 1
            if not left[0] and self.when == "before":
                _die()
            answer = really(*args, **kw)
            if not left[0]:
                _die()
            return answer

        setattr(os, self.call, asked)


@dataclass(frozen=True)
class AfterSealing:
    """Dies when this many batches were committed: before the next one, or before the compaction."""

    batches: int

    def arm(self) -> None:
        """Nothing to listen to: the sealing tells its progress."""


Point = AtTheDisk | AfterSealing | Before | During


def keep_history_and_die(url: str, folder: Path, point: Point, limit: int) -> None:
    """Start the work in a process of its own and make sure that it was killed at the chosen point."""
    process = _PROCESSES.Process(target=_work, args=(url, folder, point, limit))
    process.start()
    process.join(60)
    code = process.exitcode
    if code is None:
        process.kill()
    assert code == -signal.SIGKILL, f"{point} was never reached: the process ended with {code}"


def _work(url: str, folder: Path, point: Point, limit: int) -> None:
    batches: list[int] = []

    def progress(_result: object) -> None:
        batches.append(1)
        if isinstance(point, AfterSealing) and len(batches) == point.batches:
            _die()

    with State.open(url, lambda name: hashlib.sha256(f"test key of {name}".encode()).digest()) as state:
        point.arm()
        seal(state, history_in(folder), limit, progress=progress)
    os._exit(0)


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
