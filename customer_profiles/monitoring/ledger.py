"""The ledger: everything received is accounted for, batch by batch, and a check says so."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import takewhile
from typing import Any

import sqlalchemy as sa

from customer_profiles.monitoring.tables import TERMS, ledger, ledger_total
from customer_profiles.state.bulk import delete_rows, upsert_rows
from customer_profiles.state.schema import to_json
from customer_profiles.state.sequences import reserve

Fact = str | int | float | bool


@dataclass(frozen=True, slots=True)
class StageResult:
    """What one call of a stage did.

    Attributes:
        stage: The stage's name.
        source: The source it read, or the empty text.
        received: Envelopes or changes taken in; always the sum of the six terms that follow.
        applied: Changed something.
        unchanged: Said what was known.
        duplicate: Came before, or is older than what is known.
        quarantined: Cannot be used as it is; waits for a retry.
        suppressed: Of somebody who was erased.
        declined: Somebody does not consent to its being kept.
        watermark: Everything received up to here is in (micros), when this call read to the end of what was there.
        seconds: How long it took.
        more: Whether there is more to do at once.
        facts: Other things worth knowing, by name; never a value of a person.
    """

    stage: str
    source: str = ""
    received: int = 0
    applied: int = 0
    unchanged: int = 0
    duplicate: int = 0
    quarantined: int = 0
    suppressed: int = 0
    declined: int = 0
    watermark: int | None = None
    seconds: float = 0.0
    more: bool = False
    facts: Mapping[str, Fact] = field(default_factory=dict)

    @property
    def adds_up(self) -> bool:
        """Whether what was received is all accounted for."""
        return bool(self.received == sum(getattr(self, term) for term in TERMS))


@dataclass(frozen=True, slots=True)
class LedgerCheck:
    """Whether the ledger adds up.

    Attributes:
        totals: Of all batches: `received` and each term.
        batches: How many batches there are.
        wrong_batches: The numbers of those that do not add up (the first hundred).
    """

    totals: Mapping[str, int]
    batches: int
    wrong_batches: tuple[int, ...]

    @property
    def adds_up(self) -> bool:
        """Whether every batch does, and so the whole."""
        return not self.wrong_batches and self.totals["received"] == sum(self.totals[term] for term in TERMS)


def record_batch(connection: sa.Connection, result: StageResult, committed_at: int | None = None) -> int:
    """Write the ledger's row of a batch, in the transaction of its work.

    Args:
        connection: A writing connection to the state store.
        result: What the batch did.
        committed_at: Now, in micros.

    Returns:
        The number of the batch.
    """
    number = reserve(connection, "batch", 1)
    connection.execute(
        ledger.insert().values(
            batch_no=number,
            stage=result.stage,
            source=result.source,
            received=result.received,
            **{term: getattr(result, term) for term in TERMS},
            watermark=result.watermark,
            seconds=result.seconds,
            committed_at=time.time_ns() // 1000 if committed_at is None else committed_at,
            facts=to_json(dict(result.facts)),
        )
    )
    return number


def ledger_check(
    connection: sa.Connection, stage: str | None = None, source: str | None = None
) -> LedgerCheck:
    """Whether received = applied + unchanged + duplicate + quarantined + suppressed + declined, for every batch and in total."""
    chosen = [
        column == wanted
        for column, wanted in ((ledger.c.stage, stage), (ledger.c.source, source))
        if wanted is not None
    ]
    names = ("received", *TERMS)
    sums = [sa.func.coalesce(sa.func.sum(ledger.c[name]), 0) for name in names]
    row = connection.execute(sa.select(sa.func.count(), *sums).where(*chosen)).one()
    old = connection.execute(
        sa.select(
            *(sa.func.coalesce(sa.func.sum(ledger_total.c[name]), 0) for name in ("batches", *names))
        ).where(
            *[
                ledger_total.c[name] == wanted
                for name, wanted in (("stage", stage), ("source", source))
                if wanted is not None
            ]
        )
    ).one()
    terms: sa.ColumnElement[int] = sum((ledger.c[term] for term in TERMS), start=sa.literal(0))
    wrong = connection.execute(
        sa.select(ledger.c.batch_no)
        .where(*chosen, ledger.c.received != terms)
        .order_by(ledger.c.batch_no)
        .limit(100)
    )
    batches, *counts = (int(kept) + int(gone) for kept, gone in zip(row, old, strict=True))
    return LedgerCheck(dict(zip(names, counts, strict=True)), batches, tuple(wrong.scalars()))


def add_up_old_batches(connection: sa.Connection, before: int, upto: int | None, limit: int) -> int:
    """Put the oldest batches together into one row of each stage and source. Those that do not add up stay as they are.

    Args:
        connection: A writing connection to the state store.
        before: Only those committed before then (micros).
        upto: Only those up to this number; None for all.
        limit: How many at most.

    Returns:
        How many batches went.
    """
    names = ("received", *TERMS, "seconds")
    terms: sa.ColumnElement[int] = sum((ledger.c[term] for term in TERMS), start=sa.literal(0))
    columns = [ledger.c[name] for name in ("batch_no", "committed_at", "stage", "source", *names)]
    oldest = sa.select(*columns).where(ledger.c.received == terms).order_by(ledger.c.batch_no).limit(limit)
    # In the order of their numbers, and no further than wanted: what is young is not read.
    rows = list(
        takewhile(
            lambda row: row[1] < before and (upto is None or row[0] <= upto),
            map(tuple, connection.execute(oldest)),
        )
    )
    upsert_rows(
        connection,
        ledger_total,
        ("stage", "source", "batches", *names),
        [(stage, source, 1, *counts) for _, _, stage, source, *counts in rows],
        key=("stage", "source"),
        add=("batches", *names),
    )
    return delete_rows(connection, ledger, "batch_no", [row[0] for row in rows])


@dataclass(frozen=True, slots=True)
class Window:
    """The newest batches.

    Attributes:
        of: All batches of a stage and source as one.
        batches: How many there are.
        adds_up: Whether everything received in each is accounted for.
    """

    of: Mapping[tuple[str, str], StageResult]
    batches: int
    adds_up: bool


def newest_batches(connection: sa.Connection, since: int, most: int = 5_000) -> Window:
    """What the newest batches did, by stage and source.

    Args:
        connection: A connection that sees the state store.
        since: Those committed from then on (micros).
        most: How many are looked at, at most: the cost does not grow with the ledger.
    """
    newest = connection.execute(sa.select(sa.func.max(ledger.c.batch_no))).scalar_one() or 0
    columns = [ledger.c[name] for name in ("stage", "source", "received", *TERMS, "seconds")]
    rows = connection.execute(
        sa.select(*columns)
        .where(ledger.c.batch_no > newest - most, ledger.c.committed_at >= since)
        .order_by(ledger.c.batch_no)
    ).all()
    results = [
        StageResult(
            row.stage,
            row.source,
            received=row.received,
            **{term: getattr(row, term) for term in TERMS},
            seconds=row.seconds,
        )
        for row in rows
    ]
    of: dict[tuple[str, str], StageResult] = {}
    for one in results:
        key = (one.stage, one.source)
        of[key] = _sum(of[key], one) if key in of else one
    return Window(of, len(results), all(one.adds_up for one in results))


@dataclass(frozen=True, slots=True)
class Stretch:
    """The batches of one stage and source in a stretch of the ledger, as one.

    Attributes:
        total: What they did.
        batches: How many there are.
        wrong: How many of them do not add up.
    """

    total: StageResult
    batches: int
    wrong: int


def newest_batch(connection: sa.Connection) -> int:
    """The number of the newest batch; 0 when there is none."""
    return int(connection.execute(sa.select(sa.func.max(ledger.c.batch_no))).scalar_one() or 0)


def stretches(connection: sa.Connection, after: int, upto: int) -> list[Stretch]:
    """What the batches above one number, up to another one, did: by stage and source.

    Args:
        connection: A connection that sees the state store.
        after: The number of a batch.
        upto: The number of the last one that counts.
    """
    terms: sa.ColumnElement[int] = sum((ledger.c[term] for term in TERMS), start=sa.literal(0))
    names = ("received", *TERMS, "seconds")
    rows = connection.execute(
        sa.select(
            ledger.c.stage,
            ledger.c.source,
            *[sa.func.sum(ledger.c[name]).label(name) for name in names],
            sa.func.max(ledger.c.watermark).label("newest"),
            sa.func.count().label("batches"),
            sa.func.sum(sa.case((ledger.c.received != terms, 1), else_=0)).label("wrong"),
        )
        .where(ledger.c.batch_no > after, ledger.c.batch_no <= upto)
        .group_by(ledger.c.stage, ledger.c.source)
        .order_by(sa.func.min(ledger.c.batch_no))
    ).all()
    found = []
    for row in rows:
        counts: dict[str, Any] = {name: int(getattr(row, name)) for name in ("received", *TERMS)}
        total = StageResult(row.stage, row.source, **counts, watermark=row.newest, seconds=float(row.seconds))
        found.append(Stretch(total, int(row.batches), int(row.wrong)))
    return found


def total_of(results: Iterable[StageResult]) -> StageResult | None:
    """Several calls of one stage as one; the last watermark, whether there is more, the facts added up and texts joined."""
    total: StageResult | None = None
    for result in results:
        total = result if total is None else _sum(total, result)
    return total


def _sum(one: StageResult, two: StageResult) -> StageResult:
    facts = dict(one.facts)
    for name, value in two.facts.items():
        known = facts.get(name)
        numbers = (
            isinstance(known, int | float) and isinstance(value, int | float) and not isinstance(value, bool)
        )
        if numbers:
            facts[name] = known + value  # type: ignore[operator]
        elif isinstance(known, str) and isinstance(value, str):
            facts[name] = known if value in known else f"{known} {value}"
        else:
            facts[name] = value
    terms = {term: getattr(one, term) + getattr(two, term) for term in ("received", *TERMS)}
    return StageResult(
        two.stage,
        two.source,
        **terms,
        watermark=two.watermark if two.watermark is not None else one.watermark,
        seconds=one.seconds + two.seconds,
        more=two.more,
        facts=facts,
    )
