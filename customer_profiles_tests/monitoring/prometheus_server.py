"""A real Prometheus for tests, on loopback, with the rules that we ship."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from customer_profiles_tests.monitoring.listeners import free_port
from customer_profiles_tests.web.serving import wait_until


def program(name: str) -> str:
    """A program of Debian's package; without it the test is skipped, in CI it fails."""
    found = shutil.which(name)
    if found is None:
        told = f"{name} is not installed: apt-get install prometheus"
        if os.environ.get("CI"):
            pytest.fail(told)
        pytest.skip(told)
    return found


@dataclass(frozen=True)
class Prometheus:
    """A running server."""

    url: str

    def query(self, expr: str) -> list[dict[str, Any]]:
        """What an expression gives now."""
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expr}, timeout=10).json()
        assert answer["status"] == "success", answer
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def firing(self) -> set[str]:
        """The alerts that fire."""
        alerts = httpx.get(f"{self.url}/api/v1/alerts", timeout=10).json()["data"]["alerts"]
        return {one["labels"]["alertname"] for one in alerts if one["state"] == "firing"}


@contextmanager
def prometheus(
    folder: Path, processes: Mapping[str, int], rules: str, alertmanager: str | None = None
) -> Iterator[Prometheus]:
    """A server that looks at processes twice a second.

    Args:
        folder: Where it keeps what it saw.
        processes: The ports of `/metrics` by process.
        rules: The rules, as YAML.
        alertmanager: The address of the one it tells.
    """
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rules.yml").write_text(rules)
    targets = "".join(
        f'\n      - {{targets: ["127.0.0.1:{port}"], labels: {{process: {name}}}}}'
        for name, port in processes.items()
    )
    telling = (
        f'alerting: {{alertmanagers: [{{static_configs: [{{targets: ["{alertmanager.removeprefix("http://")}"]}}]}}]}}\n'
        if alertmanager
        else ""
    )
    (folder / "prometheus.yml").write_text(
        "global: {scrape_interval: 500ms, evaluation_interval: 500ms, scrape_timeout: 400ms}\n"
        f"rule_files: [rules.yml]\n{telling}scrape_configs:\n  - job_name: customer_profiles\n    static_configs:{targets}\n"
    )
    url = f"http://127.0.0.1:{free_port()}"
    command = [
        program("prometheus"), f"--config.file={folder / 'prometheus.yml'}", f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={url.removeprefix('http://')}", "--log.level=error",
        "--rules.alert.resend-delay=2s",
    ]  # fmt: skip
    before = ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []
    process = subprocess.Popen([*before, *command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: _ready(url) or process.poll() is not None, 30)
        assert process.poll() is None
        yield Prometheus(url)
    finally:
        process.kill()
        process.wait()


def _ready(url: str) -> bool:
    try:
        return httpx.get(f"{url}/-/ready", timeout=2).is_success
    except httpx.HTTPError:
        return False
