"""Connects to a source's database to read only, and says what is wrong when that fails, without values or passwords."""

import sqlite3
from pathlib import Path
from urllib.parse import quote

import sqlalchemy as sa

from customer_profiles.sources.errors import SourceError


def connect(source: str, url: str) -> sa.Engine:
    """An engine for a source's database; an SQLite file is opened to read only.

    Raises:
        SourceError: the URL is none, or its driver is not installed.
    """
    try:
        parsed = sa.make_url(url)
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        if parsed.get_backend_name() == "sqlite":
            return _sqlite(source, parsed)
        return sa.create_engine(parsed, pool_pre_ping=True)
    except sa.exc.NoSuchModuleError:
        raise SourceError(
            f"{source}: no kind of database {sa.make_url(url).drivername} is known: correct its connector's `url`"
        ) from None
    except (sa.exc.ArgumentError, ValueError):
        raise SourceError(
            f"{source}: its connector's `url` is no database URL: write it as in postgresql://USER@HOST/DATABASE"
        ) from None
    except ModuleNotFoundError as error:
        raise SourceError(
            f"{source}: its database needs the Python package {error.name}: install it"
        ) from None


def failed(feed: str, table: str | None, url: sa.URL, error: sa.exc.SQLAlchemyError) -> SourceError:
    """The error to raise when a table of a database cannot be read."""
    if isinstance(error, sa.exc.NoSuchTableError):
        return SourceError(
            f"{feed}: the database {_told(url)} has no table {table}: correct `table` in the settings, "
            "or bring the table back"
        )
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).is_file():
        return SourceError(
            f"{feed}: there is no database file {url.database}: correct `url` in the settings, or bring the file back"
        )
    # The text of a driver's error can hold values of rows and passwords: only its kind is told.
    cause = getattr(error, "orig", None) or error
    return SourceError(
        f"{feed}: the database {_told(url)} cannot be read ({type(cause).__name__}): "
        "check that it runs, that the URL is right, and that the account may read the table"
    )


def _sqlite(source: str, url: sa.URL) -> sa.Engine:
    place = url.database

    def connect() -> sqlite3.Connection:
        # Opening a file that is not there would make an empty one.
        connection = sqlite3.connect(f"file:{quote(str(place))}?mode=ro", uri=True, check_same_thread=False)
        connection.text_factory = _text_or_bytes
        return connection

    return sa.create_engine(url, creator=connect, poolclass=sa.QueuePool) if place else sa.create_engine(url)


def _text_or_bytes(value: bytes) -> str | bytes:
    # The driver would refuse the whole page for one text that is not UTF-8.
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value


def _told(url: sa.URL) -> str:
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.get_backend_name()} {url.host or ''}/{url.database or ''}"
