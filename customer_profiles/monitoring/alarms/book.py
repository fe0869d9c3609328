"""The book of alarms: which are open, and who is still to be told of what. In memory, and kept in the state.

The memory comes first, for an alarm that the disk is full must be told although it cannot be written down. What could
not be written is written as soon as it can be. Whoever starts again reads the book, and so pages nobody twice.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import sqlalchemy as sa

from customer_profiles.monitoring.alarms.alarm import Alarm, Event, Finding, Key, Name, Notice, Severity
from customer_profiles.monitoring.alarms.rules import Judgement
from customer_profiles.monitoring.tables import alarm as alarm_table
from customer_profiles.monitoring.tables import alarm_notice
from customer_profiles.state.bulk import delete_rows, upsert_rows
from customer_profiles.state.engine import State, Store
from customer_profiles.state.schema import from_json, to_json

OPEN_AFTER = 400_000
"""Something must be wrong in two looks, half a second apart (micros)."""
CLOSE_AFTER = 2_000_000
"""Something must be well for so long (micros), or an alarm would go on and off."""
FORGET_AFTER = 10_000_000
"""What was seen longer ago than that (micros) says nothing of how long something has been wrong, or well."""
_ALARM_COLUMNS = (
    "alarm_id", "name", "subject", "severity", "summary", "facts", "since", "opened_at", "resolved_at",
)  # fmt: skip
_NOTICE_COLUMNS = ("notice_no", "alarm_id", "receiver", "event")


class Book:
    """The alarms that are open and the notices that are not delivered. Safe to share between threads."""

    def __init__(
        self, receivers: Mapping[str, str], open_after: int = OPEN_AFTER, close_after: int = CLOSE_AFTER
    ) -> None:
        """An empty book.

        Args:
            receivers: Who is told, with the least severity that each is told of.
            open_after: How long something must be wrong (micros).
            close_after: How long it must be well (micros).
        """
        self._receivers = dict(receivers)
        self._open_after = open_after
        self._close_after = close_after
        self._guard = threading.Lock()
        self._saving = threading.Lock()
        self._open: dict[Key, Alarm] = {}
        self._notices: list[Notice] = []
        self._changing: dict[Key, int] = {}
        self._updated_at = 0
        self._last_number = 0
        self._unsaved: dict[str, Alarm] = {}
        self._to_save: dict[int, Notice] = {}
        self._to_drop: set[int] = set()

    @property
    def raised(self) -> frozenset[Key]:
        """Which alarms are open."""
        with self._guard:
            return frozenset(self._open)

    @property
    def alarms(self) -> list[Alarm]:
        """The open alarms, the oldest first."""
        with self._guard:
            return sorted(self._open.values(), key=lambda one: one.opened_at)

    @property
    def undelivered(self) -> int:
        """How many notices are still to be delivered."""
        with self._guard:
            return len(self._notices)

    def load(self, connection: sa.Connection) -> None:
        """Take in what is kept, in place of what is in memory.

        Args:
            connection: A connection to the inbox store.
        """
        notices = connection.execute(
            sa.select(*(alarm_notice.c[name] for name in _NOTICE_COLUMNS)).order_by(alarm_notice.c.notice_no)
        ).all()
        wanted = alarm_table.c.resolved_at.is_(None) | alarm_table.c.alarm_id.in_({row[1] for row in notices})
        rows = connection.execute(
            sa.select(*(alarm_table.c[name] for name in _ALARM_COLUMNS)).where(wanted)
        ).all()
        alarms = {row[0]: _alarm(row) for row in rows}
        with self._guard:
            self._open = {one.finding.key: one for one in alarms.values() if one.resolved_at is None}
            self._notices = [
                Notice(number, receiver, Event(event), alarms[alarm_id])
                for number, alarm_id, receiver, event in notices
                if receiver in self._receivers and alarm_id in alarms
            ]
            self._to_drop |= {row[0] for row in notices if row[2] not in self._receivers}
            self._last_number = max((row[0] for row in notices), default=0)

    def update(self, judgement: Judgement, now: int) -> list[Notice]:
        """Open what is newly wrong, resolve what is well again, and put into the outbox who is to be told.

        Args:
            judgement: What was seen.
            now: Micros.

        Returns:
            The new notices.
        """
        found = {finding.key: finding for finding in judgement.findings}
        with self._guard:
            if abs(now - self._updated_at) > FORGET_AFTER:
                self._changing.clear()
            self._updated_at = now
            # In the order of the rules, so that everybody hears the same one first.
            changing = [key for key in found if key not in self._open]
            changing += [key for key in self._open if key not in found and key[0] not in judgement.unknown]
            self._changing = {key: self._changing.get(key, now) for key in changing}
            notices: list[Notice] = []
            for key, since in list(self._changing.items()):
                if key in found and now - since >= self._open_after:
                    notices += self._raise(found[key], now)
                elif key not in found and now - since >= self._close_after:
                    notices += self._resolve(key, now)
            return notices

    def next_for(self, receiver: str) -> Notice | None:
        """The oldest notice that a receiver was not told."""
        with self._guard:
            return next((notice for notice in self._notices if notice.receiver == receiver), None)

    def delivered(self, notice: Notice) -> None:
        """A notice was taken; it is not told again."""
        with self._guard:
            self._notices = [one for one in self._notices if one.number != notice.number]
            self._to_save.pop(notice.number, None)
            self._to_drop.add(notice.number)

    def save(self, state: State) -> None:
        """Keep what changed since it was last kept.

        Raises:
            StateError: It cannot be written; it is tried again with the next call.
            sqlalchemy.exc.DBAPIError: The same.
        """
        with self._saving:  # one after the other, so that nothing older is written over what is newer
            self._save(state)

    def _save(self, state: State) -> None:
        with self._guard:
            alarms, notices, dropped = dict(self._unsaved), dict(self._to_save), set(self._to_drop)
        if not (alarms or notices or dropped):
            return
        with state.writing(Store.INBOX) as connection:
            upsert_rows(
                connection,
                alarm_table,
                _ALARM_COLUMNS,
                [_row(one) for one in alarms.values()],
                key="alarm_id",
                replace=("resolved_at",),
            )
            upsert_rows(
                connection,
                alarm_notice,
                _NOTICE_COLUMNS,
                [(one.number, one.alarm.alarm_id, one.receiver, one.event) for one in notices.values()],
                key="notice_no",
            )
            delete_rows(connection, alarm_notice, "notice_no", dropped)
        with self._guard:
            self._unsaved = {name: one for name, one in self._unsaved.items() if alarms.get(name) is not one}
            self._to_save = {number: one for number, one in self._to_save.items() if number not in notices}
            self._to_drop -= dropped

    def _raise(self, finding: Finding, now: int) -> list[Notice]:
        alarm = Alarm.of(finding, now)
        self._open[finding.key] = self._unsaved[alarm.alarm_id] = alarm
        del self._changing[finding.key]
        return self._tell(Event.OPEN, alarm, now)

    def _resolve(self, key: Key, now: int) -> list[Notice]:
        alarm = replace(self._open.pop(key), resolved_at=now)
        self._unsaved[alarm.alarm_id] = alarm
        del self._changing[key]
        return self._tell(Event.RESOLVE, alarm, now)

    def _tell(self, event: Event, alarm: Alarm, now: int) -> list[Notice]:
        notices = []
        for receiver, least in self._receivers.items():
            if alarm.finding.severity.reaches(least):
                # The time makes numbers that rise over restarts, also when nothing could be written.
                self._last_number = max(self._last_number + 1, now)
                notices.append(Notice(self._last_number, receiver, event, alarm))
        self._notices += notices
        self._to_save |= {notice.number: notice for notice in notices}
        return notices


def open_alarms(connection: sa.Connection) -> list[Alarm]:
    """The alarms that are open, as they are kept, the oldest first.

    Args:
        connection: A connection to the inbox store.
    """
    columns = (alarm_table.c[name] for name in _ALARM_COLUMNS)
    rows = connection.execute(
        sa.select(*columns).where(alarm_table.c.resolved_at.is_(None)).order_by(alarm_table.c.opened_at)
    ).all()
    return [_alarm(row) for row in rows]


def forget(connection: sa.Connection, before: int) -> int:
    """Let go of alarms that were over before a moment, and of which everybody was told.

    Args:
        connection: A writing connection to the inbox store.
        before: Micros.

    Returns:
        How many went.
    """
    told = alarm_table.c.alarm_id.not_in(sa.select(alarm_notice.c.alarm_id))
    gone = connection.execute(alarm_table.delete().where(alarm_table.c.resolved_at < before, told))
    return int(gone.rowcount)


def _row(alarm: Alarm) -> tuple[object, ...]:
    finding = alarm.finding
    return (
        alarm.alarm_id, str(finding.name), finding.subject, str(finding.severity), finding.summary,
        to_json([list(fact) for fact in finding.facts.items()]), finding.since, alarm.opened_at, alarm.resolved_at,
    )  # fmt: skip


def _alarm(row: Sequence[Any]) -> Alarm:
    alarm_id, name, subject, severity, summary, facts, since, opened_at, resolved_at = row
    finding = Finding(Name(name), subject, Severity(severity), since, summary, dict(from_json(facts)))
    return Alarm(alarm_id, finding, opened_at, resolved_at)
