"""Dagster's home inside the project: made on first use, kept small."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg

COMPUTE_LOG_DAYS = 30
_TEMPLATE = Path(__file__).parent / "dagster.yaml"


def prepare_home(folder: Path) -> Path:
    """The DAGSTER_HOME to use: that of the environment, else `.dagster` in the project with our `dagster.yaml`.

    Args:
        folder: The project's folder, where the settings file is.
    """
    chosen = os.environ.get("DAGSTER_HOME")
    home = Path(chosen) if chosen else folder / ".dagster"
    home.mkdir(parents=True, exist_ok=True)
    if not (home / "dagster.yaml").exists():
        shutil.copyfile(_TEMPLATE, home / "dagster.yaml")
    _drop_old_compute_logs(home)
    return home


@contextmanager
def open_instance(folder: Path) -> Iterator[dg.DagsterInstance]:
    """Dagster's record of runs, checks and metadata, the one that `make ui` shows."""
    home = prepare_home(folder)
    with dg.DagsterInstance.from_config(str(home)) as instance:
        yield instance


def _drop_old_compute_logs(home: Path) -> None:
    """Dagster retains ticks by its own settings, but has none for the logs of steps."""
    oldest = time.time() - COMPUTE_LOG_DAYS * 86_400
    for run in (home / "storage").glob("*/compute_logs"):
        if run.stat().st_mtime < oldest:
            shutil.rmtree(run, ignore_errors=True)
