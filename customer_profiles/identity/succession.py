"""What a batch does to claims and estates, envelope by envelope: who arrives, who departs and leaves to whom, who returns."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.identity.bundle import ModelBundle
from customer_profiles.identity.changes import Changes, Version, identity_table, present_versions
from customer_profiles.identity.claim_store import StoredClaims
from customer_profiles.identity.claims import Claims
from customer_profiles.identity.decisions import rulings_at
from customer_profiles.identity.departures import Step, Stretch, co_members
from customer_profiles.identity.graph_store import Members
from customer_profiles.identity.rulings import Rulings
from customer_profiles.settings.identity import IdentitySettings

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class _Envelope:
    """One version in the log, its content left out."""

    position: int
    record_no: int
    deletes: bool
    received_at: int


@dataclass(frozen=True)
class Succession:
    """Claims and estates after a batch, and what of them is new.

    Attributes:
        claims: As they are after the batch.
        numbers: The numbers of all claims, the new ones too.
        seniority: The seniority of each.
        made: The numbers of the claims made.
        made_seniority: The seniority of each.
        made_at: When each arrived (micros).
        estates: Estates that were written; an empty one is a claim that lives again.
        died_at: When claims died (micros), None for one that lives again.
        departures: How many living records were deleted.
    """

    claims: Claims
    numbers: Numbers
    seniority: Numbers
    made: Numbers
    made_seniority: Numbers
    made_at: Numbers
    estates: dict[int, tuple[int, ...]]
    died_at: dict[int, int | None]
    departures: int


class Rulebook:
    """The decisions in force at any position of the log."""

    def __init__(self, changes: Changes) -> None:
        self._decisions = changes.decisions
        at = chain.from_iterable((one.change_no, one.undone_change_no) for one in changes.decisions)
        self._turns = sorted(position for position in at if position is not None)
        self._known: dict[int, Rulings] = {}

    def at(self, position: int) -> Rulings:
        """The decisions in force once the log is read up to a position."""
        turn = bisect_right(self._turns, position)
        if turn not in self._known:
            self._known[turn] = rulings_at(self._decisions, position)
        return self._known[turn]


def succeed(
    connection: sa.Connection,
    changes: Changes,
    before: Members,
    stored: StoredClaims,
    records: pa.Table,
    bundle: ModelBundle,
    settings: IdentitySettings,
) -> Succession:
    """Take claims and estates through a batch.

    Args:
        connection: A snapshot of the state store.
        changes: The batch.
        before: Who belonged to whom before it.
        stored: Claims and estates before it.
        records: The identity records that live after it.
        bundle: The model.
        settings: Identifiers, caps, thresholds.
    """
    return _Succeeding(connection, changes, before, stored, records, bundle, settings).walk()


@dataclass(frozen=True)
class _Succeeding:
    connection: sa.Connection
    changes: Changes
    before: Members
    stored: StoredClaims
    records: pa.Table
    bundle: ModelBundle
    settings: IdentitySettings

    @cached_property
    def rulebook(self) -> Rulebook:
        return Rulebook(self.changes)

    @cached_property
    def plain(self) -> NDArray[np.bool_]:
        """Which changed records came once, for the first time, and stay: nearly all of a first load."""
        changes = self.changes
        history = np.array(sorted(changes.with_history()), dtype=np.int64)
        seen = np.isin(changes.records, history) | np.isin(changes.records, self.before.records)
        return ~(seen | changes.deleted | np.isin(changes.records, self.stored.numbers))

    @cached_property
    def envelopes(self) -> list[_Envelope]:
        """The envelopes of all other changed records, in order."""
        rest = np.flatnonzero(~self.plain)
        changes = self.changes
        columns = changes.positions, changes.records, changes.deleted, changes.received_at
        present = [
            _Envelope(*row) for row in zip(*(values[rest].tolist() for values in columns), strict=True)
        ]
        overwritten = [
            _Envelope(one.change_no, one.record_no, one.columns is None, one.received_at)
            for one in changes.superseded
            if one.change_no > changes.since
        ]
        return sorted([*present, *overwritten], key=lambda envelope: envelope.position)

    def walk(self) -> Succession:
        alive: dict[int, bool] = {}
        plain, changes = self.plain, self.changes
        newcomers = changes.records[plain]
        stored = self.stored.with_arrivals(newcomers, changes.positions[plain])

        def lives(record_no: int) -> bool:
            known = alive.get(record_no)
            if known is None:
                return _in(self.before.records, record_no) or _in(newcomers, record_no)
            return known

        claims = Claims(stored.seniority_of, stored.incarnation_of, stored.estates, lives)
        left_to = self._left_to()
        made_at: dict[int, int] = {}
        died_at: dict[int, int | None] = {}
        for envelope in self.envelopes:
            record_no, lived = envelope.record_no, lives(envelope.record_no)
            if lived == (not envelope.deletes):
                continue
            if envelope.deletes:
                claims.depart(record_no, left_to[envelope.position])
                died_at[claims.current(record_no)] = envelope.received_at
            else:
                known = len(claims.made)
                claims.arrive(record_no, envelope.position, self.rulebook.at(envelope.position))
                if len(claims.made) > known:
                    made_at[claims.made[-1]] = envelope.received_at
                else:
                    died_at[claims.current(record_no)] = None
            alive[record_no] = not envelope.deletes
        later = np.array(claims.made, dtype=np.int64)
        positions = np.array([claims.seniority[number] for number in claims.made], dtype=np.int64)
        arrived = np.array([made_at[number] for number in claims.made], dtype=np.int64)
        return Succession(
            claims=claims,
            numbers=np.concatenate([stored.numbers, later]),
            seniority=np.concatenate([stored.seniority, positions]),
            made=np.concatenate([newcomers, later]),
            made_seniority=np.concatenate([changes.positions[plain], positions]),
            made_at=np.concatenate([changes.received_at[plain], arrived]),
            estates={number: claims.estates.get(number, ()) for number in claims.rewritten},
            died_at=died_at,
            departures=len(left_to),
        )

    def _left_to(self) -> dict[int, tuple[int, ...]]:
        """By log position of each deletion of a living record the other records of its customer."""
        positions = self._departures()
        if not positions:
            return {}
        stretch = self._stretch(positions[-1])
        places = {step.position: place for place, step in enumerate(stretch.steps)}
        found = co_members(stretch, [places[at] for at in positions], self.bundle, self.settings)
        return {at: found[places[at]] for at in positions}

    def _departures(self) -> list[int]:
        alive: dict[int, bool] = {}
        positions = []
        for envelope in self.envelopes:
            lived = alive.get(envelope.record_no)
            if lived is None:
                lived = _in(self.before.records, envelope.record_no)
            if lived and envelope.deletes:
                positions.append(envelope.position)
            alive[envelope.record_no] = not envelope.deletes
        return positions

    def _stretch(self, until: int) -> Stretch:
        """The batch up to a position, with the content of every version that lives in it."""
        changes = self.changes
        versions = self._versions()
        before: dict[int, int] = {}
        steps: list[Step] = []
        place = 0
        for version in versions:
            content = None
            if version.columns is not None:
                content, place = place, place + 1
            if changes.since < version.change_no <= until:
                steps.append(Step(version.change_no, version.record_no, content))
            elif version.change_no <= changes.since and content is not None:
                before[version.record_no] = content
        records = self.records
        steady = records.filter(
            pc.invert(pc.is_in(records["record_no"], pa.array(changes.records, pa.int64())))
        )
        return Stretch(steady, identity_table(versions), before, steps, self.rulebook.at)

    def _versions(self) -> list[Version]:
        """Every version of the changed records that is known, in order."""
        positions: Mapping[int, int] = dict(
            zip(self.changes.records.tolist(), self.changes.positions.tolist(), strict=True)
        )
        present = present_versions(self.connection, positions)
        return sorted([*self.changes.superseded, *present], key=lambda version: version.change_no)


def _in(numbers: Numbers, number: int) -> bool:
    place = int(np.searchsorted(numbers, number))
    return place < len(numbers) and int(numbers[place]) == number
