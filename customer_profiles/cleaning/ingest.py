"""The ingest stage: from a source's feeds to clean records, interactions or consent statements."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from customer_profiles.cleaning import quarantine
from customer_profiles.cleaning.appliers import Applied, Applier, Arrival
from customer_profiles.cleaning.apply_consent import ConsentApplier
from customer_profiles.cleaning.apply_interactions import InteractionApplier
from customer_profiles.cleaning.apply_records import RecordApplier
from customer_profiles.cleaning.poison import is_poison, tell_of_poison
from customer_profiles.cleaning.quarantine import Rejected
from customer_profiles.cleaning.reasons import Fault, Reason
from customer_profiles.cleaning.rows import RowCleaner
from customer_profiles.cleaning.validate import validate
from customer_profiles.contracts import CONTRACTS
from customer_profiles.encryption.aead import Aead
from customer_profiles.encryption.keys import KeyProvider
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.settings import DatabaseConnector, Settings
from customer_profiles.sources.connectors import open_connector
from customer_profiles.sources.envelope import Batch, Connector, Position
from customer_profiles.sources.errors import SourceError
from customer_profiles.sources.positions import load_position, save_position
from customer_profiles.state.cursors import Cursor, move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.garbage import garbage_left_alone

BATCH = 5_000
"""Envelopes a batch, unless told otherwise."""


_NARROWED = 5
"""A batch that fails is tried again with a fifth of its rows."""


def now_micros() -> int:
    """The clock, in micros."""
    return time.time_ns() // 1_000


@dataclass(slots=True)
class _Read:
    """One read of one feed."""

    feed: str
    before: Position
    batch: Batch


class IngestStage:
    """Reads every feed of one source that has one contract.

    One call of `advance` is one batch: what was read is cleaned, validated and written in one transaction with the
    positions of the feeds, the cursor and the ledger's row. Killed anywhere, the next call does the same batch again.
    """

    def __init__(
        self,
        state: State,
        settings: Settings,
        keys: KeyProvider,
        source: str,
        contract: str,
        clock: Callable[[], int] = now_micros,
    ) -> None:
        """Bind the stage.

        Args:
            state: The open state.
            settings: All settings.
            keys: Give the key that seals what goes to the quarantine.
            source: The source to read.
            contract: record, interaction or consent.
            clock: Gives the time of receipt, in micros.
        """
        self.name = f"ingest_{contract}"
        self.source = source
        self._state = state
        self._settings = settings
        self._contract = CONTRACTS[contract]
        self._aead = Aead(keys.key(quarantine.QUARANTINE_KEY))
        self._clock = clock
        locale = settings.locale(source)
        feeds = settings.sources[source].feeds
        self._cleaners = {
            name: RowCleaner(source, feed, locale)
            for name, feed in feeds.items()
            if feed.contract == contract
        }
        self._applier = applier_of(state, settings, source, contract)
        # The position of a database row is its key, which it keeps when it is mended; a line of a file is for ever.
        self._changes_in_place = isinstance(settings.sources[source].connector, DatabaseConnector)
        self._connector: Connector | None = None

    def advance(self, limit: int = BATCH) -> StageResult:
        """Read and apply at most `limit` envelopes.

        A row that neither this program nor the database can take, for a reason that no contract foresees, does not stop those
        behind it: the batch is narrowed down until that row is alone, and then it goes to the quarantine.

        Raises:
            SourceError: the source cannot be read; nothing moved.
            CursorMoved: another process did this batch meanwhile; nothing was lost.
        """
        with garbage_left_alone():
            while True:
                try:
                    return self._advance(limit)
                except Exception as error:
                    if not is_poison(error):
                        raise
                    if limit == 1:
                        tell_of_poison(error, self.source)
                        return self._advance(1, refusing=True)
                    limit = max(1, limit // _NARROWED)

    def _advance(self, limit: int, refusing: bool = False) -> StageResult:
        began = time.perf_counter()
        received_at = self._clock()
        with self._state.reading() as connection:
            cursor = read_cursor(connection, self.name, self.source)
            positions = {feed: load_position(connection, self.source, feed) for feed in self._cleaners}
        reads = self._read(positions, limit)
        arrivals, rejected = _refused(reads) if refusing else self._clean(reads, received_at)
        complete = all(read.batch.complete for read in reads) and len(reads) == len(self._cleaners)
        received = len(arrivals) + len(rejected)
        if not received and all(read.batch.position == read.before for read in reads):
            return StageResult(
                self.name, self.source, watermark=received_at, seconds=time.perf_counter() - began
            )
        return self._commit(cursor, reads, arrivals, rejected, received_at, complete, began)

    def close(self) -> None:
        """Let go of the source."""
        if self._connector is not None:
            self._connector.close()
            self._connector = None

    def _read(self, positions: dict[str, Position], limit: int) -> list[_Read]:
        if self._connector is None:
            self._connector = open_connector(self.source, self._settings.sources[self.source], self._state)
        reads: list[_Read] = []
        for feed in self._cleaners:
            if limit <= 0:
                break
            try:
                batch = self._connector.read(feed, positions[feed], limit)
            except SourceError:
                # What the reader knows of the source may be what is wrong: look again next time.
                self.close()
                raise
            reads.append(_Read(feed, positions[feed], batch))
            limit -= len(batch.envelopes)
            if not batch.complete:
                break
        return reads

    def _clean(self, reads: list[_Read], received_at: int) -> tuple[list[Arrival], list[Rejected]]:
        arrivals: list[Arrival] = []
        rejected: list[Rejected] = []
        for read in reads:
            clean = self._cleaners[read.feed].clean
            for envelope in read.batch.envelopes:
                if envelope.payload is None:
                    rejected.append(
                        Rejected(read.feed, envelope, (Fault(envelope.error or "unreadable_row"),))
                    )
                else:
                    row = clean(envelope.payload, envelope.received_at or received_at)
                    arrivals.append(Arrival(read.feed, envelope, row, read.batch.snapshot, read.batch.again))
        validate(self._contract, [arrival.row for arrival in arrivals])
        good = [arrival for arrival in arrivals if not arrival.row.faults]
        rejected += [
            Rejected(arrival.feed, arrival.envelope, tuple(arrival.row.faults))
            for arrival in arrivals
            if arrival.row.faults
        ]
        return good, rejected

    def _commit(
        self,
        cursor: Cursor,
        reads: list[_Read],
        arrivals: list[Arrival],
        rejected: list[Rejected],
        received_at: int,
        complete: bool,
        began: float,
    ) -> StageResult:
        self._applier.prepare(arrivals, received_at)
        with self._state.writing() as connection:
            moved = {"batch": (cursor.position or {"batch": 0})["batch"] + 1}
            move_cursor(connection, cursor, moved)
            applied = self._applier.apply(connection, arrivals, received_at)
            self._applier.reject(connection, rejected, _snapshots(reads))
            quarantine.add(connection, self._aead, self.source, self._contract.name, rejected, received_at)
            quarantine.release(
                connection,
                self.source,
                [
                    (one.feed, one.envelope.position)
                    for one in arrivals
                    if one.again or self._changes_in_place
                ],
            )
            gone = self._applier.finish(connection, _snapshots_done(reads), received_at)
            for read in reads:
                save_position(connection, self.source, read.feed, read.before, read.batch.position)
            result = StageResult(
                self.name,
                self.source,
                received=len(arrivals) + len(rejected) + gone.applied,
                applied=applied.applied + gone.applied,
                unchanged=applied.unchanged,
                duplicate=applied.duplicate,
                quarantined=len(rejected),
                watermark=received_at if complete else None,
                seconds=time.perf_counter() - began,
                more=not complete,
                facts=_facts(reads, applied, gone),
            )
            if result.received:
                record_batch(connection, result, received_at)
        return result


def applier_of(state: State, settings: Settings, source: str, contract: str) -> Applier:
    """The applier of a contract, bound to one source."""
    if contract == "record":
        return RecordApplier(state, settings, source)
    if contract == "interaction":
        return InteractionApplier(settings, source)
    return ConsentApplier(state, settings, source)


def _refused(reads: list[_Read]) -> tuple[list[Arrival], list[Rejected]]:
    fault = (Fault(Reason.FAULT.value),)
    return [], [Rejected(read.feed, envelope, fault) for read in reads for envelope in read.batch.envelopes]


def _snapshots_done(reads: list[_Read]) -> dict[str, int]:
    """The feeds whose snapshot is read to its end, with its number."""
    return {
        read.feed: read.batch.snapshot
        for read in reads
        if read.batch.complete and read.batch.snapshot is not None
    }


def _snapshots(reads: list[_Read]) -> dict[str, int]:
    return {read.feed: read.batch.snapshot for read in reads if read.batch.snapshot is not None}


def _facts(reads: list[_Read], applied: Applied, gone: Applied) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    notes = [note for read in reads for note in read.batch.notes]
    if notes:
        facts["notes"] = " ".join(notes)
    for fact in (applied.facts, gone.facts):
        for name, value in fact.items():
            facts[name] = facts.get(name, 0) + value
    return facts
