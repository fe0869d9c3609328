"""`customer-profiles state`: whether the state is well, and bringing its tables up to date."""

from __future__ import annotations

from typing import Annotated

import typer

from customer_profiles.cli.new_key import telling_of_a_new_key
from customer_profiles.cli.output import JsonOption, out, say, show_json, show_table

app = typer.Typer(
    help="Where everything is kept: three SQLCipher files, or a Postgres database.", no_args_is_help=True
)


@app.command()
def check(
    deep: Annotated[bool, typer.Option("--deep", help="Read every page of every file too.")] = False,
    json: JsonOption = False,
) -> None:
    """Say whether each store can be reached, is encrypted, and has the tables that this version needs.

    Examples: customer-profiles state check

    customer-profiles state check --deep --json

    Ends with 1 when a store is not well, and says what to do next.
    """
    from customer_profiles.encryption.keys import open_keys
    from customer_profiles.settings import load_settings
    from customer_profiles.state import migrate as migration
    from customer_profiles.state.engine import State

    settings = load_settings()
    keys = open_keys(settings.state.key, settings.folder)
    with State.open(settings.state.url, keys.key, read_only=True) as state:
        report = migration.check(state, deep=deep)
    if json:
        show_json(report)
    else:
        show_table(
            "",
            ("store", "encrypted", "revision", "standing", "bytes"),
            [
                (
                    str(store.store),
                    store.encrypted,
                    store.revision or "",
                    store.standing,
                    store.size_bytes,
                )
                for store in report.stores
            ],
        )
        for store in report.stores:
            for problem in filter(None, (store.problem, *(store.damage or ()))):
                say((f"{store.store}: ", "bold"), problem)
            if store.encrypted is False:
                say((f"{store.store}: ", "bold"), "The file is not encrypted. Restore it from a backup.")
        if report.well:
            out.print("Well.")
    if not report.well:
        raise typer.Exit(1)


@app.command()
def migrate(json: JsonOption = False) -> None:
    """Make the tables, or bring them up to date. Safe to run at any time: nothing to do changes nothing.

    Example: customer-profiles state migrate

    Next: customer-profiles run
    """
    from customer_profiles.encryption.keys import open_keys
    from customer_profiles.settings import load_settings
    from customer_profiles.state import migrate as migration
    from customer_profiles.state.engine import State

    settings = load_settings()
    keys = open_keys(settings.state.key, settings.folder)
    with telling_of_a_new_key(settings), State.open(settings.state.url, keys.key) as state:
        migration.migrate(state)
        report = migration.check(state)
    if json:
        show_json(report)
        return
    out.print("The state is up to date.")
