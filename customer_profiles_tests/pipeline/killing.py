"""Runs the pipeline in a process of its own that kills itself at a chosen point, as a power cut would."""

import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.settings import Settings
from customer_profiles_tests.web.serving import wait_until

Work = Literal["run", "rebuild", "train", "promote"]

# A server that has imported everything forks a process in a moment, and no thread of the tests is in it.
_PROCESSES = get_context("forkserver")
_PROCESSES.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class After:
    """Dies when a stage has committed this many batches: between two transactions."""

    stage: str
    batches: int = 1

    def arm(self) -> None:
        """Nothing to listen to: the pipeline tells its progress."""


@dataclass(frozen=True)
class Before:
    """Dies on the way to the commit of the transaction that sends a statement, with all of its work written."""

    statement: str
    times: int = 1

    def arm(self) -> None:
        """Listen to every connection of this process."""
        left = [self.times]

        @sa.event.listens_for(sa.Engine, "after_cursor_execute")
        def sent(connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if _sends(self.statement, statement, parameters):
                connection.info["doomed"] = True

        @sa.event.listens_for(sa.Engine, "commit")
        def commit(connection: sa.Connection) -> None:
            if connection.info.pop("doomed", False):
                left[0] -= 1
                if not left[0]:
                    _die()


@dataclass(frozen=True)
class During:
    """Dies when a statement has been sent this many times: in the middle of a transaction, half of its work written."""

    statement: str
    times: int = 1

    def arm(self) -> None:
        """Listen to every connection of this process."""
        left = [self.times]

        @sa.event.listens_for(sa.Engine, "after_cursor_execute")
        def sent(_connection: sa.Connection, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
            if _sends(self.statement, statement, parameters):
                left[0] -= 1
                if not left[0]:
                    _die()


Kill = After | Before | During


def committing(stage: str, source: str = "", times: int = 1) -> Before:
    """The point where a stage has written everything of a batch, its row of the ledger too, and not committed."""
    return Before(f"INSERT INTO ledger {stage} {source}".strip(), times)


def run_and_die(settings: Settings, kill: Kill, limit: int, work: Work = "run") -> None:
    """Start the work in a process of its own and make sure that it was killed at the chosen point."""
    process = _PROCESSES.Process(target=_work, args=(settings, kill, limit, work))
    process.start()
    process.join(60)
    code = process.exitcode
    if code is None:
        process.kill()
    assert code == -signal.SIGKILL, f"{kill} was never reached: the process ended with {code}"


def _work(settings: Settings, kill: Kill, limit: int, work: Work) -> None:
    batches: list[str] = []

    def progress(result: StageResult) -> None:
        if isinstance(kill, After) and result.received:
            batches.append(result.stage)
            if batches.count(kill.stage) == kill.batches:
                _die()

    kill.arm()
    with open_pipeline(settings, progress, limit) as pipeline:
        work_of: dict[Work, Any] = {
            "run": Pipeline.run,
            "rebuild": Pipeline.rebuild,
            "train": Pipeline.train,
            "promote": lambda pipeline: pipeline.promote_model(1),
        }
        work_of[work](pipeline)
    os._exit(0)


def _sends(wanted: str, statement: str, parameters: Any) -> bool:
    """Whether a statement begins as wanted; of the ledger's, whether it is about the stage and the source wanted."""
    if not wanted.startswith("INSERT INTO ledger "):
        return " ".join(statement.split()).startswith(wanted)
    if not statement.startswith("INSERT INTO ledger "):
        return False
    values: Sequence[Any] = list(parameters.values()) if isinstance(parameters, dict) else list(parameters)
    return all(name in values for name in wanted.removeprefix("INSERT INTO ledger ").split())


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def assert_it_ends_with_its_parent(program: str, folder: Path) -> None:
    """Run a program, given the settings in a folder, until it prints the ID of its child; kill it, and see the child end."""
    script = folder / "parent.py"
    script.write_text(program)
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(script), str(folder / "customer_profiles.yaml")]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes, env=environment, text=True) as process:
        assert process.stdout is not None
        child = Path(f"/proc/{int(process.stdout.readline())}")
        assert child.exists()
        process.kill()
    wait_until(lambda: not child.exists() or "zombie" in (child / "status").read_text(), 60)
