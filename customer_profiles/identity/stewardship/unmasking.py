"""Who was shown values of persons in clear, when, of which records, and why: appended before they are shown, never rewritten."""

from __future__ import annotations

import time
from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.identity.stewardship.masking import MaskingError
from customer_profiles.identity.tables import unmasking
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve


@dataclass(frozen=True)
class Unmasking:
    """One time that values were shown in clear.

    Attributes:
        unmasking_no: Its number.
        asked_at: When (micros).
        asked_by: Who asked.
        command: What showed them: `explain`, `review`, …
        record_nos: Whose values they were, rising.
        reason: Why; free text, which may hold personal data.
    """

    unmasking_no: int
    asked_at: int
    asked_by: str
    command: str
    record_nos: tuple[int, ...]
    reason: str


def keep_unmasking(
    connection: sa.Connection,
    *,
    by: str,
    command: str,
    record_nos: Collection[int],
    reason: str,
    asked_at: int | None = None,
) -> int:
    """Write down that values are about to be shown in clear; show them once this is committed.

    Args:
        connection: Writing to the state store.
        by: Who asks.
        command: What shows them.
        record_nos: Whose values they are.
        reason: Why.
        asked_at: When (micros), now by default.

    Returns:
        Its number.

    Raises:
        MaskingError: It is not said who asks, or not why.
    """
    if not by.strip() or not reason.strip():
        raise MaskingError(
            "Values of persons are shown in clear to somebody, for a reason: say who asks, and why."
        )
    number = reserve(connection, "unmasking")
    connection.execute(
        unmasking.insert().values(
            unmasking_no=number,
            asked_at=time.time_ns() // 1000 if asked_at is None else asked_at,
            asked_by=by,
            command=command,
            record_nos=to_json(sorted(set(record_nos))),
            reason=reason,
        )
    )
    return number


def kept_unmaskings(connection: sa.Connection, limit: int | None = None) -> list[Unmasking]:
    """Each time that values were shown in clear, the newest first.

    Args:
        connection: Reading the state store.
        limit: How many at most; None for all.
    """
    names = tuple(Unmasking.__annotations__)
    query = sa.select(*(unmasking.c[name] for name in names)).order_by(unmasking.c.unmasking_no.desc())
    rows = connection.execute(query if limit is None else query.limit(limit))
    return [
        Unmasking(number, at, by, command, tuple(from_json(records)), reason)
        for number, at, by, command, records, reason in rows
    ]
