"""Takes rows of the quarantine through cleaning again, by today's settings and contracts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

import sqlalchemy as sa

from customer_profiles.cleaning import quarantine
from customer_profiles.cleaning.appliers import Arrival
from customer_profiles.cleaning.ingest import applier_of, now_micros
from customer_profiles.cleaning.poison import is_poison, tell_of_poison
from customer_profiles.cleaning.reasons import Fault, Reason
from customer_profiles.cleaning.rows import RowCleaner
from customer_profiles.cleaning.tables import quarantine as table
from customer_profiles.cleaning.validate import validate
from customer_profiles.contracts import CONTRACTS
from customer_profiles.encryption.aead import Aead
from customer_profiles.encryption.keys import KeyProvider
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import Settings
from customer_profiles.sources.envelope import Envelope
from customer_profiles.state.bulk import delete_rows
from customer_profiles.state.engine import State
from customer_profiles.state.schema import to_json

_CHUNK = 1_000


@dataclass(frozen=True, slots=True)
class RetryResult:
    """What a retry did.

    Attributes:
        retried: Rows that were tried.
        released: Of these, the ones that passed and left the quarantine.
        kept: Of these, the ones that are still refused.
    """

    retried: int
    released: int
    kept: int


@dataclass(slots=True)
class _Waiting:
    number: int
    source: str
    feed: str
    contract: str
    position: str
    sealed: bytes
    cut: bool


def retry(
    state: State,
    settings: Settings,
    keys: KeyProvider,
    numbers: Iterable[int] | None = None,
    clock: Callable[[], int] = now_micros,
) -> RetryResult:
    """Try rows of the quarantine again; what passes is applied and leaves.

    Each chunk is one transaction, and a batch of the ledger under the stage `retry_CONTRACT`.

    Args:
        state: The open state.
        settings: Today's settings. Rows of a feed that they no longer have stay.
        keys: Give the key that opens the rows.
        numbers: The rows to try; all of them when None.
        clock: Now, in micros.

    Raises:
        NotInQuarantine: a number that was asked for is not there.
    """
    aead = Aead(keys.key(quarantine.QUARANTINE_KEY))
    with state.reading() as connection:
        wanted = _numbers(connection, numbers)
    released = 0
    for start in range(0, len(wanted), _CHUNK):
        with state.reading() as connection:
            waiting = _load(connection, wanted[start : start + _CHUNK])
        for (source, contract), rows in groupby(waiting, key=lambda row: (row.source, row.contract)):
            released += _retry_each(state, settings, aead, source, contract, list(rows), clock())
    return RetryResult(len(wanted), released, len(wanted) - released)


def _numbers(connection: sa.Connection, numbers: Iterable[int] | None) -> list[int]:
    order = (table.c.source, table.c.contract, table.c.quarantine_no)
    query = sa.select(table.c.quarantine_no).order_by(*order)
    if numbers is None:
        return list(connection.execute(query).scalars())
    asked = set(numbers)
    found = list(connection.execute(query.where(table.c.quarantine_no.in_(asked))).scalars())
    if missing := sorted(asked.difference(found)):
        raise quarantine.NotInQuarantine(
            f"There is no row {', '.join(map(str, missing))} in the quarantine: `quarantine list` shows those there are."
        )
    return found


def _load(connection: sa.Connection, numbers: list[int]) -> list[_Waiting]:
    names = ("quarantine_no", "source", "feed", "contract", "position", "payload", "cut")
    query = sa.select(*(table.c[name] for name in names)).where(table.c.quarantine_no.in_(numbers))
    rows = connection.execute(query.order_by(table.c.source, table.c.contract, table.c.quarantine_no))
    return [
        _Waiting(number, source, feed, contract, position, bytes(sealed), bool(cut))
        for number, source, feed, contract, position, sealed, cut in rows
    ]


def _retry_each(
    state: State, settings: Settings, aead: Aead, source: str, contract: str, rows: list[_Waiting], now: int
) -> int:
    """Retry rows together; one that cannot be taken is left where it is, and does not keep the others from leaving."""
    try:
        return _retry(state, settings, aead, source, contract, rows, now)
    except Exception as error:
        if not is_poison(error):
            raise
        if len(rows) == 1:
            tell_of_poison(error, source)
            with state.writing() as connection:
                _note(connection, {rows[0].number: [Fault(Reason.FAULT.value)]}, now)
            return 0
    middle = len(rows) // 2
    return sum(
        _retry_each(state, settings, aead, source, contract, part, now)
        for part in (rows[:middle], rows[middle:])
    )


def _retry(
    state: State, settings: Settings, aead: Aead, source: str, contract: str, rows: list[_Waiting], now: int
) -> int:
    began = time.perf_counter()
    feeds = settings.sources[source].feeds if source in settings.sources else {}
    arrivals: dict[int, Arrival] = {}
    for row in rows:
        opened = quarantine.content(aead, row.number, row.sealed)
        if (
            row.cut
            or "payload" not in opened
            or row.feed not in feeds
            or feeds[row.feed].contract != contract
        ):
            continue
        payload = opened["payload"]
        clean = RowCleaner(source, feeds[row.feed], settings.locale(source)).clean(payload, now)
        arrivals[row.number] = Arrival(row.feed, Envelope(row.position, payload), clean, again=True)
    if not arrivals:
        return 0
    validate(CONTRACTS[contract], [arrival.row for arrival in arrivals.values()])
    good = {number: arrival for number, arrival in arrivals.items() if not arrival.row.faults}
    refused = {number: arrival.row.faults for number, arrival in arrivals.items() if arrival.row.faults}
    applier = applier_of(state, settings, source, contract)
    applier.prepare(list(good.values()), now)
    with state.writing() as connection:
        applied = applier.apply(connection, list(good.values()), now)
        delete_rows(connection, table, "quarantine_no", list(good))
        _note(connection, refused, now)
        result = StageResult(
            f"retry_{contract}",
            source,
            received=len(arrivals),
            applied=applied.applied,
            unchanged=applied.unchanged,
            duplicate=applied.duplicate,
            quarantined=len(refused),
            seconds=time.perf_counter() - began,
            facts=dict(applied.facts),
        )
        record_batch(connection, result, now)
    return len(good)


def _note(connection: sa.Connection, refused: dict[int, list[Fault]], now: int) -> None:
    for number, faults in refused.items():
        connection.execute(
            table.update()
            .where(table.c.quarantine_no == number)
            .values(reasons=to_json([str(fault) for fault in faults]), retried_at=now)
        )
