"""`demo traffic` plays visitors to a collector that is served, and says what became of them."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from customer_profiles.cli.traffic import Shown
from customer_profiles.demo.traffic import Sent
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import load_settings
from customer_profiles_tests.cli.conftest import Command
from customer_profiles_tests.web.serving import serving

pytestmark = pytest.mark.xdist_group("cli")


def test_it_plays_for_as_long_as_asked_and_tells_what_was_accepted(command: Command, company: Path) -> None:
    settings = load_settings(company)
    with (
        open_pipeline(settings) as house,
        serving(house.state, settings, keys=house.keys) as served,
    ):
        arguments = ("demo", "traffic", "--rate", 200, "--seconds", 1, "--url", served.address)
        told = command(*arguments, "--json")
        said = command(*arguments)

    sent = told.json["sent"]
    assert told.code == said.code == 0
    assert sent["made"] == sent["accepted"] + sent["duplicate"]
    assert 100 <= sent["made"] <= 200
    assert "accepted" in said.out
    assert "event=traffic accepted=" in said.error


def test_a_source_that_takes_no_events_is_refused_with_those_that_do(command: Command, company: Path) -> None:
    settings = load_settings(company)
    with open_pipeline(settings) as house, serving(house.state, settings, keys=house.keys) as served:
        told = command("demo", "traffic", "--source", "crm", "--url", served.address)

    assert (told.code, told.error) == (2, "crm is no source of the collector: choose site.")


def test_trouble_is_told_once_and_so_is_its_end() -> None:
    log = Console(file=io.StringIO(), width=200)
    shown = Shown(log)
    for sent in (Sent(made=1, trouble="full"), Sent(made=2, trouble="full"), Sent(made=2, accepted=2)):
        shown.sent(sent)

    assert isinstance(log.file, io.StringIO)
    lines = log.file.getvalue().splitlines()
    assert [line.split("event=")[1].split(" ")[0] for line in lines] == ["waits", "traffic", "recovered"]
