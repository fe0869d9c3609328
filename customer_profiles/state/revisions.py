"""Drives Alembic: which revisions a store has, how far it is, and moving it on. One history a store."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from customer_profiles.state.schema import METADATA, Store

_MIGRATIONS = Path(__file__).parent / "migrations"
_ALEMBIC = threading.Lock()
"""One thread at a time: what a migration calls, `alembic.op`, is whichever store the process began last."""


def version_table(store: Store) -> str:
    """The table that says how far a store is; its name is unique over the stores like any other's."""
    return f"{store}_revision"


def versions_folder(store: Store) -> Path:
    """Where a store's revisions are."""
    return _MIGRATIONS / store / "versions"


def newest_revision(store: Store) -> str | None:
    """The revision this version of the code works with; None before the first was written."""
    return ScriptDirectory.from_config(_config(store, None)).get_current_head()


def knows(store: Store, revision: str) -> bool:
    """Whether this version of the code has a revision."""
    scripts = ScriptDirectory.from_config(_config(store, None))
    return revision in {script.revision for script in scripts.walk_revisions()}


def current_revision(connection: sa.Connection, store: Store) -> str | None:
    """How far a store is; None when it has no tables yet."""
    table = version_table(store)
    exists = (
        "SELECT 1 FROM sqlite_schema WHERE name = ?"
        if connection.dialect.name == "sqlite"
        else "SELECT to_regclass(%s)"
    )
    if connection.exec_driver_sql(exists, (table,)).scalar() is None:
        return None
    revision: str | None = connection.exec_driver_sql(f"SELECT version_num FROM {table}").scalar_one_or_none()
    return revision


def upgrade(connection: sa.Connection, store: Store) -> None:
    """Apply what is missing, in the connection's transaction."""
    with _ALEMBIC:
        _enter_schema(connection, store)
        command.upgrade(_config(store, connection), "head")


def stamp(connection: sa.Connection, store: Store) -> None:
    """Say that a store whose tables were made from the metadata is at the newest revision."""
    if newest_revision(store) is None:
        return
    with _ALEMBIC:
        _enter_schema(connection, store)
        command.stamp(_config(store, connection), "head")


def differences(connection: sa.Connection, store: Store) -> list[Any]:
    """What stands between a store's tables and the metadata, in Alembic's words; empty when they agree."""
    _enter_schema(connection, store)
    options = {"version_table": version_table(store), "include_name": _only_ours(store), "compare_type": True}
    return list(compare_metadata(MigrationContext.configure(connection, opts=options), METADATA[store]))


def write_revision(connection: sa.Connection, store: Store, message: str) -> Path | None:
    """Write the revision that brings a store from the newest one to the metadata; None when they agree."""
    if not differences(connection, store):
        return None
    number = 1 + sum(1 for file in versions_folder(store).glob("[0-9]*.py") if file.is_file())
    name = f"{number:04d}"
    versions_folder(store).mkdir(parents=True, exist_ok=True)
    script = command.revision(_config(store, connection), message, autogenerate=True, rev_id=name)
    if script is None or isinstance(script, list):
        raise TypeError("Alembic wrote no single revision")
    return _tidied(Path(script.path))


def _tidied(file: Path) -> Path:
    """Without Alembic's own remarks."""
    file.write_text(re.sub(r"\n    # ### .*", "", file.read_text("utf-8")), "utf-8")
    return file


def _enter_schema(connection: sa.Connection, store: Store) -> None:
    """On Postgres, work in the store's schema alone until the transaction ends."""
    if connection.dialect.name == "postgresql":
        # Asked first: IF NOT EXISTS alone goes by what the server remembers from before we waited for the lock.
        there = connection.exec_driver_sql("SELECT 1 FROM pg_namespace WHERE nspname = %s", (str(store),))
        if there.scalar() is None:
            connection.exec_driver_sql(f"CREATE SCHEMA {store}")
        connection.exec_driver_sql(f"SET LOCAL search_path TO {store}")
        connection.dialect.default_schema_name = str(
            store
        )  # where Alembic looks for tables that name no schema


def _only_ours(store: Store) -> Callable[[str | None, str, Any], bool]:
    others = {version_table(other) for other in Store}

    def include(name: str | None, kind: str, _parents: Any) -> bool:
        return not (kind == "table" and name in others)

    return include


def _config(store: Store, connection: sa.Connection | None) -> Config:
    config = Config()

    def put(name: str, value: object) -> None:
        config.set_main_option(name, re.sub("%", "%%", str(value)))

    put("script_location", _MIGRATIONS)
    put("version_locations", versions_folder(store))
    put("path_separator", "newline")  # folders may hold blanks and colons
    put("file_template", "%(rev)s_%(slug)s")
    config.attributes.update(
        connection=connection,
        metadata=METADATA[store],
        version_table=version_table(store),
        include_name=_only_ours(store),
    )
    return config
