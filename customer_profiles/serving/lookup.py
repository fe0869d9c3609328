"""Finds the customer that an identifier belongs to, through indexes alone."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from uuid import UUID

from sqlalchemy import Connection, text

from customer_profiles.cleaning.normalise.email import email
from customer_profiles.cleaning.normalise.phone import phone
from customer_profiles.cleaning.reasons import Reason
from customer_profiles.cleaning.tables import identifier as identifier_table
from customer_profiles.identity.claims.customer_ids import customer_of_id
from customer_profiles.identity.tables import member
from customer_profiles.serving.errors import AmbiguousIdentifier, ServingError, UnknownCustomer
from customer_profiles.settings import Settings
from customer_profiles.state.bulk import rows_by_key

_PHONE = re.compile(r"\+?[0-9][0-9 ()./-]{4,}")

_RECORD = text(
    "SELECT record_no FROM record WHERE source = :source AND source_key = :source_key AND deleted_at IS NULL"
)


@dataclass(frozen=True, slots=True)
class Named:
    """One reading of an identifier: its kind and normalised value."""

    kind: str
    value: str


def find_customer(conn: Connection, settings: Settings, generation: int, identifier: str) -> int:
    """The number of the customer that an identifier belongs to.

    Args:
        conn: A connection that sees the state store.
        settings: Says which kinds of identifiers and which sources there are.
        generation: The generation that is served.
        identifier: A customer ID; `kind:value`, where the kind is that of an identifier or the name of a
            source (whose record key the value is then; a name that is both is tried as both); or a bare email,
            phone number or other identifier.

    Raises:
        UnknownCustomer: nobody is known by it.
        AmbiguousIdentifier: several customers hold it, or it is listed as nobody's in particular.
        ServingError: the text is empty or its kind is unknown.
    """
    asked = identifier.strip()
    if not asked:
        raise ServingError(
            "No identifier was given: name a customer ID, kind:value, an email or a phone number."
        )
    if (as_id := _customer_id(asked)) is not None:
        found = customer_of_id(conn, generation, as_id)
        if found is not None:
            return found
    kind, colon, value = asked.partition(":")
    is_source = bool(colon) and kind in settings.sources
    of_source = _records_of_source(conn, kind, value) if is_source else []
    readings = [] if is_source and kind not in settings.identity.identifiers else _readings(settings, asked)
    named = [one for one in readings if not _is_generic(settings, one)]
    if readings and not named and not of_source:
        raise AmbiguousIdentifier(
            "The identifier is listed as generic (identity.generic_values), so it names nobody. "
            "Ask by another one."
        )
    rows = rows_by_key(
        conn, identifier_table, ("kind", "value"), [(one.kind, one.value) for one in named], ("record_no",)
    )
    tried = [
        *(["a customer ID"] if as_id is not None else []),
        *([f"a key of the source {kind}"] if is_source else []),
        *(one.kind for one in named),
    ]
    return _the_only_one(conn, generation, [*of_source, *(record_no for (record_no,) in rows)], tried)


def _customer_id(asked: str) -> UUID | None:
    try:
        found = UUID(asked)
    except ValueError:
        return None
    return found if found.version == 8 else None


def _readings(settings: Settings, asked: str) -> list[Named]:
    """What the text can mean: with a kind one thing, bare whatever its look allows."""
    kinds = settings.identity.identifiers
    kind, colon, value = asked.partition(":")
    if colon and kind in kinds:
        return [_normalised(settings, kind, value)]
    if colon and re.fullmatch(r"[a-z][a-z0-9_]*", kind):
        known = ", ".join(sorted({*kinds, *settings.sources}))
        raise ServingError(f'There is no identifier kind and no source "{kind}". There are: {known}.')
    if "@" in asked:
        return [_normalised(settings, "email", asked)]
    readings = [Named(kind, asked) for kind in kinds if kind not in ("email", "phone")]
    if _PHONE.fullmatch(asked):
        readings.append(_normalised(settings, "phone", asked))
    return readings


def _normalised(settings: Settings, kind: str, value: str) -> Named:
    value = value.strip()
    clean: str | Reason | None
    if kind == "email":
        clean = email(value)
    elif kind == "phone":
        clean = phone(value, settings.defaults.phone_region or "ZZ")
    else:
        clean = value
    return Named(kind, value if clean is None or isinstance(clean, Reason) else clean)


def _is_generic(settings: Settings, named: Named) -> bool:
    patterns = settings.identity.generic_values.get(named.kind, ())
    return any(fnmatchcase(named.value, pattern) for pattern in patterns)


def _records_of_source(conn: Connection, source: str, source_key: str) -> list[int]:
    return list(conn.execute(_RECORD, {"source": source, "source_key": source_key.strip()}).scalars())


def _the_only_one(conn: Connection, generation: int, record_nos: Iterable[int], tried: Sequence[str]) -> int:
    keys = [(generation, record_no) for record_no in record_nos]
    found = rows_by_key(conn, member, ("generation", "record_no"), keys, ("customer_no",))
    customers: set[int] = {customer_no for (customer_no,) in found}
    if not customers:
        raise UnknownCustomer(
            f"Nobody is known by this identifier; it was tried as {', '.join(tried)}. Check its spelling, "
            "or say what it is: KIND:VALUE or SOURCE:KEY."
        )
    if len(customers) > 1:
        raise AmbiguousIdentifier(
            f"The identifier belongs to {len(customers)} customers, so it finds none of them. "
            "Ask by another one."
        )
    return customers.pop()
