"""What is shipped for Prometheus, Alertmanager and Grafana works with real ones: rules, alerts, every panel's query."""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from customer_profiles.monitoring.metrics import showing
from customer_profiles.pipeline.build import Pipeline
from customer_profiles.pipeline.metrics import WatchMetrics, WorkerMetrics
from customer_profiles.pipeline.watch import Watch
from customer_profiles.pipeline.worker import Worker
from customer_profiles.settings import load_settings
from customer_profiles.state.engine import State
from customer_profiles.web.app import create_app
from customer_profiles.web.metrics import CollectorMetrics
from customer_profiles_tests.cleaning.made import KEYS
from customer_profiles_tests.monitoring.listeners import alertmanager, free_port, hub
from customer_profiles_tests.monitoring.prometheus_server import Prometheus, program, prometheus
from customer_profiles_tests.web.serving import WRITE_KEY, settings_with, track, wait_until

DEPLOY = load_settings().folder / "deploy"
RULES = (DEPLOY / "prometheus/customer_profiles.rules.yml").read_text()
DASHBOARD = json.loads((DEPLOY / "grafana/customer_profiles.json").read_text())
QUERIES = [
    (panel["title"], target["expr"]) for panel in DASHBOARD["panels"] for target in panel.get("targets", ())
]


@dataclass(frozen=True)
class Observed:
    """A collector, a worker and a watch at work, and a Prometheus that looks at them."""

    prometheus: Prometheus
    ports: dict[str, int]


@contextmanager
def thread(run: object, stop: object) -> Iterator[None]:
    started = threading.Thread(target=run)  # type: ignore[arg-type]
    started.start()
    try:
        yield
    finally:
        stop()  # type: ignore[operator]
        started.join(30)


@pytest.fixture(scope="module")
def observed(tmp_path_factory: pytest.TempPathFactory, _sqlcipher_template: Path) -> Iterator[Observed]:
    folder = tmp_path_factory.mktemp("observed")
    shutil.copytree(_sqlcipher_template, folder / "state")
    settings = settings_with(folder)
    ports = {name: free_port() for name in ("worker", "collector", "watch")}
    of_worker, of_watch, of_collector = (
        WorkerMetrics(),
        WatchMetrics(settings.sla.seconds),
        CollectorMetrics(),
    )
    with ExitStack() as up:
        from customer_profiles_tests.conftest import _key_for

        state = up.enter_context(State.open(f"sqlite:{folder / 'state'}", _key_for))
        for name, metrics in (("worker", of_worker), ("collector", of_collector), ("watch", of_watch)):
            up.enter_context(showing(metrics.registry, "127.0.0.1", ports[name]))
        port = free_port()
        app = create_app(state, settings, KEYS, of_collector)
        server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", access_log=False))
        up.enter_context(thread(server.run, lambda: setattr(server, "should_exit", True)))
        worker = Worker(Pipeline(settings, state, KEYS), of_worker.passed, of_worker.waits, of_worker.leads)
        up.enter_context(thread(worker.run, worker.stop))
        watch = Watch(state, settings, {})
        up.enter_context(thread(lambda: watch.run(of_watch.looked), watch.stop))
        wait_until(lambda: server.started)
        stopping = threading.Event()
        up.enter_context(thread(lambda: _visit(f"http://127.0.0.1:{port}", stopping), stopping.set))
        yield Observed(up.enter_context(prometheus(folder / "prometheus", ports, RULES)), ports)


def _visit(address: str, stopping: threading.Event) -> None:
    """Visitors, some of whose events are told twice or break the contract."""
    number = 0
    while not stopping.wait(0.1):
        number += 1
        person = {
            "type": "identify",
            "userId": f"u{number % 50}",
            "messageId": f"i{number}",
            "traits": {"name": "A B"},
        }
        broken = (
            track(f"b{number}", timestamp="tomorrow, perhaps") if number % 5 == 0 else track(f"t{number - 1}")
        )
        batch = [person, track(f"t{number}", f"u{number % 50}"), broken]
        httpx.post(f"{address}/v1/batch", json={"batch": batch}, auth=(WRITE_KEY, ""), timeout=30)


pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("prometheus")]


def test_there_are_panels() -> None:
    """Or the test below would ask nothing."""
    assert len(QUERIES) >= 20


@pytest.mark.parametrize(("title", "expr"), QUERIES, ids=[title for title, _ in QUERIES])
def test_the_query_of_a_panel_gives_numbers_while_there_is_traffic(
    title: str, expr: str, observed: Observed
) -> None:
    def shows() -> bool:
        found = observed.prometheus.query(expr)
        return bool(found) and any(math.isfinite(float(one["value"][1])) for one in found)

    wait_until(shows, 60)


def test_what_prometheus_saw_is_what_the_state_holds(observed: Observed) -> None:
    """Everything received is accounted for in the metrics too."""
    received = "sum(customer_profiles_received_total)"

    def adds_up() -> bool:
        found = observed.prometheus.query(f"{received} - sum(customer_profiles_outcomes_total)")
        return bool(found) and float(found[0]["value"][1]) == 0

    wait_until(lambda: float(observed.prometheus.query(received)[0]["value"][1]) > 100)
    wait_until(adds_up)


def test_no_metric_holds_a_value_of_a_person(observed: Observed) -> None:
    for port in observed.ports.values():
        told = httpx.get(f"http://127.0.0.1:{port}/metrics").text
        assert "customer_profiles_" in told
        assert not any(one in told for one in ("u1", "A B", WRITE_KEY, "Product Viewed"))


def test_while_all_is_well_no_alert_fires(observed: Observed) -> None:
    wait_until(lambda: bool(observed.prometheus.query("customer_profiles_leads == 1")))
    assert observed.prometheus.firing() == set()


def test_the_rules_keep_what_their_tests_promise() -> None:
    folder = DEPLOY / "prometheus"
    for arguments in (
        ("check", "rules", "customer_profiles.rules.yml"),
        ("check", "config", "prometheus.yml"),
        ("test", "rules", "customer_profiles.rules.test.yml"),
    ):
        ended = subprocess.run([program("promtool"), *arguments], cwd=folder, capture_output=True, text=True)
        assert ended.returncode == 0, ended.stdout + ended.stderr


def test_every_rule_is_tested() -> None:
    tested = (DEPLOY / "prometheus/customer_profiles.rules.test.yml").read_text()
    names = [
        line.split(": ")[1]
        for line in RULES.splitlines()
        if line.strip().startswith(("- record:", "- alert:"))
    ]

    assert len(names) == 12
    assert [name for name in names if name not in tested] == []


def test_the_alertmanager_settings_that_are_shipped_are_right() -> None:
    config = DEPLOY / "alertmanager/alertmanager.yml"
    ended = subprocess.run([program("amtool"), "check-config", str(config)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_watch_that_is_gone_is_told_by_prometheus(tmp_path: Path) -> None:
    quick = RULES.replace("for: 30s", "for: 1s").replace("> 30)", "> 2)")
    assert quick != RULES
    metrics, port = WatchMetrics(60), free_port()
    with ExitStack() as up:
        heard = up.enter_context(hub())
        manager = up.enter_context(alertmanager(tmp_path / "alertmanager", heard.url))
        seen = up.enter_context(prometheus(tmp_path / "prometheus", {"watch": port}, quick, manager.url))
        up.enter_context(showing(metrics.registry, "127.0.0.1", port))  # it looked once, long ago, and hangs

        wait_until(lambda: "CustomerProfilesWatchSilent" in seen.firing(), 40)
        wait_until(
            lambda: any(
                one.body["groupLabels"]["alertname"] == "CustomerProfilesWatchSilent"
                for one in heard.at("/oncall")
            ),
            40,
        )
