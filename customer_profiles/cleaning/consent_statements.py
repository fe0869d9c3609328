"""Hands what sources say about consent to the ledger, keyed by record, before the cursor moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from customer_profiles.cleaning.tables import record
from customer_profiles.consent.ledger import Appended, append
from customer_profiles.consent.statements import Statement
from customer_profiles.state.bulk import rows_by_key
from customer_profiles.state.engine import State, Store
from customer_profiles.state.schema import from_json


@dataclass(frozen=True, slots=True)
class Speaker:
    """A delivered record that says something about consent, with its version."""

    values: Mapping[str, Any]
    version: int


def append_statements(state: State, statements: Sequence[Statement]) -> Appended:
    """Append statements in a transaction of the trust store's own; the same ones again change nothing."""
    if not statements:
        return Appended(0, 0)
    with state.writing(Store.TRUST) as connection:
        return append(connection, statements)


def statements_of_records(
    state: State, source: str, speakers: Sequence[Speaker], numbers: Mapping[str, int], received_at: int
) -> list[Statement]:
    """The statements that delivered records make anew.

    A record repeats its choices whenever something else in it changes; only what differs from the version before is said
    now. It counts from the time the source gives, else from the record's own change.
    """
    with state.reading() as connection:
        held = rows_by_key(
            connection,
            record,
            ("source", "source_key"),
            [(source, source_key) for source_key in numbers],
            ("source_key", "source_version", "consent"),
        )
    before = {
        key: (version, _said(from_json(consent)) if consent else set()) for key, version, consent in held
    }
    statements: list[Statement] = []
    for speaker in speakers:
        values = speaker.values
        source_key = values["source_key"]
        version, known = before.get(source_key, (0, set()))
        now = _said(values["consent"])
        older = speaker.version < version
        for purpose, choice, stated_at in sorted(now if older else now - known, key=repr):
            at = stated_at or values["updated_at"] or values["created_at"] or received_at
            statements.append(
                Statement(
                    numbers[source_key], source, source_key, purpose, choice, at, received_at, method="record"
                )
            )
        if not older:
            before[source_key] = speaker.version, now
    return statements


def _said(consent: Sequence[Mapping[str, Any]]) -> set[tuple[str, str, int | None]]:
    return {(said["purpose"], said["choice"], said.get("stated_at")) for said in consent}
