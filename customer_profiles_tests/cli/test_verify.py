"""`identity verify` on the demo company: sound, damaged, and while changes wait."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import sqlalchemy as sa

from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import load_settings
from customer_profiles_tests.cli.conftest import Command

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture
def settings(company: Path, tmp_path: Path) -> Path:
    """A copy of the company, to damage."""
    shutil.copytree(company.parent, tmp_path / "copy")
    return tmp_path / "copy" / company.name


def execute(settings: Path, statement: str) -> None:
    with open_pipeline(load_settings(settings)) as house, house.state.writing() as connection:
        assert connection.execute(sa.text(statement)).rowcount


@pytest.mark.slow
def test_the_demo_company_is_what_a_rebuild_gives(command: Command) -> None:
    everything = command("identity", "verify", "--all", "--json")
    assert (everything.code, everything.json["differences"]) == (0, [])
    assert everything.json["compared"]["edge"] > 1_000
    sample = command("identity", "verify", "--sample", 50)
    assert sample.code == 0
    assert "is what a rebuild gives, around" in sample.out


@pytest.mark.slow
def test_what_was_damaged_is_told_by_record_number_with_exit_code_1(command: Command, settings: Path) -> None:
    heaviest = "SELECT left_no FROM edge ORDER BY weight DESC, left_no LIMIT 1"
    execute(
        settings,
        f"UPDATE edge SET weight = weight + 7 WHERE left_no = ({heaviest}) AND right_no = "
        f"(SELECT min(right_no) FROM edge WHERE left_no = ({heaviest}))",
    )
    [difference] = command("identity", "verify", "--all", "--json", settings=settings).json["differences"]
    assert (difference["part"], difference["fault"], difference["columns"]) == ("edge", "other", ["weight"])

    execute(settings, "UPDATE member SET customer_no = record_no WHERE record_no <> customer_no")
    for way in ("--all", "--sample=100"):
        told = command("identity", "verify", way, settings=settings)
        assert told.code == 1
        assert "customer-profiles rebuild" in told.out
        assert "member" in told.out
        assert "@" not in told.out


def test_it_refuses_with_exit_code_2_while_changes_wait(command: Command, settings: Path) -> None:
    execute(
        settings,
        "UPDATE record SET change_no = (SELECT max(change_no) + 1 FROM record) WHERE record_no = "
        "(SELECT max(record_no) FROM member)",
    )
    told = command("identity", "verify", settings=settings)
    assert (told.code, told.out) == (2, "")
    assert "Changes wait to be resolved" in told.error
    assert command("identity", "verify", "--all", "--sample", 3, settings=settings).code == 2
