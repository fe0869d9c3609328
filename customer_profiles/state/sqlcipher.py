"""The embedded engine: three SQLCipher files (AES-256) in a folder, each with one writer and many readers."""

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import Any

import sqlalchemy as sa
import sqlcipher3
from sqlalchemy.pool import QueuePool

from customer_profiles.state.errors import StateError, WrongKeyError
from customer_profiles.state.schema import Store

_WRITER_CACHE_KIB = {Store.STATE: 176 * 1024, Store.INBOX: 128 * 1024, Store.TRUST: 128 * 1024}
_READER_CACHE_KIB = 32 * 1024
_CHECKPOINT_PAGES = 16 * 1024
"""The write-ahead log is folded into the file when it has 64 MiB, so that seldom a batch pays for it."""

SEALS = ("HMAC_SHA256", "HMAC_SHA512")
"""How each page is sealed: files are made with the first (docs/decisions/two-engines.md), earlier ones have the second."""

_AGAIN_SECONDS = 0.002
_BEGIN_WRITING = "BEGIN IMMEDIATE"
_SETTING_DEFAULT = Lock()
"""SQLCipher takes the seal of a file that it attaches from a default of the process."""

KeyFor = Callable[[str], bytes]


def file_of(folder: Path, store: Store) -> Path:
    """The file of a store."""
    return folder / f"{store}.db"


