"""`customer-profiles ui`: Dagster's web UI and daemon over this project, on loopback."""

from __future__ import annotations

import os
import signal
import sys
from typing import Annotated

import typer

from customer_profiles.cli.output import out


def ui(port: Annotated[int, typer.Option(min=1, max=65535, help="The port on loopback.")] = 3000) -> None:
    """Open Dagster's web UI with its daemon. It listens on loopback only: Dagster has no log-in of its own.

    Example: customer-profiles ui --port 3001
    """
    from customer_profiles.orchestration.instance import prepare_home
    from customer_profiles.settings import load_settings

    settings = load_settings()
    home = prepare_home(settings.folder)
    out.print(f"Dagster is starting on [bold]http://127.0.0.1:{port}[/bold] (stop it with Ctrl-C).")
    os.environ["DAGSTER_HOME"] = str(home)
    # `dg dev` is to follow it and does the same, but comes in a package of its own that a default install can do without.
    superseded = "ignore:Function `dev_command` is superseded"
    arguments = ["-W", superseded, "-m", "dagster", "dev", "--host", "127.0.0.1", "--port", str(port)]
    arguments += [
        "--module-name",
        "customer_profiles.definitions",
        "--working-directory",
        str(settings.folder),
    ]
    # A shell lets what it starts in the background ignore Ctrl-C, and Dagster would then ignore being ended as well.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.executable, [sys.executable, *arguments])
