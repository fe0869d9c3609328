"""PagerDuty, Events API v2. Protocol: https://developer.pagerduty.com/docs/events-api-v2-overview."""

from __future__ import annotations

from typing import Any

from customer_profiles.monitoring.alarms.alarm import Event, Notice, moment
from customer_profiles.monitoring.alarms.page import Page
from customer_profiles.monitoring.alarms.receivers.receiver import HttpReceiver

LONGEST_SUMMARY = 1_024


class PagerDutyReceiver(HttpReceiver):
    """Triggers and resolves incidents; the `dedup_key` is the alarm and its subject, so a repeat joins the incident."""

    def __init__(self, url: str, routing_key: str, company: str) -> None:
        """Name the service.

        Args:
            url: The address of the events API.
            routing_key: The service's integration key.
            company: Whose profiles they are.
        """
        super().__init__("PagerDuty")
        self._url = f"{url}/v2/enqueue"
        self._routing_key = routing_key
        self._company = company

    def deliver(self, notice: Notice, page: Page) -> None:
        """Trigger an incident, or resolve it."""
        finding = notice.alarm.finding
        about = f"{finding.name}/{finding.subject}" if finding.subject else str(finding.name)
        event: dict[str, Any] = {
            "routing_key": self._routing_key,
            "dedup_key": f"customer_profiles/{self._company}/{about}"[:255],
            "event_action": "resolve" if notice.event is Event.RESOLVE else "trigger",
        }
        if notice.event is Event.OPEN:
            event |= {
                "client": "customer_profiles",
                "payload": {
                    "summary": page.title[:LONGEST_SUMMARY],
                    "source": self._company,
                    "severity": str(finding.severity),
                    "timestamp": moment(finding.since),
                    "component": finding.facts.get("likely stage") or finding.subject or "pipeline",
                    "class": str(finding.name),
                    "custom_details": dict(page.lines),
                },
            }
            if page.runbook.startswith("http"):
                event["links"] = [{"href": page.runbook, "text": "Runbook"}]
        self.post(self._url, event)
