"""A run shows how it gets on, whole, in a narrow terminal and in a log."""

from __future__ import annotations

import io
import re

from rich.console import Console

from customer_profiles.cli.progress import Progress
from customer_profiles.monitoring.ledger import StageResult

STAGES = [
    StageResult("ingest_interaction", "orders", received=1_234_567, applied=1_200_000, duplicate=34_567),
    StageResult("refresh_segments", received=987_654, applied=7_654, unchanged=980_000, seconds=123.4),
]


def console(*, terminal: bool) -> Console:
    return Console(file=io.StringIO(), width=80, force_terminal=terminal, color_system=None)


def shown(one: Console) -> str:
    assert isinstance(one.file, io.StringIO)
    return one.file.getvalue()


def test_eighty_columns_hold_the_names_of_stages_and_sources_and_every_count() -> None:
    terminal = console(terminal=True)

    with Progress(terminal) as progress:
        for result in STAGES:
            progress(result)
        terminal.print(progress.table())

    table = shown(terminal)
    for whole in (
        "ingest_interaction",
        "orders",
        "refresh_segments",
        "1,234,567",
        "34,567",
        "980,000",
        "123.4",
    ):
        assert whole in table
    assert "…" not in table


def test_a_source_with_a_long_name_goes_on_in_the_next_line() -> None:
    terminal = console(terminal=True)
    progress = Progress(terminal)
    progress(StageResult("ingest_interaction", "newsletter_platform", received=1_234_567, applied=1_234_567))

    terminal.print(progress.table())

    told = "".join(re.findall(r"(?m)^(?:ingest_interaction|\s{18}) (\S+)", shown(terminal)))
    assert told.endswith("newsletter_platform")
    assert "…" not in told


def test_a_log_has_a_line_for_each_stage_that_ends_with_its_batches_added_up() -> None:
    log = console(terminal=False)

    with Progress(log) as progress:
        progress(
            StageResult("ingest_record", "crm", received=10, applied=9, quarantined=1, seconds=1, more=True)
        )
        progress(StageResult("ingest_record", "crm", received=5, applied=5, seconds=1))
        progress(StageResult("resolve"))

    assert shown(log).splitlines() == [
        "ingest_record crm: 15 received, 14 applied, 1 quarantined (2.0 s)",
        "resolve: nothing new (0.0 s)",
    ]


def test_a_log_hears_of_a_stage_that_is_long_at_work(monkeypatch) -> None:
    log, now = console(terminal=False), 100.0
    monkeypatch.setattr("customer_profiles.cli.progress.time.monotonic", lambda: now)

    with Progress(log) as progress:
        now += 9
        progress(StageResult("ingest_record", "crm", received=10, applied=10, more=True))
        assert shown(log) == ""
        now += 9
        progress(StageResult("ingest_record", "crm", received=10, applied=10, more=True))

    assert shown(log) == "ingest_record crm: 20 received, 20 applied so far (0.0 s)\n"


def test_what_a_source_has_to_say_is_told_once_in_a_log_and_below_the_table_in_a_terminal() -> None:
    log, terminal = console(terminal=False), console(terminal=True)
    note = "crm.contacts: its settings changed, so its whole table is read again."

    for shows in (log, terminal):
        with Progress(shows) as progress:
            for more in (True, False):
                progress(StageResult("ingest_record", "crm", received=5, more=more, facts={"notes": note}))
            progress(StageResult("resolve"))

    assert shown(log).splitlines()[0] == note
    assert shown(log).count(note) == 1
    assert shown(terminal).rsplit("resolve", 1)[1].count(note) == 1
