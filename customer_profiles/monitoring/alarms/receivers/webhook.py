"""A plain webhook: the alarm as JSON, for whatever a team has."""

from __future__ import annotations

from customer_profiles.monitoring.alarms.alarm import Notice, moment
from customer_profiles.monitoring.alarms.page import Page
from customer_profiles.monitoring.alarms.receivers.receiver import HttpReceiver


class WebhookReceiver(HttpReceiver):
    """Posts JSON; a repeat after a crash carries the same `id` and `event`."""

    def __init__(self, url: str, token: str | None = None) -> None:
        """Name the webhook.

        Args:
            url: Where to.
            token: Sent as a bearer token.
        """
        super().__init__("The webhook")
        self._url = url
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    def deliver(self, notice: Notice, page: Page) -> None:
        """Post it."""
        alarm, finding = notice.alarm, notice.alarm.finding
        body = {
            "id": alarm.alarm_id,
            "event": str(notice.event),
            "alarm": str(finding.name),
            "subject": finding.subject,
            "severity": str(finding.severity),
            "since": moment(finding.since),
            "opened_at": moment(alarm.opened_at),
            "resolved_at": None if alarm.resolved_at is None else moment(alarm.resolved_at),
            "title": page.title,
            "details": dict(page.lines),
            "runbook": page.runbook,
        }
        self.post(self._url, body, self._headers)
