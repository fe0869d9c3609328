"""`customer-profiles watch`: tells on-call when profiles fall behind or anything else is wrong, and when it is over."""

from __future__ import annotations

import signal
import time
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.new_key import telling_of_a_new_key
from customer_profiles.cli.output import JsonOption, err, moment, say, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.monitoring.alarms.alarm import Finding
    from customer_profiles.monitoring.alarms.signs import Blind, Signs
    from customer_profiles.pipeline.watch import Look, Watch
    from customer_profiles.settings import Settings
    from customer_profiles.state.engine import State


def watch(
    once: Annotated[
        bool, typer.Option("--once", help="Look once, tell nobody, and end: 1 when something is wrong.")
    ] = False,
    test: Annotated[
        bool,
        typer.Option("--test", help="Send a test alarm, and that it is over, to every receiver, and end."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Watch the pipeline twice a second and tell on-call: once when something is wrong, and once when it is over.

    A process of its own beside `stream`, `serve` and Dagster; it looks at the state only. Who is told, and from where on
    something is wrong, is under `alarms` in the settings. What was told is kept in the state: start it again at any time,
    nobody is paged twice. A second one waits and takes over.

    Examples: customer-profiles watch

    customer-profiles watch --once

    Next: docs/alarms.md, and docs/runbooks/ for each alarm.
    """
    from customer_profiles.monitoring.alarms.receivers.build import build_receivers
    from customer_profiles.monitoring.metrics import showing
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.pipeline.metrics import WatchMetrics
    from customer_profiles.pipeline.watch import Watch
    from customer_profiles.settings import load_settings

    settings = load_settings()
    if test:
        _send_a_test(settings)
        return
    receivers = {} if once else build_receivers(settings)
    with telling_of_a_new_key(settings), open_pipeline(settings) as house:
        if once:
            _look_once(settings, house.state, as_json)
            return
        watching = Watch(house.state, settings, receivers)
        told = ", ".join(receivers) or "nobody: set alarms.receivers"
        err.print(f"at={_now()} event=watches told={told!r}", markup=False, soft_wrap=True)
        metrics, on = WatchMetrics(settings.sla.seconds), settings.metrics

        def looked(found: Look) -> None:
            metrics.looked(found)
            _log(found)

        _stopped_by_signals(watching)
        with showing(metrics.registry, on.host, on.watch_port):
            watching.run(looked, _log_waiting)
        watching.close()


def _stopped_by_signals(watching: Watch) -> None:
    def stop(_number: int, _frame: FrameType | None) -> None:
        watching.stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)


def _log(found: Look) -> None:
    for event, alarm in found.opened:
        finding = alarm.finding
        line = f"at={_now()} event={event} alarm={alarm.alarm_id!r} severity={finding.severity} told={finding.summary!r}"
        err.print(line, markup=False, soft_wrap=True)


def _log_waiting() -> None:
    err.print(f"at={_now()} event=waits told='another one watches'", markup=False, soft_wrap=True)


def _now() -> str:
    return moment(time.time_ns() // 1_000).replace(" ", "T") + "Z"


def _look_once(settings: Settings, state: State, as_json: bool) -> None:
    from customer_profiles.cleaning.ingest import now_micros
    from customer_profiles.monitoring.alarms.rules import judge
    from customer_profiles.pipeline.signs import SignsReader

    now = now_micros()
    signs = SignsReader(state, settings, now).look(now)
    limits = settings.alarms.model_copy(update={"failing_seconds": 0.0})  # one look cannot tell how long
    found = judge(signs, limits, settings.sla.seconds).findings
    if as_json:
        show_json({"at": moment(now), "lags": _lags(signs), "wrong": [_told(one) for one in found]})
    else:
        lags = [tuple(row.values()) for row in _lags(signs)]
        show_table("", ("stage", "source", "everything up to", "waiting", "seconds behind"), lags)
        for one in found:
            say((f"{one.severity}: ", "bold red"), f"{one.summary} {settings.alarms.runbooks}/{one.name}.md")
        if not found:
            say("Nothing is wrong.")
    if found:
        raise typer.Exit(1)


def _lags(signs: Signs | Blind) -> list[dict[str, str | int | float]]:
    from customer_profiles.monitoring.alarms.signs import Blind

    if isinstance(signs, Blind):
        return []
    return [
        {
            "stage": lag.stage,
            "source": lag.source,
            "watermark": moment(lag.watermark),
            "waiting": lag.waiting,
            "seconds": round(lag.seconds, 1),
        }
        for lag in signs.freshness.lags
    ]


def _told(one: Finding) -> dict[str, object]:
    return {
        "alarm": one.name,
        "subject": one.subject,
        "severity": one.severity,
        "since": moment(one.since),
        "summary": one.summary,
        **one.facts,
    }


def _send_a_test(settings: Settings) -> None:
    from customer_profiles.monitoring.alarms.receivers.build import build_receivers
    from customer_profiles.monitoring.alarms.receivers.receiver import DeliveryError
    from customer_profiles.monitoring.alarms.trial import send_trial

    if not settings.alarms.receivers:
        say(
            "Nobody would be told: name who under `alarms.receivers` in the settings, as docs/alarms.md shows."
        )
        raise typer.Exit(1)
    failed = False
    for name, receiver in build_receivers(settings).items():
        try:
            send_trial(receiver, name, settings)
            say(("taken: ", "green"), name)
        except DeliveryError as error:
            say(("not taken: ", "bold red"), f"{name}: {error}")
            failed = True
        finally:
            receiver.close()
    if failed:
        raise typer.Exit(1)
