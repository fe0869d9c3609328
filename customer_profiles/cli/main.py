"""The command line's front door: gathers the commands and turns errors into one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from customer_profiles.cli import (
    demo,
    evaluate,
    export,
    history,
    identity,
    profile,
    quarantine,
    query,
    rebuild,
    run,
    segments,
    serve,
    state,
    stream,
    top,
    ui,
    watch,
)
from customer_profiles.cli.output import err, out, show_error
from customer_profiles.errors import CustomerProfilesError

BUG = 70
"""The exit code of a fault of the program itself (EX_SOFTWARE of sysexits.h), which is neither a finding nor wrong use."""

app = typer.Typer(
    name="customer-profiles",
    help=(
        "Live, consented, explainable customer profiles for AI chatbots.\n\n"
        "Start with [bold]customer-profiles demo generate[/bold], then [bold]customer-profiles run[/bold]. "
        "Your own data: edit customer_profiles.yaml.\n\n"
        "Exit codes: 0 all is well, 1 there is a finding, 2 wrong use or wrong settings."
    ),
    rich_markup_mode="rich",
    no_args_is_help=True,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,  # they show locals and messages, which may hold personal data: see `main`
    pretty_exceptions_show_locals=False,
)
app.command("run")(run.run)
app.command("stream")(stream.stream)
app.command("top")(top.top)
app.command("watch")(watch.watch)
app.command("rebuild")(rebuild.rebuild)
app.add_typer(profile.app, name="profile")
app.add_typer(segments.app, name="segments")
app.add_typer(identity.app, name="identity")
app.command("evaluate")(evaluate.evaluate)
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(history.app, name="history")
app.command("query")(query.query)
app.command("export")(export.export)
app.command("serve")(serve.serve)
app.add_typer(state.app, name="state")
app.add_typer(demo.app, name="demo")
app.command("ui")(ui.ui)


def _print_version(wanted: bool) -> None:
    if wanted:
        out.print(f"customer-profiles {version('customer-profiles')}")
        raise typer.Exit


@app.callback()
def _common(
    settings: Annotated[
        Path | None,
        typer.Option(
            "--settings",
            "-s",
            envvar="CUSTOMER_PROFILES_SETTINGS",
            help="The settings file. [default: customer_profiles.yaml here or in a folder above]",
        ),
    ] = None,
    show_version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    if settings is not None:
        os.environ["CUSTOMER_PROFILES_SETTINGS"] = str(settings)


def main() -> None:
    """Run the command line.

    Exit codes: 0 all is well, 1 there is a finding (a check failed, nothing found), 2 wrong use or wrong settings,
    and 70 for a fault of the program itself.
    """
    try:
        app()
    except CustomerProfilesError as error:
        show_error(str(error))
        sys.exit(error.exit_code)
    except Exception as error:
        # The message of a foreign error may hold a value of a person, so only the places are told.
        places = [f for f in traceback.extract_tb(error.__traceback__) if "/typer/" not in f.filename]
        err.print("".join(traceback.format_list(places)), markup=False, soft_wrap=True, end="")
        show_error(
            f"{type(error).__name__}, a fault of this program. Its message is left out, for it may hold personal "
            "data. Please report it with the lines above."
        )
        sys.exit(BUG)
