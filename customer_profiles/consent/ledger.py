"""The consent ledger: statements are appended, found by record, and never changed."""

from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection

from customer_profiles.consent.statements import Statement
from customer_profiles.consent.tables import consent_statement
from customer_profiles.state.bulk import insert_rows, rows_by_key
from customer_profiles.state.sequences import reserve

_COLUMNS = (
    "record_no",
    "source",
    "source_key",
    "purpose",
    "choice",
    "stated_at",
    "received_at",
    "method",
    "notice",
    "statement_id",
)


@dataclass(frozen=True, slots=True)
class Appended:
    """How many statements were new, and how many the ledger already had."""

    appended: int
    unchanged: int


def append(conn: Connection, statements: Iterable[Statement]) -> Appended:
    """Append statements; one that the ledger already holds is left as it is.

    Args:
        conn: A writing connection to the trust store. Call this before the cursor of what delivered them
            moves: delivered again, they change nothing.
        statements: In any order.
    """
    received = list(statements)
    by_key: dict[bytes, Statement] = {}
    for one in received:
        by_key.setdefault(one.key, one)
    held = {
        bytes(key)
        for (key,) in rows_by_key(conn, consent_statement, "statement_key", list(by_key), ["statement_key"])
    }
    new = {key: one for key, one in by_key.items() if key not in held}
    if new:
        first = reserve(conn, "statement", len(new))
        rows = [
            (number, key, *(getattr(one, name) for name in _COLUMNS))
            for number, (key, one) in enumerate(new.items(), first)
        ]
        insert_rows(conn, consent_statement, ("statement_no", "statement_key", *_COLUMNS), rows)
    return Appended(len(new), len(received) - len(new))


def statements_of(conn: Connection, record_nos: Iterable[int]) -> list[Statement]:
    """Every statement of the given records, in the order in which they were received.

    Args:
        conn: A connection that sees the trust store.
        record_nos: Arrival numbers of the records, the dead ones of a customer included: a refusal outlives
            its record.
    """
    columns = ("statement_no", *_COLUMNS)
    rows = rows_by_key(conn, consent_statement, "record_no", sorted(set(record_nos)), columns)
    return [Statement(*row[1:]) for row in sorted(rows)]
