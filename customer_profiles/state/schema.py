"""What tables are made of: three stores, types that both engines keep alike, declarations of every column.

The tables themselves live in each floor's own `tables.py`.
"""

from enum import StrEnum
from typing import Any

import orjson
import sqlalchemy as sa

from customer_profiles.contracts.classes import DataClass


class Store(StrEnum):
    """One of the three places of the state, by who writes it. No writer waits for another store's writer."""

    INBOX = "inbox"
    """The collector's: what arrived and was not read yet."""
    STATE = "state"
    """The pipeline's: records, identity, marts, cursors."""
    TRUST = "trust"
    """Consent, suppression, keys, audit: restored apart from the rest."""


class Owner(StrEnum):
    """Whose data a column holds, so that what an erasure must cover can be derived."""

    RECORD = "record"
    """Belongs to one record and goes with it."""
    CUSTOMER = "customer"
    """Derived from the records of one customer; is derived again when they change."""
    SOURCE = "source"
    """Tells of a source as a whole."""
    SYSTEM = "system"
    """Tells of nobody: cursors, versions, counts."""


_CONSTRAINT_NAMES = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "pk": "pk_%(table_name)s",
}

INBOX = sa.MetaData(naming_convention=_CONSTRAINT_NAMES)
STATE = sa.MetaData(naming_convention=_CONSTRAINT_NAMES)
TRUST = sa.MetaData(naming_convention=_CONSTRAINT_NAMES)
METADATA = {Store.INBOX: INBOX, Store.STATE: STATE, Store.TRUST: TRUST}
"""The tables of each store. A table's name is unique over all three: SQL never needs to qualify it."""

Number = sa.BigInteger
"""A 64-bit whole number: record numbers, counts, minor units of money, flags (0 or 1)."""
Micros = sa.BigInteger
"""A moment: microseconds since 1970 in UTC."""
Text = sa.Text
"""Text, compared and sorted by code point on both engines."""
Json = sa.Text
"""JSON text. Written with `to_json` and read with `from_json` by the caller, in Core and in bulk alike."""
Bytes = sa.LargeBinary
"""Bytes as they are."""
Real = sa.Double
"""A 64-bit floating point number, for what is not summed: scores, shares, metrics."""


def column(
    name: str,
    type_: type[sa.types.TypeEngine[Any]] | sa.types.TypeEngine[Any],
    *args: Any,
    owner: Owner,
    data_class: DataClass,
    **kw: Any,
) -> sa.Column[Any]:
    """A column that says whose data it holds and of what class. Not nullable unless it says so.

    Text gets the collation "C" on Postgres, to sort as on SQLite; numbers never count up by themselves.
    """
    kind = type_() if isinstance(type_, type) else type_
    if isinstance(kind, sa.BigInteger) and kw.get("primary_key"):
        kind = kind.with_variant(sa.Integer(), "sqlite")  # only INTEGER is SQLite's own row key
    elif isinstance(kind, sa.Text):
        kind = kind.with_variant(sa.Text(collation="C"), "postgresql")
    kw.setdefault("nullable", False)
    kw.setdefault("autoincrement", False)
    info = {**kw.pop("info", {}), "owner": owner, "data_class": data_class}
    return sa.Column(name, kind, *args, info=info, **kw)


def to_json(value: object) -> str:
    """JSON text with sorted keys, so that equal values are equal text."""
    return orjson.dumps(value, option=orjson.OPT_SORT_KEYS).decode()


def from_json(text: str) -> Any:
    """The value of JSON text that `to_json` wrote."""
    return orjson.loads(text)
