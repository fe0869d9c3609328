"""`top` shows the stream in eighty columns, once or until Ctrl-C, and as JSON."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from customer_profiles.cli import top
from customer_profiles.monitoring.freshness import Verdict
from customer_profiles.pipeline.live import AlarmNow, Driver, LatencyNow, Live, StageNow
from customer_profiles_tests.cli.conftest import Command

FAILURE = {
    "of": "crm",
    "reason": "The database cannot be reached [Errno 111].",
    "times": 3,
    "retry_seconds": 4.2,
}
SHOWN = Live(
    at=1_793_450_000_000_000,
    driver=Driver("3f2a77c0aa", 0.4, 12, {"site": 10_000}, (FAILURE,), True),
    stages=(
        StageNow(
            "ingest_interaction", "site", 12_345, 12_000, 1.5, 0.42, 987_654, 61.5, 1_793_449_938_500_000
        ),
        StageNow("refresh_segments", "", 0.4, 0, 0, 0, 0, None, None),
    ),
    latency=LatencyNow(4_000, 0.25, 0.9, 1.25),
    backlog=987_654,
    most=1_000_000,
    lag_seconds=61.5,
    sla=Verdict.BROKEN,
    quarantine=10_000,
    batches=80,
    adds_up=False,
    alarms=(
        AlarmNow(
            "sla_broken",
            "",
            "critical",
            1_793_449_998_500_000,
            "Profiles are 60 s behind, more than the SLA allows (60 s).",
        ),
        AlarmNow(
            "source_failing", "crm", "warning", 1_793_449_940_000_000, "The source crm does not get on."
        ),
    ),
    watched=True,
)


def printed(console: Console) -> str:
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_everything_stands_in_eighty_columns() -> None:
    console = Console(file=io.StringIO(), width=80, color_system=None)
    console.print(top.picture(SHOWN, "Otherby & Sons"))

    told = printed(console)
    for whole in (
        "Otherby & Sons  worker 3f2a77c0 drives, last heard of 0 s ago, a run of Dagster is at work",
        "61.5 s behind, the SLA is broken   in 12,345/s   served 4,000/s   backlog 987,654",
        "ingest_interaction site   12,345    12,000  42% 987,654 61.5 s 12:32:18 10,000",
        "never",
        "p50 0.25 s   p99 0.90 s   slowest 1.25 s",
        "DOES NOT ADD UP",
        "10,000 or more",
        "alarms 2 open",
        "sla_broken for 1.5 s: Profiles are 60 s behind, more than the SLA allows (60 s).",
        "source_failing of crm for 60.0 s: The source crm does not get on.",
        "crm does not get on (3 times, again in 4 s): The database cannot be reached [Errno 111].",
    ):
        assert " ".join(whole.split()) in " ".join(told.split()), told
    assert "…" not in told


def test_it_shows_the_state_of_a_company_that_nobody_drives(command: Command) -> None:
    told = command("top", "--once")
    shown = command("top", "--json").json

    assert "nobody drives: start customer-profiles stream" in told.out
    assert "nothing served in the last minute" in told.out
    assert "none known: nobody watches" in told.out
    assert shown["alarms"] == []
    assert shown["driver"]["holder"] is None
    assert {"ingest_record", "ingest_interaction", "resolve", "refresh_segments"} <= {
        one["stage"] for one in shown["stages"]
    }
    assert shown["adds_up"]
    assert shown["quarantine"] > 0


def test_on_a_terminal_it_looks_again_until_ctrl_c(monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), width=80, force_terminal=True, color_system=None)
    monkeypatch.setattr(top, "out", console)
    looks: list[Live] = []

    def look() -> Live:
        if len(looks) == 3:
            raise KeyboardInterrupt
        looks.append(SHOWN)
        return SHOWN

    top._watch(look, "Otherby & Sons", every=0)

    assert len(looks) == 3
    assert printed(console).count("Otherby & Sons") >= 2
