"""Writes Alembic revisions from the tables of all floors: `make migration MESSAGE="…"`. For developers."""

import argparse
import importlib
import os
import pkgutil
import subprocess
import sys
import tempfile
from importlib.util import find_spec

import customer_profiles
from customer_profiles.state import revisions
from customer_profiles.state.engine import State
from customer_profiles.state.migrate import migrate
from customer_profiles.state.schema import Store


def load_all_tables() -> None:
    """Import the `tables` module of every floor that has one, so that the metadata is whole."""
    for floor in pkgutil.iter_modules(customer_profiles.__path__, f"{customer_profiles.__name__}."):
        if floor.ispkg and find_spec(f"{floor.name}.tables"):
            importlib.import_module(f"{floor.name}.tables")


def autogenerate(store: Store, message: str) -> str | None:
    """Write one store's next revision and give its path; None when nothing changed."""
    load_all_tables()
    key = os.urandom(32)
    with tempfile.TemporaryDirectory() as folder, State.open(f"sqlite:{folder}", lambda _name: key) as state:
        migrate(state)
        with state.writing(store) as connection:
            written = revisions.write_revision(connection, store, message)
    if written is None:
        return None
    subprocess.run([sys.executable, "-m", "ruff", "format", "--quiet", str(written)], check=True)
    return str(written)


def main() -> None:
    """Write a revision for each store whose tables changed."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("message", help='what changes, such as "Add the segment history"')
    parser.add_argument(
        "--from-scratch",
        action="store_true",
        help="throw away every revision and write 0001 anew (only before the first release)",
    )
    arguments = parser.parse_args()
    if not arguments.message.strip():
        parser.error('say what changes: make migration MESSAGE="…"')
    for store in Store:
        if arguments.from_scratch:
            for file in revisions.versions_folder(store).glob("[0-9]*.py"):
                file.unlink()
        print(f"{store}: {autogenerate(store, arguments.message) or 'nothing changed'}")


if __name__ == "__main__":
    main()
