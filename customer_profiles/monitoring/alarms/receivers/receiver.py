"""What every receiver looks like, and how those over HTTP are spoken to."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Protocol

import httpx

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.alarms.alarm import Alarm, Notice
from customer_profiles.monitoring.alarms.page import Page

TIMEOUT_SECONDS = 5.0


class DeliveryError(CustomerProfilesError):
    """A notice was not taken; it is told again later."""


class Receiver(Protocol):
    """Somebody who is told."""

    @property
    def remind_seconds(self) -> float | None:
        """How often it wants to hear which alarms are open; None for never."""
        ...

    def deliver(self, notice: Notice, page: Page) -> None:
        """Tell it.

        Raises:
            DeliveryError: It did not take it.
        """
        ...

    def remind(self, alarms: Collection[Alarm]) -> None:
        """Tell it again which alarms are open.

        Raises:
            DeliveryError: It did not take it.
        """
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class HttpReceiver:
    """Somebody who is told over HTTP."""

    remind_seconds: float | None = None

    def __init__(self, kind: str) -> None:
        """Prepare to speak.

        Args:
            kind: What it is called in errors.
        """
        self._kind = kind
        # Redirects are refused: what is sent may hold a secret.
        self._client = httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=False)

    def remind(self, alarms: Collection[Alarm]) -> None:
        """Nothing to remind of."""

    def close(self) -> None:
        """Let go of connections."""
        self._client.close()

    def post(self, url: str, body: Any, headers: Mapping[str, str] | None = None) -> None:
        """Post JSON.

        Raises:
            DeliveryError: It was not taken; the message leaves the URL out, which may be a secret.
        """
        try:
            answer = self._client.post(url, json=body, headers=headers)
        except httpx.HTTPError as error:
            raise DeliveryError(f"{self._kind} cannot be reached ({type(error).__name__}).") from None
        if not answer.is_success:
            raise DeliveryError(
                f"{self._kind} answered {answer.status_code}. Check its settings under `alarms`."
            )
