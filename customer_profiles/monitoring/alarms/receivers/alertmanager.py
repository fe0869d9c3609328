"""Prometheus Alertmanager, API v2: it groups, reminds, silences and escalates.

An alert there lives until its `endsAt`, so open alarms are told again and again, which an Alertmanager that lost its
memory needs too. With them goes `CustomerProfilesWatchAlive`, the dead man's signal: when it stops, nobody watches.
Protocol: https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Any

from customer_profiles.monitoring.alarms.alarm import Alarm, Event, Notice, moment
from customer_profiles.monitoring.alarms.page import Page, page_of
from customer_profiles.monitoring.alarms.receivers.receiver import HttpReceiver

ALIVE = "CustomerProfilesWatchAlive"
REMIND_SECONDS = 15.0
ALIVE_MICROS = 90 * 1_000_000
"""So long the sign of life holds."""
LASTING_MICROS = 24 * 3_600 * 1_000_000
"""So long an alarm holds without being told again: a watch that died must not look like a recovery."""


class AlertmanagerReceiver(HttpReceiver):
    """Posts alerts."""

    remind_seconds: float | None = REMIND_SECONDS

    def __init__(
        self, url: str, company: str, runbooks: str, now: Callable[[], int] = lambda: time.time_ns() // 1_000
    ) -> None:
        """Name the Alertmanager.

        Args:
            url: Its address.
            company: Whose profiles they are.
            runbooks: Where the runbooks are.
            now: The time of day, in micros.
        """
        super().__init__("Alertmanager")
        self._url = f"{url}/api/v2/alerts"
        self._company = company
        self._runbooks = runbooks
        self._now = now

    def deliver(self, notice: Notice, page: Page) -> None:
        """Raise an alert, or end it."""
        self.post(self._url, [self._alert(notice.alarm, notice.event, page)])

    def remind(self, alarms: Collection[Alarm]) -> None:
        """Say which alarms are open, and that somebody watches."""
        now = self._now()
        alive = {
            "labels": {"alertname": ALIVE, "company": self._company, "severity": "none"},
            "annotations": {"summary": "customer-profiles watch is alive; an alarm is due when this stops."},
            "startsAt": moment(now),
            "endsAt": moment(now + ALIVE_MICROS),
        }
        alerts = [
            self._alert(
                one, Event.OPEN, page_of(Notice(0, "", Event.OPEN, one), self._company, self._runbooks)
            )
            for one in alarms
        ]
        self.post(self._url, [alive, *alerts])

    def _alert(self, alarm: Alarm, event: Event, page: Page) -> dict[str, Any]:
        finding = alarm.finding
        over = event is Event.RESOLVE and alarm.resolved_at is not None
        labels = {
            "alertname": "CustomerProfiles" + "".join(part.capitalize() for part in finding.name.split("_")),
            "alarm": str(finding.name),
            "subject": finding.subject,
            "severity": str(finding.severity),
            "company": self._company,
        }
        return {
            # No label may be empty, and none may change while the alert lives.
            "labels": {name: value for name, value in labels.items() if value},
            "annotations": {
                "summary": page.title,
                "description": page.text,
                "alarm_id": alarm.alarm_id,
                "runbook_url": page.runbook,
            },
            "startsAt": moment(alarm.opened_at),
            "endsAt": moment(alarm.resolved_at or 0) if over else moment(self._now() + LASTING_MICROS),
        }
