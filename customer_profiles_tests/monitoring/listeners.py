"""Receivers of alarms for tests, real ones: a web server, a mail server, and an Alertmanager that passes on to the first."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiosmtpd.controller import Controller

from customer_profiles_tests.web.serving import wait_until

ALERTMANAGER = """
route:
  receiver: oncall
  group_by: [alertname, subject]
  group_wait: 0s
  group_interval: 1s
  repeat_interval: 4h
  routes:
    - matchers: [alertname = CustomerProfilesWatchAlive]
      receiver: alive
      repeat_interval: 1s
receivers:
  - name: oncall
    webhook_configs: [{{url: "{hub}/oncall", send_resolved: true}}]
  - name: alive
    webhook_configs: [{{url: "{hub}/alive", send_resolved: true}}]
"""


@dataclass(frozen=True)
class Heard:
    """What was posted."""

    path: str
    body: Any
    headers: dict[str, str]


@dataclass
class Hub:
    """A web server that hears everything, and takes it or not."""

    url: str
    heard: list[Heard] = field(default_factory=list)
    status: int = 202

    def at(self, path: str) -> list[Heard]:
        return [one for one in self.heard if one.path.startswith(path)]


@dataclass
class Mailbox:
    """A mail server that keeps what it gets, while it is up."""

    port: int
    messages: list[Message] = field(default_factory=list)
    _controller: Controller | None = None

    def start(self) -> None:
        """Answer on the port."""
        self._controller = Controller(self, hostname="127.0.0.1", port=self.port)
        self._controller.start()  # type: ignore[no-untyped-call]

    def stop(self) -> None:
        """Answer no more."""
        if self._controller is not None:
            self._controller.stop()  # type: ignore[no-untyped-call]
            self._controller = None

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        self.messages.append(message_from_bytes(envelope.content, policy=policy.default))
        return "250 Message accepted"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def hub() -> Iterator[Hub]:
    """A web server on loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if made.status < 300:
                made.heard.append(Heard(self.path, body, dict(self.headers)))
            self.send_response(made.status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    made = Hub(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def mailbox() -> Iterator[Mailbox]:
    """A mail server on loopback."""
    made = Mailbox(free_port())
    made.start()
    try:
        yield made
    finally:
        made.stop()


class Manager:
    """An Alertmanager on loopback, which passes on to a web server."""

    def __init__(self, program: str, folder: Path) -> None:
        self.url = f"http://127.0.0.1:{free_port()}"
        self._command = [
            program, f"--config.file={folder / 'alertmanager.yml'}", f"--storage.path={folder / 'data'}",
            f"--web.listen-address={self.url.removeprefix('http://')}", "--cluster.listen-address=", "--log.level=error",
        ]  # fmt: skip
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Answer on the port; what it noted before a graceful end it still knows."""
        # Were the test run killed, the server would stay behind: it goes with its parent.
        before = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
        command = [*before, *self._command]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self._process = process
        wait_until(lambda: _ready(f"{self.url}/-/ready") or process.poll() is not None, 30)
        assert process.poll() is None

    def stop(self) -> None:
        """End it gracefully."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(30)
            self._process = None


@contextmanager
def alertmanager(folder: Path, passes_on_to: str) -> Iterator[Manager]:
    """An Alertmanager that is up; without its program the test is skipped, in CI it fails."""
    program = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")
    if program is None:
        if os.environ.get("CI"):
            pytest.fail("Alertmanager is not installed: apt-get install prometheus-alertmanager")
        pytest.skip("Alertmanager is not installed: apt-get install prometheus-alertmanager")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "alertmanager.yml").write_text(ALERTMANAGER.format(hub=passes_on_to))
    made = Manager(program, folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()


def _ready(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2).is_success
    except httpx.HTTPError:
        return False


@dataclass(frozen=True)
class Listeners:
    """One receiver of each kind."""

    hub: Hub
    mailbox: Mailbox
    alertmanager: Manager

    @property
    def settings(self) -> str:
        """The part `receivers` of the settings."""
        return f"""
  receivers:
    manager: {{type: alertmanager, url: "{self.alertmanager.url}"}}
    duty: {{type: pagerduty, url: "{self.hub.url}/duty", routing_key: {{provider: environment, variable: TEST_DUTY}}}}
    chat: {{type: slack, url: {{provider: environment, variable: TEST_CHAT}}}}
    mail: {{type: email, host: 127.0.0.1, port: {self.mailbox.port}, security: none, sender: watch@otherby.example,
           to: [oncall@otherby.example]}}
    hook: {{type: webhook, url: "{self.hub.url}/hook", token: {{provider: environment, variable: TEST_HOOK}}}}
"""

    @property
    def secrets(self) -> dict[str, str]:
        """The environment that the settings speak of."""
        return {
            "TEST_DUTY": "a-routing-key",
            "TEST_CHAT": f"{self.hub.url}/chat/a-secret",
            "TEST_HOOK": "a-token",
        }

    def told(self, alarm: str) -> dict[str, list[str]]:
        """What each receiver heard of an alarm, in its order: open, resolve.

        What is repeated after a crash counts once where a receiver can tell that it is a repeat: by the key of an incident, by the ID
        of an alarm. Alertmanager does so by itself.
        """
        words, title = alarm.replace("_", " "), "CustomerProfiles" + alarm.title().replace("_", "")
        return {
            "manager": [
                {"firing": "open", "resolved": "resolve"}[one.body["status"]]
                for one in self.hub.at("/oncall")
                if one.body["groupLabels"]["alertname"] == title
            ],
            "duty": incidents(
                (one.body["dedup_key"], {"trigger": "open", "resolve": "resolve"}[one.body["event_action"]])
                for one in self.hub.at("/duty/v2/enqueue")
                if one.body["dedup_key"].split("/")[2] == alarm
            ),
            "chat": incidents(
                (
                    one.body["text"].split("*alarm*: ")[1],
                    "resolve" if f"Over: {words}" in one.body["text"] else "open",
                )
                for one in self.hub.at("/chat/a-secret")
                if f"/{alarm}.md" in one.body["text"]
            ),
            "mail": incidents(
                (one["X-Alarm-ID"], "resolve" if one["In-Reply-To"] else "open")
                for one in list(self.mailbox.messages)
                if one["X-Alarm-ID"].startswith((f"{alarm}@", f"{alarm}/"))
            ),
            "hook": incidents(
                (one.body["id"], one.body["event"])
                for one in self.hub.at("/hook")
                if one.body["alarm"] == alarm
            ),
        }


def incidents(told: Iterable[tuple[str, str]]) -> list[str]:
    """What is opened and resolved when a repeat of what a key heard last changes nothing."""
    last: dict[str, str] = {}
    found = []
    for key, event in told:
        if last.get(key) != event:
            found.append(event)
        last[key] = event
    return found


@contextmanager
def listeners(folder: Path) -> Iterator[Listeners]:
    """One receiver of each kind, on loopback."""
    with ExitStack() as opened:
        web = opened.enter_context(hub())
        mails = opened.enter_context(mailbox())
        yield Listeners(web, mails, opened.enter_context(alertmanager(folder / "alertmanager", web.url)))
