"""What can go wrong with the state, told so that a user can act; drivers' messages without their values."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError


class StateError(CustomerProfilesError):
    """The state cannot be opened, read or written."""


class WrongKeyError(StateError):
    """A file of the state does not open with its key."""


class StateBusyError(StateError):
    """Another process kept writing for longer than this one was willing to wait."""


class SchemaError(StateError):
    """The state's tables are not those this version of the code works with."""


class CursorMoved(StateError):
    """Somebody else moved a stage's cursor in the meantime; the work in hand was not kept."""


def is_away(error: Exception) -> bool:
    """Whether it is the state that cannot be read or written for now: a server that restarts, a full disk, a writer who stays."""
    if isinstance(error, StateError):
        return not isinstance(error, CursorMoved | SchemaError | WrongKeyError)
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError | sa.exc.InternalError)


def is_full(error: sa.exc.DBAPIError) -> bool:
    """Whether the disk of the state is full: told by SQLite in words, by Postgres with SQLSTATE 53100."""
    return getattr(error.orig, "sqlstate", None) == "53100" or "disk is full" in str(error.orig)


def take_out_values(error: BaseException) -> None:
    """Rewrite a Postgres driver's message so that it names the rule and the table, never the values.

    Postgres tells the offending row in DETAIL and CONTEXT, and the offending text in its first line.
    """
    diagnosis: Any = getattr(error, "diag", None)
    state = getattr(error, "sqlstate", None)
    if diagnosis is None or state is None:
        return
    named = [
        f"{what} {name}"
        for what, name in (
            ("constraint", diagnosis.constraint_name),
            ("table", diagnosis.table_name),
            ("column", diagnosis.column_name),
        )
        if name
    ]
    # These classes never quote a value: the statement's own words (42), connections, the server, locks.
    told = (
        diagnosis.message_primary
        if state[:2] in {"42", "57", "53", "25", "55", "40", "08", "28", "3D"}
        else None
    )
    error.args = (" ".join(filter(None, [told or type(error).__name__, f"[{state}]", *named])),)


def clean_driver_errors(engine: sa.Engine) -> None:
    """Take the values out of every error the engine's driver raises."""

    @sa.event.listens_for(engine, "handle_error")
    def clean(context: sa.engine.ExceptionContext) -> None:
        take_out_values(context.original_exception)
        if isinstance(context.sqlalchemy_exception, sa.exc.DBAPIError):
            original = context.original_exception
            context.sqlalchemy_exception.args = (f"({type(original).__qualname__}) {original}",)


@contextmanager
def driver_errors(connection: sa.Connection, statement: str) -> Iterator[None]:
    """Around direct use of the driver: its errors become SQLAlchemy's, without values."""
    base: type[Exception] = connection.dialect.loaded_dbapi.Error
    try:
        yield
    except base as error:
        take_out_values(error)
        raise sa.exc.DBAPIError.instance(
            statement, None, error, base, hide_parameters=True, dialect=connection.dialect
        ) from None
