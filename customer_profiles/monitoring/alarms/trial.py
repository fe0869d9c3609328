"""A test alarm: whether a receiver takes what it would be told, before there is anything to tell."""

from __future__ import annotations

import time

from customer_profiles.monitoring.alarms.alarm import Alarm, Event, Finding, Name, Notice, Severity
from customer_profiles.monitoring.alarms.page import page_of
from customer_profiles.monitoring.alarms.receivers.receiver import Receiver
from customer_profiles.settings import Settings


def send_trial(receiver: Receiver, name: str, settings: Settings) -> None:
    """Tell a receiver of an alarm that is a test, and that it is over.

    Raises:
        DeliveryError: It did not take it.
    """
    now = time.time_ns() // 1_000
    facts = {"how far behind": "not at all", "likely stage": "none: this is a test"}
    finding = Finding(
        Name.SLA_AT_RISK, "test", Severity.WARNING, now, "This is a test: nothing is wrong.", facts
    )
    opened = Alarm.of(finding, now)
    over = Alarm(opened.alarm_id, finding, now, time.time_ns() // 1_000)
    for event, alarm in ((Event.OPEN, opened), (Event.RESOLVE, over)):
        notice = Notice(0, name, event, alarm)
        receiver.deliver(notice, page_of(notice, settings.company, settings.alarms.runbooks))
