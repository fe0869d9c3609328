"""Slack's incoming webhooks, which Mattermost and Rocket.Chat understand too."""

from __future__ import annotations

from customer_profiles.monitoring.alarms.alarm import Event, Notice
from customer_profiles.monitoring.alarms.page import Page
from customer_profiles.monitoring.alarms.receivers.receiver import HttpReceiver


class SlackReceiver(HttpReceiver):
    """Posts a message."""

    def __init__(self, url: str) -> None:
        """Name the webhook.

        Args:
            url: Its URL.
        """
        super().__init__("Slack")
        self._url = url

    def deliver(self, notice: Notice, page: Page) -> None:
        """Say it."""
        sign = ":white_check_mark:" if notice.event is Event.RESOLVE else ":rotating_light:"
        lines = "\n".join(f"*{name}*: {_plain(value)}" for name, value in page.lines.items())
        self.post(self._url, {"text": f"{sign} {_plain(page.title)}\n{lines}"})


def _plain(text: str) -> str:
    """Text in which nothing links or calls anybody: https://api.slack.com/reference/surfaces/formatting#escaping."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
