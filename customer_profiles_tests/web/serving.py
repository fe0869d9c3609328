"""A collector that is served for tests: real sockets, real state, and what its events become."""

from __future__ import annotations

import gzip
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import orjson
import uvicorn

from customer_profiles.cleaning.ingest import now_micros
from customer_profiles.encryption.keys import KeyProvider
from customer_profiles.pipeline.build import Pipeline
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.web.app import create_app
from customer_profiles_tests.cleaning.made import KEYS, rows_of, settings_of

SETTINGS = """
state: {url: "sqlite:state", key: {provider: environment, variable: TEST_KEY}}
sources:
  web:
    phone_region: GB
    currency: GBP
    connector:
      type: collector
    feeds:
      identify:
        contract: record
        where: {type: identify}
        fields:
          source_key: userId
          full_name: [traits.name, context.traits.name]
          emails: [traits.email, context.traits.email]
          external_ids: {user_id: userId, anonymous_id: anonymousId}
          updated_at: timestamp
      events:
        contract: interaction
        where: {type: [track, page, screen, group, alias]}
        fields:
          event_id: messageId
          record_key: userId
          identifiers: {user_id: userId, anonymous_id: [anonymousId, previousId]}
          type: [event, type]
          channel: channel
          occurred_at: timestamp
          properties: {path: properties.path}
"""
WRITE_KEY = KEYS.key("write_key/web")[:16].hex()


@dataclass(frozen=True)
class Served:
    """A served collector, its state, and the pipeline behind it."""

    address: str
    state: State
    settings: Settings

    def post(
        self, path: str, body: Any, *, key: str | None = WRITE_KEY, packed: bool = False, **headers: str
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else orjson.dumps(body)
        if packed:
            content, headers = gzip.compress(content), {**headers, "Content-Encoding": "gzip"}
        auth = None if key is None else (key, "")
        return httpx.post(self.address + path, content=content, auth=auth, headers=headers, timeout=30)

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.address + path, timeout=30)

    def run(self) -> None:
        Pipeline(self.settings, self.state, KEYS).run()

    def interactions(self) -> list[Any]:
        return rows_of(self.state, "SELECT event_id FROM interaction ORDER BY interaction_no")


def settings_with(folder: Path, collector: str = "") -> Settings:
    """The settings of the test's company; `collector` is what stands below that key."""
    return settings_of(SETTINGS + (f"collector: {{{collector}}}\n" if collector else ""), folder)


@contextmanager
def serving(state: State, settings: Settings, port: int = 0, keys: KeyProvider = KEYS) -> Iterator[Served]:
    """Serve the collector on loopback until the end of the block."""
    listener = socket.create_server(("127.0.0.1", port))
    config = uvicorn.Config(create_app(state, settings, keys), log_level="warning", access_log=False)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    try:
        yield Served(f"http://127.0.0.1:{listener.getsockname()[1]}", state, settings)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()


def track(message_id: str, user: str = "u1", **more: Any) -> dict[str, Any]:
    """A track call of now."""
    return {
        "type": "track",
        "event": "Product Viewed",
        "userId": user,
        "messageId": message_id,
        "timestamp": moment(0),
        **more,
    }


def moment(seconds: float) -> str:
    """Now and so many seconds, as clients write it."""
    return datetime.fromtimestamp(now_micros() / 1e6 + seconds, UTC).isoformat()


def wait_until(holds: Callable[[], bool], seconds: float = 20) -> None:
    """Look again and again until something holds."""
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "it did not come to hold"
        threading.Event().wait(0.02)  # let what is waited for have the processor
