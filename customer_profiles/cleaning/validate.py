"""Checks clean rows against their contract, all reasons of a row at once, as codes."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from customer_profiles.cleaning.reasons import Fault, Reason
from customer_profiles.cleaning.rows import CleanRow
from customer_profiles.contracts import Contract, failures

_KEY_FIELDS = {"source_key", "event_id", "statement_id", "record_key"}
_RULES: tuple[tuple[str, Reason, tuple[str, ...]], ...] = (
    ("names nobody", Reason.MISSING_KEY, ("record_key", "identifiers")),
    ("occurred more than 5 minutes", Reason.FUTURE_EVENT, ("occurred_at",)),
    ("value without a currency", Reason.MISSING_FIELD, ("currency", "value")),
    ("purchase without", Reason.MISSING_FIELD, ("properties", "value")),
)
"""Of each rule over several fields: a part of its sentence, its code, the fields that it is about."""
_SENTENCES: tuple[tuple[str, Reason], ...] = (
    ("is longer than", Reason.TOO_LARGE),
    ("a value longer than", Reason.TOO_LARGE),
    ("has more than", Reason.TOO_LARGE),
    ("wrong encoding", Reason.BAD_ENCODING),
    ("microseconds", Reason.BAD_DATE),
    ("not a date", Reason.BAD_DATE),
    ("lies in the future", Reason.BAD_DATE),
    ("minor units", Reason.BAD_AMOUNT),
    ("is none of", Reason.NOT_ALLOWED),
    ("does not have the form", Reason.NOT_ALLOWED),
    ("has no ", Reason.MISSING_FIELD),
)
"""Parts of the sentences of the contracts' checks, and their codes."""


def validate(contract: Contract, rows: Sequence[CleanRow]) -> None:
    """Add to each row the faults that its contract finds in it.

    A field that could not even be read is not blamed a second time for being empty.
    """
    if not rows:
        return
    columns = {name: [row.values[name] for row in rows] for name in contract.names}
    frame = pd.DataFrame(columns, dtype=object)
    for failure in failures(contract, frame):
        row = rows[failure.row]
        fault, about = code_of(failure.field, failure.reason)
        known = {one.field for one in row.faults}
        if not known.intersection(about):
            row.faults.append(fault)
    for row in rows:
        if row.faults:
            row.faults = sorted(set(row.faults))


def code_of(field: str, sentence: str) -> tuple[Fault, tuple[str, ...]]:
    """The fault that a sentence of a contract's check tells of, and the fields it is about."""
    if not field:
        for part, reason, about in _RULES:
            if part in sentence:
                return Fault(reason.value, about[0]), about
        return Fault(Reason.NOT_ALLOWED.value), ()
    if sentence.endswith("is missing"):
        reason = Reason.MISSING_KEY if field in _KEY_FIELDS else Reason.MISSING_FIELD
        return Fault(reason.value, field), (field,)
    for part, reason in _SENTENCES:
        if part in sentence:
            return Fault(reason.value, field), (field,)
    return Fault(Reason.WRONG_TYPE.value, field), (field,)