def prepare_folder(folder: Path, *, read_only: bool) -> None:
    """Make the folder (mode 0700) and its empty files (mode 0600), or say why the state is not there."""
    files = [file_of(folder, store) for store in Store]
    missing = [file.name for file in files if not file.exists()]
    if not missing:
        return
    if read_only:
        what = f"{' and '.join(missing)} missing in" if folder.is_dir() else "there is no folder"
        raise StateError(
            f"No state to read: {what} {folder}. Check `state.url`, or run `customer-profiles run` first."
        )
    if any(file.exists() and file.stat().st_size for file in files):
        raise StateError(
            f"The state in {folder} is not whole: {' and '.join(missing)} missing. "
            "Put the files back from a backup; all three belong together."
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in files:
            os.close(os.open(file, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StateError(
            f"The state cannot be kept in {folder}: {error.strerror}. Check `state.url`."
        ) from None


def raw_key(key_for: KeyFor, store: Store) -> str:
    """A store's key as SQLCipher takes it without stretching it first."""
    key = key_for(f"state/{store}")
    if len(key) != 32:
        raise StateError(f"The key of the {store} store has {len(key)} bytes; SQLCipher needs 32.")
    return f"x'{key.hex()}'"


def make_engine(
    folder: Path, store: Store, key_for: KeyFor, wait_seconds: float, *, writer: bool
) -> sa.Engine:
    """The engine of one file: one connection when it writes, several when it reads."""
    file = _File.of(folder, store, key_for, wait_seconds)

    def connect() -> Any:
        connection = file.connect()
        if writer:
            _begin_log(connection, wait_seconds)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA wal_autocheckpoint = {_CHECKPOINT_PAGES}")
            connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KIB[store]}")
        else:
            connection.execute("PRAGMA query_only = ON")
        return connection

    if writer:
        turn = folder / f"{store}.turn"
        return _engine(
            connect, lambda connection: _begin_writing(connection, turn, wait_seconds), 1, wait_seconds
        )
    return _engine(connect, _begin_reading, 8, wait_seconds)


def make_everything_engine(folder: Path, key_for: KeyFor, wait_seconds: float) -> sa.Engine:
    """An engine whose connections read all three files at once."""
    files = {store: _File.of(folder, store, key_for, wait_seconds) for store in Store}

    def connect() -> Any:
        connection = files[Store.STATE].connect()
        for store in (Store.INBOX, Store.TRUST):
            files[store].attach(connection, store)
            connection.execute(f"PRAGMA {store}.cache_size = -{_READER_CACHE_KIB}")
        connection.execute("PRAGMA query_only = ON")
        return connection

    return _engine(connect, _begin_reading, 2, wait_seconds)


@dataclass(frozen=True)
class _File:
    """A file and how it opens."""

    path: Path
    key: str = field(repr=False)
    wait_seconds: float

    @classmethod
    def of(cls, folder: Path, store: Store, key_for: KeyFor, wait_seconds: float) -> "_File":
        return cls(file_of(folder, store), raw_key(key_for, store), wait_seconds)

    def connect(self) -> Any:
        connection = self._opened(self._seal)
        connection.execute("PRAGMA temp_store = MEMORY")  # a sort that spills would be plain text on disk
        connection.execute("PRAGMA mmap_size = 0")
        connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KIB}")
        return connection

    def attach(self, connection: Any, store: Store) -> None:
        seal = self._seal
        with _SETTING_DEFAULT:
            connection.execute(f"PRAGMA cipher_default_hmac_algorithm = {seal}")
            connection.execute(f"ATTACH DATABASE ? AS {store} KEY ?", (str(self.path), self.key))

    @cached_property
    def _seal(self) -> str:
        *others, last = SEALS
        for seal in others:
            with suppress(WrongKeyError):
                self._opened(seal).close()
                return seal
        self._opened(last).close()
        return last

    def _opened(self, seal: str) -> Any:
        # isolation_level=None: the driver begins nothing by itself, so that transactions hold table changes too.
        try:
            connection = sqlcipher3.connect(
                str(self.path),
                timeout=self.wait_seconds,
                isolation_level=None,
                check_same_thread=False,
                cached_statements=256,
            )
        except sqlcipher3.Error:
            raise StateError(
                f"{self.path} cannot be opened. Check that it is there and may be read and written."
            ) from None
        try:
            connection.execute("PRAGMA cipher_log_level = NONE")  # the errors below say it
            connection.execute(f'PRAGMA key = "{self.key}"')
            connection.execute(f"PRAGMA cipher_hmac_algorithm = {seal}")
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        except sqlcipher3.OperationalError as error:
            connection.close()
            raise StateError(f"{self.path} cannot be read: {error}.") from None
        except sqlcipher3.DatabaseError:
            connection.close()
            raise WrongKeyError(
                f"The key does not open {self.path}. Check `state.key`: it must be the one the file was made with. "
                "(A damaged file looks the same.)"
            ) from None
        return connection


def _begin_log(connection: Any, wait_seconds: float) -> None:
    """Set the write-ahead log, once for all who open the file after: it wants the file for itself."""
    until = time.monotonic() + wait_seconds
    while connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlcipher3.OperationalError:
            # Two first starts at once: SQLite refuses one of them without waiting.
            if time.monotonic() > until:
                raise
            time.sleep(_AGAIN_SECONDS)


def _begin_reading(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN")


def _begin_writing(connection: sa.Connection, turn: Path, wait_seconds: float) -> None:
    """Begin when no other process writes; who waits comes before who wrote last.

    SQLite gives its lock to whoever happens to look when it is free, so that a process that writes one transaction after the
    other lets nobody in. Here whoever waits for that lock has the turn meanwhile, and to begin takes the turn.
    """
    driver: Any = connection.connection.driver_connection
    until = time.monotonic() + wait_seconds
    try:
        descriptor = os.open(turn, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StateError(
            f"{turn} cannot be opened: {error.strerror}. Whoever writes the state needs it; nothing was written. "
            "Check that its folder is there, may be written, and has room."
        ) from None
    try:
        driver.execute("PRAGMA busy_timeout = 0")
        while not (_takes(descriptor) and _begins(driver)) and time.monotonic() < until:
            time.sleep(_AGAIN_SECONDS)
        if not driver.in_transaction:
            connection.exec_driver_sql(_BEGIN_WRITING)  # says what is wrong
    finally:
        driver.execute(f"PRAGMA busy_timeout = {int(wait_seconds * 1000)}")
        os.close(descriptor)


def _takes(turn: int) -> bool:
    """Whether the turn is this transaction's; it is until the file is closed, however the process ends."""
    try:
        fcntl.flock(turn, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _begins(driver: Any) -> bool:
    try:
        driver.execute(_BEGIN_WRITING)
    except sqlcipher3.OperationalError as error:
        return not error.sqlite_errorname.startswith("SQLITE_BUSY")
    return True


def _engine(
    connect: Callable[[], Any],
    begin: Callable[[sa.Connection], None],
    connections: int,
    wait_seconds: float,
) -> sa.Engine:
    engine = sa.create_engine(
        "sqlite://",
        creator=connect,
        module=sqlcipher3.dbapi2,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=0,
        pool_use_lifo=True,  # or each in turn would fill a cache of its own
        pool_timeout=wait_seconds,
        hide_parameters=True,
    )

    @sa.event.listens_for(engine, "begin")
    def begin_transaction(connection: sa.Connection) -> None:
        begin(connection)

    return engine
