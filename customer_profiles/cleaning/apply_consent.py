"""Writes consent statements that sources deliver on their own: unsubscribes, banner choices, preference centres."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import sqlalchemy as sa

from customer_profiles.cleaning.appliers import Applied, Arrival
from customer_profiles.cleaning.apply_interactions import sightings
from customer_profiles.cleaning.apply_records import reserved_numbers
from customer_profiles.cleaning.consent_statements import append_statements
from customer_profiles.cleaning.quarantine import Rejected
from customer_profiles.cleaning.record_book import RecordBook
from customer_profiles.consent.ledger import Appended
from customer_profiles.consent.statements import Statement
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State


class ConsentApplier:
    """Writes the consent statements of one source."""

    def __init__(self, state: State, settings: Settings, source: str) -> None:
        self._state = state
        self._source = source
        feeds = settings.sources[source].feeds
        self._record_feeds = tuple(name for name, feed in feeds.items() if feed.contract == "record")
        self._appended = Appended(0, 0)

    def prepare(self, arrivals: Sequence[Arrival], received_at: int) -> None:
        """Append the statements to the ledger; a record that is not known yet is given its number first, for good."""
        self._appended = Appended(0, 0)
        if not arrivals:
            return
        keys = (arrival.row.values["record_key"] for arrival in arrivals)
        numbers = reserved_numbers(self._state, self._source, self._record_feeds, keys, received_at)
        statements = []
        for arrival in arrivals:
            said = arrival.row.values
            statements.append(
                Statement(
                    numbers[said["record_key"]],
                    self._source,
                    said["record_key"],
                    said["purpose"],
                    said["choice"],
                    said["stated_at"],
                    received_at,
                    said["method"],
                    said["notice"],
                    said["statement_id"],
                )
            )
        self._appended = append_statements(self._state, statements)

    def apply(self, connection: sa.Connection, arrivals: Sequence[Arrival], received_at: int) -> Applied:
        """See :class:`~customer_profiles.cleaning.appliers.Applier`."""
        book = RecordBook(connection, self._source, self._record_feeds, received_at)
        book.load(arrival.row.values["record_key"] for arrival in arrivals)
        book.see(sightings(arrivals))
        book.flush()
        return Applied(applied=self._appended.appended, duplicate=self._appended.unchanged)

    def reject(
        self, connection: sa.Connection, rejected: Sequence[Rejected], snapshots: Mapping[str, int]
    ) -> None:
        """Nothing: the statement waits in the quarantine."""

    def finish(self, connection: sa.Connection, snapshots: Mapping[str, int], received_at: int) -> Applied:
        """Nothing: what was said stays said, also when a source no longer tells of it."""
        return Applied()
