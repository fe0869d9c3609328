"""Brings a state to this version of the code, and tells how it is."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from customer_profiles.state import revisions
from customer_profiles.state.engine import State
from customer_profiles.state.errors import SchemaError, StateError
from customer_profiles.state.schema import Store
from customer_profiles.state.sqlcipher import file_of

_PLAIN = b"SQLite format 3\x00"


@dataclass(frozen=True, slots=True)
class StoreReport:
    """How one store is."""

    store: Store
    reachable: bool
    revision: str | None
    """Where its tables are; None when it was never migrated."""
    newest_revision: str | None
    """Where this version of the code wants them."""
    standing: Literal["current", "behind", "ahead", "unknown"]
    """`ahead` when a newer version of the code made it; `unknown` when it cannot be read."""
    encrypted: bool | None
    """Whether the file is encrypted (AES-256); None on Postgres, whose disks are its keeper's matter."""
    size_bytes: int
    damage: tuple[str, ...] | None
    """What a deep check found wrong; None when none was made."""
    problem: str | None
    """Why it cannot be used, and what to do; None when it can."""

    @property
    def well(self) -> bool:
        """Whether the store can be used as it is."""
        return self.standing == "current" and self.encrypted is not False and not self.damage


@dataclass(frozen=True, slots=True)
class StateReport:
    """How the state is."""

    engine: Literal["sqlcipher", "postgres"]
    tls: bool | None
    """Whether the connection to the server is encrypted; None for files."""
    stores: tuple[StoreReport, ...]

    @property
    def well(self) -> bool:
        """Whether every store can be used as it is."""
        return all(store.well for store in self.stores)


def migrate(state: State) -> None:
    """Apply the migrations that are missing, a store a transaction; does nothing when none is.

    Raises:
        SchemaError: a newer version of the code made the state.
    """
    for store in Store:
        with state.reading(store) as connection:
            revision = revisions.current_revision(connection, store)
        newest = revisions.newest_revision(store)
        if revision == newest:
            continue
        if revision is not None and not revisions.knows(store, revision):
            raise SchemaError(_ahead(store, revision, newest))
        with state.writing(store) as connection:
            # Of two that got here at once, the second finds nothing left to do.
            revisions.upgrade(connection, store)


def check(state: State, *, deep: bool = False) -> StateReport:
    """Tell how each store is; with `deep`, read every page of it."""
    stores = tuple(_check_store(state, store, deep) for store in Store)
    if state.dialect == "sqlite":
        return StateReport("sqlcipher", None, stores)
    try:
        with state.reading() as connection:
            driver = connection.connection.driver_connection
            tls = None if driver is None else bool(driver.pgconn.ssl_in_use)
    except StateError:
        tls = None
    return StateReport("postgres", tls, stores)


def _check_store(state: State, store: Store, deep: bool) -> StoreReport:
    newest = revisions.newest_revision(store)
    encrypted = None if state.folder is None else _is_encrypted(file_of(state.folder, store))
    try:
        with state.reading(store) as connection:
            revision = revisions.current_revision(connection, store)
            size = _size(state, connection, store)
            damage = _damage(connection, store) if deep else None
    except (StateError, sa.exc.DBAPIError) as error:
        told = (
            str(error)
            if isinstance(error, StateError)
            else f"The {store} store cannot be read: {error.orig}."
        )
        return StoreReport(store, False, None, newest, "unknown", encrypted, 0, None, told)
    standing: Literal["current", "behind", "ahead"]
    problem: str | None = None
    if revision == newest:
        standing = "current"
    elif revision is None or revisions.knows(store, revision):
        standing = "behind"
        problem = (
            f"The {store} store is at revision {revision}, not {newest}. Run: customer-profiles state migrate"
        )
    else:
        standing, problem = "ahead", _ahead(store, revision, newest)
    if damage:
        problem = f"The {store} store is damaged. Restore it from a backup."
    return StoreReport(store, True, revision, newest, standing, encrypted, size, damage, problem)


def _ahead(store: Store, revision: str, newest: str | None) -> str:
    return (
        f"The {store} store is at revision {revision}, and this version of the code only knows {newest}. "
        "Use the version that made it, or a newer one."
    )


def _is_encrypted(file: Path) -> bool | None:
    """Whether a file does not begin as a plain SQLite file does; None when it is empty or gone."""
    try:
        with file.open("rb") as opened:
            head = opened.read(len(_PLAIN))
    except OSError:
        return None
    return head != _PLAIN if head else None


def _size(state: State, connection: sa.Connection, store: Store) -> int:
    if state.folder is not None:
        files = (file_of(state.folder, store), Path(f"{file_of(state.folder, store)}-wal"))
        return sum(file.stat().st_size for file in files if file.exists())
    size = connection.exec_driver_sql(
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c "
        "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relkind = 'r'",
        (str(store),),
    )
    return int(size.scalar_one())


def _damage(connection: sa.Connection, store: Store) -> tuple[str, ...]:
    if connection.dialect.name == "sqlite":
        # Each page's own seal first: what SQLite itself cannot read, it would only call malformed.
        found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA cipher_integrity_check")]
        if not found:
            found = [str(row[0]) for row in connection.exec_driver_sql("PRAGMA integrity_check")]
        return tuple(line for line in found if line != "ok")
    damaged = []
    named = "SELECT tablename FROM pg_tables WHERE schemaname = %s ORDER BY 1"
    for table in connection.exec_driver_sql(named, (str(store),)).scalars().all():
        try:
            with connection.begin_nested():
                connection.exec_driver_sql(
                    f'SELECT count(*) FROM "{store}"."{table}" AS t WHERE t IS NOT NULL'
                ).all()
        except sa.exc.DBAPIError:
            damaged.append(f"table {table} cannot be read to its end")
    return tuple(damaged)
