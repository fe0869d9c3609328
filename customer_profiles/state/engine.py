"""Opens the state and hands out its transactions: one writer a store, snapshots for readers."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Literal, Self

import sqlalchemy as sa

from customer_profiles.state import postgres, sqlcipher
from customer_profiles.state.errors import StateBusyError, StateError
from customer_profiles.state.schema import Store
from customer_profiles.state.sqlcipher import KeyFor

if TYPE_CHECKING:
    from customer_profiles.state.history.history import History

__all__ = ["KeyFor", "State", "Store"]

WAIT_SECONDS = 60.0
"""How long a writer waits for another one before it gives up."""


class State:
    """The opened state. Safe to share between threads; each transaction has a connection of its own."""

    def __init__(
        self,
        url: str,
        dialect: Literal["sqlite", "postgresql"],
        writers: dict[Store, sa.Engine],
        readers: dict[Store, sa.Engine],
        everything: sa.Engine,
        folder: Path | None,
    ) -> None:
        """Use `State.open`."""
        self.url = url
        self.dialect = dialect
        self.folder = folder
        """Where the embedded files are; None on Postgres."""
        self.history: History | None = None
        """Where what is old is sealed; whoever opens the state says so."""
        self._writers = writers
        self._readers = readers
        self._everything = everything

    @classmethod
    def open(
        cls, url: str, key_for: KeyFor, *, read_only: bool = False, wait_seconds: float = WAIT_SECONDS
    ) -> Self:
        """Open `sqlite:FOLDER` (made on first use) or `postgresql://user@host/database`, if it answers.

        Args:
            url: where the state is.
            key_for: gives the 32 bytes of a named key; asked for `state/inbox`, `state/state`, `state/trust`.
            read_only: refuse every writing, and make nothing that is not there.
            wait_seconds: how long to wait for another writer.

        Raises:
            StateError: it cannot be opened; says why and what to do.
        """
        if url.startswith("sqlite:"):
            return cls._open_folder(url, key_for, read_only, wait_seconds)
        if url.startswith(("postgresql:", "postgres:", "postgresql+psycopg:")):
            return cls._open_server(url.replace("postgres:", "postgresql:", 1), read_only, wait_seconds)
        raise StateError("`state.url` must be sqlite:FOLDER or postgresql://user@host/database.")

    @classmethod
    def _open_folder(cls, url: str, key_for: KeyFor, read_only: bool, wait_seconds: float) -> Self:
        folder = Path(url.removeprefix("sqlite:").removeprefix("///"))
        sqlcipher.prepare_folder(folder, read_only=read_only)
        writers = {
            store: sqlcipher.make_engine(folder, store, key_for, wait_seconds, writer=True)
            for store in Store
            if not read_only
        }
        readers = {
            store: sqlcipher.make_engine(folder, store, key_for, wait_seconds, writer=False)
            for store in Store
        }
        everything = sqlcipher.make_everything_engine(folder, key_for, wait_seconds)
        state = cls(url, "sqlite", writers, readers, everything, folder)
        try:
            for engine in (*writers.values(), *readers.values()):
                engine.connect().close()
        except sa.exc.OperationalError as error:
            state.close()
            raise StateBusyError(
                f"The state in {folder} is being made by another process: {error.orig}."
            ) from None
        except BaseException:
            state.close()
            raise
        return state

    @classmethod
    def _open_server(cls, url: str, read_only: bool, wait_seconds: float) -> Self:
        engine = postgres.make_engine(url, wait_seconds, read_only=read_only)
        engines = dict.fromkeys(Store, engine)
        state = cls(url, "postgresql", {} if read_only else engines, engines, engine, None)
        try:
            postgres.check_server(engine)
        except BaseException:
            state.close()
            raise
        return state

    @property
    def read_only(self) -> bool:
        """Whether writing is refused."""
        return not self._writers

    @contextmanager
    def writing(self, store: Store = Store.STATE) -> Iterator[sa.Connection]:
        """A transaction that writes one store, all or nothing. Waits for another writer of the store.

        Raises:
            StateBusyError: the other one did not finish in time.
        """
        if self.read_only:
            raise StateError("The state was opened to read only.")
        with self._connect(self._writers[store], store, {"store": store}) as connection:
            if self.dialect == "postgresql":
                try:
                    postgres.lock_for_writing(connection, store)
                except sa.exc.OperationalError:
                    raise _busy(store) from None
            yield connection

    @contextmanager
    def reading(self, store: Store = Store.STATE) -> Iterator[sa.Connection]:
        """A transaction that sees one store as it is now, whatever is committed meanwhile."""
        with self._snapshot(self._readers[store], store, ("main",)) as connection:
            yield connection

    @contextmanager
    def everything(self) -> Iterator[sa.Connection]:
        """A transaction that reads all three stores. Embedded, each is seen as of its own last commit."""
        with self._snapshot(self._everything, Store.STATE, ("main", Store.INBOX, Store.TRUST)) as connection:
            yield connection

    @contextmanager
    def _snapshot(self, engine: sa.Engine, store: Store, files: tuple[str, ...]) -> Iterator[sa.Connection]:
        if self.dialect == "postgresql":
            options = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
            with self._connect(engine, store, options) as connection:
                connection.exec_driver_sql("SELECT 1").all()  # the moment is that of the first statement
                yield connection
            return
        with self._connect(engine, store, {}) as connection:
            for file in files:  # BEGIN alone sees nothing yet: the first read does
                connection.exec_driver_sql(f"SELECT 1 FROM {file}.sqlite_schema LIMIT 1").all()
            yield connection

    @contextmanager
    def _connect(
        self, engine: sa.Engine, store: Store, options: dict[str, object]
    ) -> Iterator[sa.Connection]:
        try:
            connection = engine.connect()
        except sa.exc.TimeoutError:
            raise _busy(store) from None
        except sa.exc.OperationalError as error:
            reason = " ".join(str(error.orig).split())
            raise StateError(f"The {store} store cannot be reached any more: {reason}.") from None
        with connection:
            if options:
                connection = connection.execution_options(**options)
            try:
                transaction = connection.begin()
            except sa.exc.OperationalError as error:
                if "locked" in str(error.orig) or "busy" in str(error.orig):
                    raise _busy(store) from None
                raise
            with transaction:
                yield connection

    def close(self) -> None:
        """Close every connection; the last one out folds the write-ahead log into the file."""
        for engine in {*self._writers.values(), *self._readers.values(), self._everything}:
            engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def store_of(connection: sa.Connection) -> Store:
    """The store that a writing connection writes."""
    store = connection.get_execution_options().get("store")
    if not isinstance(store, Store):
        raise StateError("This needs a connection of `State.writing`.")
    return store


def _busy(store: Store) -> StateBusyError:
    return StateBusyError(
        f"Another process is still writing the {store} store. Let it finish, then run this again."
    )
