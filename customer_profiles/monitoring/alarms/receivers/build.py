"""Makes receivers of their settings."""

from __future__ import annotations

import os
from collections.abc import Mapping

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.alarms.receivers.alertmanager import AlertmanagerReceiver
from customer_profiles.monitoring.alarms.receivers.mail import MailReceiver
from customer_profiles.monitoring.alarms.receivers.pagerduty import PagerDutyReceiver
from customer_profiles.monitoring.alarms.receivers.receiver import Receiver
from customer_profiles.monitoring.alarms.receivers.slack import SlackReceiver
from customer_profiles.monitoring.alarms.receivers.webhook import WebhookReceiver
from customer_profiles.settings import Settings
from customer_profiles.settings.alarms import Alertmanager, Email, PagerDuty, SecretVariable, Slack


class SecretMissing(CustomerProfilesError):
    """A secret of a receiver cannot be had."""


def build_receivers(settings: Settings, environment: Mapping[str, str] = os.environ) -> dict[str, Receiver]:
    """The receivers by their names.

    Raises:
        SecretMissing: An environment variable that the settings name is not set.
    """
    company, alarms = settings.company, settings.alarms
    built: dict[str, Receiver] = {}
    for name, one in alarms.receivers.items():

        def secret(variable: SecretVariable, of: str = name) -> str:
            found = environment.get(variable.variable, "")
            if not found:
                raise SecretMissing(
                    f"The environment variable {variable.variable}, a secret of alarms.receivers.{of}, is not set."
                )
            return found

        if isinstance(one, Alertmanager):
            built[name] = AlertmanagerReceiver(one.url, company, alarms.runbooks)
        elif isinstance(one, PagerDuty):
            built[name] = PagerDutyReceiver(one.url, secret(one.routing_key), company)
        elif isinstance(one, Slack):
            built[name] = SlackReceiver(secret(one.url))
        elif isinstance(one, Email):
            login = (one.user, secret(one.password)) if one.user and one.password else None
            built[name] = MailReceiver(one.host, one.port, one.security, login, one.sender, one.to)
        else:
            built[name] = WebhookReceiver(one.url, secret(one.token) if one.token else None)
    return built
