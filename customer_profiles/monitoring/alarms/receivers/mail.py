"""Mail over SMTP: one message when an alarm is raised, and an answer to it when it is over."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Collection, Sequence
from email.message import EmailMessage
from hashlib import blake2b
from typing import Literal

from customer_profiles.monitoring.alarms.alarm import Alarm, Event, Notice
from customer_profiles.monitoring.alarms.page import Page
from customer_profiles.monitoring.alarms.receivers.receiver import TIMEOUT_SECONDS, DeliveryError


class MailReceiver:
    """Sends mail."""

    remind_seconds: float | None = None

    def __init__(
        self,
        host: str,
        port: int,
        security: Literal["starttls", "tls", "none"],
        login: tuple[str, str] | None,
        sender: str,
        to: Sequence[str],
    ) -> None:
        """Name the mail server; it is connected to for each message.

        Args:
            host: The server.
            port: Its port.
            security: How the connection is protected.
            login: User and password, where it wants them.
            sender: The address it comes from.
            to: The addresses it goes to.
        """
        self._host, self._port, self._security = host, port, security
        self._login, self._sender, self._to = login, sender, tuple(to)

    def deliver(self, notice: Notice, page: Page) -> None:
        """Send it.

        Raises:
            DeliveryError: The server did not take it.
        """
        try:
            with self._connect() as server:
                if self._security == "starttls":
                    server.starttls(context=ssl.create_default_context())
                if self._login is not None:
                    server.login(*self._login)
                server.send_message(self._message(notice, page))
        except (OSError, smtplib.SMTPException) as error:
            raise DeliveryError(
                f"The mail server did not take a message ({type(error).__name__}). Check its settings under `alarms`."
            ) from None

    def remind(self, alarms: Collection[Alarm]) -> None:
        """Nothing to remind of."""

    def close(self) -> None:
        """Nothing is held open."""

    def _connect(self) -> smtplib.SMTP:
        if self._security == "tls":
            context = ssl.create_default_context()
            return smtplib.SMTP_SSL(self._host, self._port, timeout=TIMEOUT_SECONDS, context=context)
        return smtplib.SMTP(self._host, self._port, timeout=TIMEOUT_SECONDS)

    def _message(self, notice: Notice, page: Page) -> EmailMessage:
        opened = self._message_id(notice.alarm, Event.OPEN)
        message = EmailMessage()
        message["From"], message["To"] = self._sender, ", ".join(self._to)
        message["Subject"] = " ".join(page.title.split())
        # The same message after a crash has the same ID, so that mail programs can show it once.
        message["Message-ID"] = self._message_id(notice.alarm, notice.event)
        if notice.event is Event.RESOLVE:
            message["In-Reply-To"] = message["References"] = opened
        message["Auto-Submitted"] = "auto-generated"
        message["X-Alarm-ID"] = notice.alarm.alarm_id
        message.set_content(page.text)
        return message

    def _message_id(self, alarm: Alarm, event: Event) -> str:
        digest = blake2b(f"{alarm.alarm_id}\0{event}".encode(), digest_size=16).hexdigest()
        return f"<{digest}@{self._sender.rpartition('@')[2] or 'localhost'}>"
