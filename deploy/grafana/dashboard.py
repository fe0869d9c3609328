"""Writes the Grafana dashboard from code: python deploy/grafana/dashboard.py (or `make dashboard`).

Import the JSON beside this file into Grafana and choose the Prometheus that deploy/prometheus/prometheus.yml sets up.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from grafana_foundation_sdk.builders import dashboard, prometheus, stat, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef

FILE = Path(__file__).with_name("customer_profiles.json")
SOURCE = DataSourceRef(type_val="prometheus", uid="${source}")


@dataclass(frozen=True)
class Shown:
    """One panel: its title, unit, and queries with the legend of each."""

    title: str
    says: str
    unit: str
    queries: Sequence[tuple[str, str]]
    single: bool = False


ROWS: dict[str, Sequence[Shown]] = {
    "Are profiles fresh?": (
        Shown("Lag", "How far profiles are behind; the SLA is the line above.", "s", [("customer_profiles:lag_seconds:max", "lag"), ("max(customer_profiles_sla_seconds)", "SLA")]),
        Shown("Lag by stage", "Idle is not late; a source that nobody reads is.", "s", [("max by (stage, source) (customer_profiles_lag_seconds)", "{{stage}} {{source}}")]),
        Shown("From received to served", "Of interactions, over five minutes.", "s", [("customer_profiles:served_seconds:p50_5m", "half within"), ("customer_profiles:served_seconds:p99_5m", "99 % within")]),
        Shown("Backlog", "What waits for a stage, or before it.", "short", [("max by (stage) (customer_profiles_backlog)", "{{stage}}")]),
    ),
    "What comes in": (
        Shown("Received a second", "By source, over a minute.", "cps", [("customer_profiles:received:rate1m", "{{source}}")]),
        Shown("What became of it", "The ledger's terms, a second.", "cps", [('sum by (outcome) (rate(customer_profiles_outcomes_total{source!=""}[1m]))', "{{outcome}}")]),
        Shown("Quarantined", "The share of what a source sent that broke its contract.", "percentunit", [("customer_profiles:quarantined_share:rate5m", "{{source}}")]),
        Shown("The collector's answers", "A second, by status.", "reqps", [("sum by (status) (rate(customer_profiles_collector_answers_total[1m]))", "{{status}}")]),
        Shown("The collector's time", "99 % of requests are answered within.", "s", [("histogram_quantile(0.99, sum by (le) (rate(customer_profiles_collector_seconds_bucket[5m])))", "99 % within")]),
        Shown("The collector's events", "A second, and how many wait.", "short", [("sum by (what) (rate(customer_profiles_collector_events_total[1m]))", "{{what}} a second"), ("max(customer_profiles_collector_backlog)", "wait")]),
    ),
    "How it works": (
        Shown("Batches", "99 % of a stage's batches take at most.", "s", [("customer_profiles:batch_seconds:p99_5m", "{{stage}}")]),
        Shown("Rows of a batch", "On average, by stage.", "short", [("sum by (stage) (rate(customer_profiles_batch_rows_sum[5m])) / sum by (stage) (rate(customer_profiles_batch_rows_count[5m]))", "{{stage}}")]),
        Shown("Next batch", "Grows with the backlog of a source.", "short", [("max by (source) (customer_profiles_next_batch_rows)", "{{source}}")]),
        Shown("Who drives", "Workers that hold the lease: one.", "short", [("sum(customer_profiles_leads)", "workers")], single=True),
        Shown("Sign of life", "Since the heart of whoever drives last beat.", "s", [("time() - max(customer_profiles_driver_beat_timestamp_seconds)", "driver")], single=True),
        Shown("The ledger", "Batches that do not add up: none.", "short", [("max(customer_profiles_ledger_wrong_batches)", "wrong")], single=True),
    ),
    "Alarms": (
        Shown("Open", "Alarms that are open now.", "short", [("sum(customer_profiles_alarms_open) or vector(0)", "open")], single=True),
        Shown("Undelivered", "Notices that no receiver took yet.", "short", [("max(customer_profiles_alarms_undelivered)", "undelivered")], single=True),
        Shown("The watch", "Since it last looked.", "s", [("time() - max(customer_profiles_watch_looked_timestamp_seconds)", "last look")], single=True),
        Shown("Room", "Where the state is.", "bytes", [("min by (place) (customer_profiles_disk_free_bytes)", "{{place}}")]),
    ),
}  # fmt: skip


def panel(shown: Shown) -> timeseries.Panel | stat.Panel:
    """One panel."""
    made = (stat.Panel if shown.single else timeseries.Panel)()
    made.title(shown.title).description(shown.says).unit(shown.unit).datasource(SOURCE).span(6).height(8)
    for ref_id, (expr, legend) in zip("ABC", shown.queries, strict=False):
        query = prometheus.Dataquery().expr(expr).legend_format(legend).datasource(SOURCE).ref_id(ref_id)
        made.with_target(query)
    return made


def build() -> str:
    """The dashboard as JSON."""
    made = (
        dashboard.Dashboard("customer_profiles")
        .uid("customer-profiles")
        .tags(["customer_profiles"])
        .refresh("10s")
        .time("now-1h", "now")
        .timezone("browser")
        .with_variable(dashboard.DatasourceVariable("source").label("Prometheus").type("prometheus"))
    )
    for title, panels in ROWS.items():
        made.with_row(dashboard.Row(title))
        for shown in panels:
            made.with_panel(panel(shown))
    return JSONEncoder(sort_keys=True, indent=2).encode(made.build()) + "\n"


def main() -> int:
    """Write it; with --check, only say whether it is up to date."""
    if "--check" in sys.argv:
        if FILE.read_text() == build():
            return 0
        print(f"{FILE.name} is not what the code gives: run make dashboard")
        return 1
    FILE.write_text(build())
    return 0


if __name__ == "__main__":
    sys.exit(main())
