"""What an alarm is: something that is wrong, since when, and whether it still is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum


class Severity(StrEnum):
    """Who has to get up."""

    WARNING = "warning"
    """Somebody should look in working hours."""
    CRITICAL = "critical"
    """Somebody must look now."""

    def reaches(self, least: str) -> bool:
        """Whether it is at least as severe as that."""
        return self is Severity.CRITICAL or least == Severity.WARNING


class Name(StrEnum):
    """Every alarm there is; each has its runbook, `docs/runbooks/NAME.md`."""

    SLA_AT_RISK = "sla_at_risk"
    SLA_BROKEN = "sla_broken"
    STAGE_FAILING = "stage_failing"
    SOURCE_FAILING = "source_failing"
    QUARANTINE_RATE = "quarantine_rate"
    LEDGER_WRONG = "ledger_wrong"
    WORKER_SILENT = "worker_silent"
    DAEMON_SILENT = "daemon_silent"
    DISK_LOW = "disk_low"
    STATE_UNREACHABLE = "state_unreachable"
    RUN_FAILED = "run_failed"


Key = tuple[Name, str]
"""An alarm and what it is about; of each there is at most one open."""


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong now.

    Attributes:
        name: Which alarm it is.
        subject: The source, stage, job or disk it is about, or the empty text.
        severity: How bad it is.
        since: Since when (micros).
        summary: One sentence of what is wrong, without a value of a person.
        facts: What else helps, in the order of the page.
    """

    name: Name
    subject: str
    severity: Severity
    since: int
    summary: str
    facts: Mapping[str, str] = field(default_factory=dict)

    @property
    def key(self) -> Key:
        """Which alarm it is, about what."""
        return self.name, self.subject


@dataclass(frozen=True, slots=True)
class Alarm:
    """An alarm that was raised.

    Attributes:
        alarm_id: Its own name: the same in every telling of it.
        finding: What was wrong when it was raised.
        opened_at: When it was raised (micros).
        resolved_at: When it was over (micros); None while it is not.
    """

    alarm_id: str
    finding: Finding
    opened_at: int
    resolved_at: int | None = None

    @classmethod
    def of(cls, finding: Finding, now: int) -> Alarm:
        """An alarm that begins. Found anew after a crash it has the same ID, where since when can be told from the state."""
        about = f"{finding.name}/{finding.subject}" if finding.subject else str(finding.name)
        return cls(f"{about}@{moment(finding.since)}", finding, now)


class Event(StrEnum):
    """What is told of an alarm."""

    OPEN = "open"
    RESOLVE = "resolve"


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a receiver is to be told.

    Attributes:
        number: Its place in the order of all notices.
        receiver: Who is to be told.
        event: What happened.
        alarm: To which alarm.
    """

    number: int
    receiver: str
    event: Event
    alarm: Alarm


def moment(micros: int) -> str:
    """A time as ISO 8601 with milliseconds, in UTC."""
    return (
        datetime.fromtimestamp(micros / 1_000_000, UTC)
        .isoformat(timespec="milliseconds")
        .replace("+00:00", "Z")
    )
