"""What a page says: what is wrong, since when, how far behind, the likely stage, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from customer_profiles.monitoring.alarms.alarm import Event, Notice, moment


@dataclass(frozen=True, slots=True)
class Page:
    """A notice in words.

    Attributes:
        title: One line.
        lines: What helps, by name, in its order.
        runbook: Where it stands what to do.
    """

    title: str
    lines: Mapping[str, str]
    runbook: str

    @property
    def text(self) -> str:
        """All of it as plain text."""
        return "\n".join([self.title, "", *(f"{name}: {value}" for name, value in self.lines.items())])


def page_of(notice: Notice, company: str, runbooks: str) -> Page:
    """The page of a notice.

    Args:
        notice: What is to be told.
        company: Whose profiles they are.
        runbooks: Where the runbooks are.
    """
    alarm, finding = notice.alarm, notice.alarm.finding
    runbook = f"{runbooks.rstrip('/')}/{finding.name}.md"
    lines = {"what": finding.summary, "since": moment(finding.since)}
    if notice.event is Event.RESOLVE:
        title = f"Over: {finding.name.replace('_', ' ')}{_of(finding.subject)} ({company})"
        over_at = alarm.resolved_at or alarm.opened_at
        lines |= {"over since": moment(over_at), "it took": _minutes(over_at - finding.since)}
    else:
        title = f"{finding.severity.upper()}: {finding.summary} ({company})"
        lines |= dict(finding.facts)
    return Page(title, {**lines, "runbook": runbook, "alarm": alarm.alarm_id}, runbook)


def _of(subject: str) -> str:
    return f" of {subject}" if subject else ""


def _minutes(micros: int) -> str:
    seconds = max(0, micros) // 1_000_000
    return f"{seconds // 60} min {seconds % 60} s" if seconds >= 60 else f"{seconds} s"
