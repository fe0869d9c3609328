"""The server engine: one Postgres database with three schemas, over TLS unless it is on this machine."""

import ipaddress
import os
from typing import Any

import sqlalchemy as sa

from customer_profiles.state.errors import StateError, clean_driver_errors
from customer_profiles.state.schema import Store

OLDEST_VERSION = 15
_WEAK = {"disable", "allow", "prefer"}
_LOCKS = {Store.INBOX: 1, Store.STATE: 2, Store.TRUST: 3}
_LOCK_SPACE = 0x43505253
"""The first half of our advisory locks' keys, so that no other program meets them by chance."""


def make_engine(url: str, wait_seconds: float, *, read_only: bool) -> sa.Engine:
    """The engine of the database; refuses a connection in the clear to another machine."""
    try:
        address = sa.make_url(url).set(drivername="postgresql+psycopg")
    except sa.exc.ArgumentError:
        raise StateError("`state.url` cannot be read: write postgresql://user@host/database.") from None
    try:
        import psycopg
    except ImportError:
        raise StateError("Postgres needs its driver: pip install 'customer-profiles[postgres]'.") from None

    arguments: dict[str, Any] = {"application_name": "customer-profiles"}
    if "connect_timeout" not in address.query:
        arguments["connect_timeout"] = 10
    needs_tls = not _is_here(address)
    if needs_tls:
        arguments["sslmode"] = _sslmode(address)
        arguments["gssencmode"] = (
            "disable"  # or an encrypted GSSAPI channel would stand in for the certificate
        )
        address = address.difference_update_query(["sslmode", "gssencmode"])
    engine = sa.create_engine(
        address,
        connect_args=arguments,
        pool_size=4,
        max_overflow=12,
        pool_timeout=wait_seconds,
        pool_use_lifo=True,  # or each in turn would keep plans and temporary tables of its own
        pool_pre_ping=True,
        hide_parameters=True,
    )
    clean_driver_errors(engine)

    @sa.event.listens_for(engine, "connect", insert=True)
    def prepare(connection: psycopg.Connection[Any], _record: object) -> None:
        if needs_tls and not connection.pgconn.ssl_in_use:
            connection.close()
            raise StateError(
                "The connection to the state is not encrypted, and the database is on another machine."
            )
        connection.adapters.register_loader("numeric", _whole_or_real(psycopg))
        connection.execute("SET search_path TO state, inbox, trust")
        connection.execute(f"SET lock_timeout TO {int(wait_seconds * 1000)}")
        connection.execute("SET client_min_messages TO warning")
        if read_only:
            connection.execute("SET default_transaction_read_only TO on")
        connection.commit()

    return engine


def check_server(engine: sa.Engine) -> None:
    """Reach the server and see that it can hold a state.

    Raises:
        StateError: it cannot be reached, is too old, or does not keep text as UTF-8.
    """
    where = engine.url.render_as_string(hide_password=True)
    try:
        with engine.connect() as connection:
            version = int(connection.exec_driver_sql("SHOW server_version_num").scalar_one()) // 10000
            encoding = connection.exec_driver_sql("SHOW server_encoding").scalar_one()
    except sa.exc.OperationalError as error:
        reason = " ".join(str(error.orig).split())
        raise StateError(
            f"The state's database cannot be reached at {where}: {reason}. Check `state.url`."
        ) from None
    if version < OLDEST_VERSION:
        raise StateError(f"{where} is Postgres {version}; the state needs {OLDEST_VERSION} or newer.")
    if encoding != "UTF8":
        raise StateError(f"The database at {where} keeps text as {encoding}; create it with ENCODING 'UTF8'.")


def lock_for_writing(connection: sa.Connection, store: Store) -> None:
    """Wait until nobody else writes the store; the lock goes with the transaction."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_LOCK_SPACE}, {_LOCKS[store]})")


def _is_here(address: sa.URL) -> bool:
    """Whether every host that libpq might connect to is this machine."""
    if "service" in address.query or os.environ.get("PGSERVICE"):
        return False
    hosts: list[str] = [address.host] if address.host else []
    for name in ("host", "hostaddr"):
        given = address.query.get(name) or ()
        hosts.extend([given] if isinstance(given, str) else given)
    if not hosts:
        hosts = [os.environ.get("PGHOST", "")]
    hosts.append(os.environ.get("PGHOSTADDR", ""))
    return all(_is_loopback(host) for several in hosts for host in several.split(","))


def _is_loopback(host: str) -> bool:
    if host == "" or host.startswith(("/", "@")) or host == "localhost":
        return True  # nothing named, or a path: a socket of this machine
    bare = host.strip("[]")
    for candidate in (bare, bare.rsplit(":", 1)[0]):
        try:
            return ipaddress.ip_address(candidate).is_loopback
        except ValueError:
            continue
    return bare.rsplit(":", 1)[0] == "localhost"


def _sslmode(address: sa.URL) -> str:
    given = address.query.get("sslmode") or os.environ.get("PGSSLMODE") or "require"
    mode = given if isinstance(given, str) else given[-1]
    if mode in _WEAK:
        raise StateError(
            f"sslmode={mode} may send customer data in the clear to {address.host or 'another machine'}. "
            "In `state.url`, use sslmode=verify-full with sslrootcert (or at least sslmode=require)."
        )
    return mode


def _whole_or_real(psycopg: Any) -> Any:
    """Makes of NUMERIC, the type of a sum of 64-bit numbers, what SQLite makes of such a sum."""

    class WholeOrReal(psycopg.adapt.Loader):  # type: ignore[misc]
        def load(self, data: Any) -> int | float:
            text = bytes(data)
            return int(text) if text.lstrip(b"-").isdigit() else float(text)

    return WholeOrReal
