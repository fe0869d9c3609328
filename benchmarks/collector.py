"""How many events a second the collector accepts, durably, in batches: python -m benchmarks.collector.

Serves one process, as `customer-profiles serve` does, and sends from another one, over connections that stay open. The state is
where `--folder` says, for what counts is how long that disk takes to make a transaction durable.
"""

import argparse
import multiprocessing
import os
import socket
import statistics
import tempfile
import threading
import time
from pathlib import Path

import httpx
import orjson
import uvicorn

from customer_profiles.encryption.keys import EnvironmentKey
from customer_profiles.settings import Settings, settings_from_text
from customer_profiles.state.engine import State
from customer_profiles.state.migrate import migrate
from customer_profiles.web.app import create_app
from customer_profiles.web.write_keys import load_write_keys

SETTINGS = """
state: {url: "URL", key: {provider: environment, variable: BENCHMARK_KEY}}
collector: {backlog: 100_000_000}
sources:
  web:
    connector: {type: collector}
    feeds:
      events:
        contract: interaction
        fields: {event_id: messageId, record_key: userId, type: event, occurred_at: timestamp}
"""


def serve(url: str, listener: socket.socket) -> None:
    """The collector, in a process of its own."""
    settings = _settings(url)
    keys = EnvironmentKey("BENCHMARK_KEY")
    with State.open(settings.state.url, keys.key) as state:
        migrate(state)
        config = uvicorn.Config(create_app(state, settings, keys), log_level="warning", access_log=False)
        uvicorn.Server(config).run([listener])


def write_key() -> str:
    """The key of the only source."""
    (key,) = load_write_keys(_settings("sqlite:nowhere"), EnvironmentKey("BENCHMARK_KEY"))
    return key


def _settings(url: str) -> Settings:
    return settings_from_text(SETTINGS.replace("URL", url), Path("customer_profiles.yaml"), dict(os.environ))


def bodies(sender: int, requests: int, batch: int) -> list[bytes]:
    """The requests of one sender, with events of about 700 bytes, as analytics.js makes them."""
    context = {
        "library": {"name": "analytics.js", "version": "1.60.0"},
        "userAgent": "Mozilla/5.0 (X11; Linux x86_64)",
    }
    context["page"] = {
        "path": "/outdoor/tents",
        "url": "https://shop.example/outdoor/tents",
        "title": "Tents",
    }
    return [
        orjson.dumps(
            {
                "batch": [
                    {
                        "type": "track",
                        "event": "Product Viewed",
                        "messageId": f"ajs-next-{sender}-{request}-{number}-c0ffee",
                        "userId": f"u{number}",
                        "anonymousId": "5b0e6a0c-3d0e-4b8e-9a53-" + "0" * 12,
                        "timestamp": "2026-10-31T12:00:00.000Z",
                        "context": context,
                        "properties": {"product_id": "p123", "category": "outdoor", "note": "x" * 150},
                    }
                    for number in range(batch)
                ],
                "sentAt": "2026-10-31T12:00:00.000Z",
            }
        )
        for request in range(requests)
    ]


def send(url: str, key: str, requests: list[bytes], seconds: list[float]) -> None:
    """Send one request after the other, and note how long each answer took."""
    with httpx.Client(auth=(key, ""), timeout=60) as client:
        for body in requests:
            began = time.perf_counter()
            answer = client.post(url, content=body)
            seconds.append(time.perf_counter() - began)
            assert answer.status_code == 200, answer.text


def main() -> None:
    """Serve, send, print the rate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--senders", type=int, default=4)
    parser.add_argument("--folder", help="where the state is made [a temporary folder]")
    parser.add_argument("--postgres", metavar="URL", help="the state in this Postgres database, an empty one")
    given = parser.parse_args()
    os.environ["BENCHMARK_KEY"] = os.urandom(32).hex()
    each = given.events // given.batch // given.senders
    prepared = [bodies(sender, each, given.batch) for sender in range(given.senders)]
    size = len(prepared[0][0]) / given.batch
    with (
        tempfile.TemporaryDirectory(dir=given.folder) as folder,
        socket.create_server(("127.0.0.1", 0)) as listener,
    ):
        process = multiprocessing.get_context("spawn").Process(
            target=serve, args=(given.postgres or f"sqlite:{folder}/state", listener)
        )
        process.start()
        address = f"http://127.0.0.1:{listener.getsockname()[1]}"
        httpx.get(f"{address}/health", timeout=120)
        seconds: list[float] = []
        threads = [
            threading.Thread(target=send, args=(f"{address}/v1/batch", write_key(), requests, seconds))
            for requests in prepared
        ]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        took = time.perf_counter() - began
        process.terminate()
        process.join()
    accepted = len(seconds) * given.batch
    p50, p99 = (1000 * statistics.quantiles(seconds, n=100)[place] for place in (49, 98))
    print(
        f"{accepted:,} events of {size:.0f} bytes in batches of {given.batch} from {given.senders} connections: "
        f"{accepted / took:,.0f} accepted a second; an answer took {p50:.0f} ms (p50), {p99:.0f} ms (p99)"
    )


if __name__ == "__main__":
    main()
