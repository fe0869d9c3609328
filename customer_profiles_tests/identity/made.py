"""Records made for tests of identity, taken in by the real record book."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import orjson
import sqlalchemy as sa

from customer_profiles.cleaning.record_book import Put, RecordBook
from customer_profiles.cleaning.tables import CONTRACT_COLUMNS
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.monitoring.ledger import StageResult, total_of
from customer_profiles.settings import Settings
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.engine import State

SOURCE = "crm"
Envelope = tuple[str, dict[str, Any] | None]
"""A source key and the fields of the record, None for its deletion."""


def settings_with(folder: Path, **identity: Any) -> Settings:
    """Settings of one source whose identity part differs from the defaults as said."""
    return Settings(folder=folder, identity=IdentitySettings.model_validate(identity))


def take_in(state: State, envelopes: Iterable[Envelope], at: int = 1_000_000) -> None:
    """Take in envelopes in their order, in one transaction, as ingest does."""
    with state.writing() as connection:
        write_envelopes(connection, envelopes, at)


def write_envelopes(connection: sa.Connection, envelopes: Iterable[Envelope], at: int) -> None:
    """The same, in a transaction that somebody else has begun."""
    envelopes = list(envelopes)
    book = RecordBook(connection, SOURCE, ("contacts",), at)
    book.load([key for key, _ in envelopes])
    for key, fields in envelopes:
        book.put(_put(key, fields, at))
    book.flush()


def _put(key: str, fields: dict[str, Any] | None, at: int) -> Put:
    values: dict[str, Any] = dict.fromkeys(CONTRACT_COLUMNS)
    values |= fields or {}
    if fields is None:
        values["deleted_at"] = at
    return Put(
        feed="contacts",
        source_key=key,
        values=values,
        version=at,
        deletes=fields is None,
        present=True,
        seen={},
        raw=orjson.dumps(fields),
    )


def customers_of(state: State, generation: int = 1) -> dict[str, int]:
    """By source key of each live record its customer."""
    query = sa.text(
        "SELECT source_key, customer_no FROM member JOIN record ON record.record_no = member.record_no "
        "WHERE generation = :generation"
    )
    with state.reading() as connection:
        return {key: number for key, number in connection.execute(query, {"generation": generation})}


def partition_of(customers: dict[str, int]) -> set[frozenset[str]]:
    """The customers as sets of source keys."""
    found: dict[int, set[str]] = {}
    for key, number in customers.items():
        found.setdefault(number, set()).add(key)
    return {frozenset(keys) for keys in found.values()}


def founders_of(state: State, generation: int = 1) -> dict[str, tuple[str, int]]:
    """By source key of each live record the name of the claim that gives its customer its ID."""
    query = sa.text(
        "SELECT mine.source_key, founder.source_key, claim.incarnation FROM member "
        "JOIN record AS mine ON mine.record_no = member.record_no "
        "JOIN claim ON claim.claim_no = member.customer_no "
        "JOIN record AS founder ON founder.record_no = claim.record_no WHERE generation = :generation"
    )
    with state.reading() as connection:
        rows = connection.execute(query, {"generation": generation}).all()
    return {mine: (founder, incarnation) for mine, founder, incarnation in rows}


def resolve(state: State, settings: Settings, generation: int | None = None) -> StageResult:
    """Resolve all that waits, part by part, as a pipeline does."""
    return resolve_by(ResolveStage(state, settings, generation))


def resolve_by(stage: ResolveStage) -> StageResult:
    """Let a stage resolve all that waits; its parts added up."""
    results = [stage.advance(1_000)]
    while results[-1].more:
        results.append(stage.advance(1_000))
    total = total_of(results)
    assert total is not None
    return total
