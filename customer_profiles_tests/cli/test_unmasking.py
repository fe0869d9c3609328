"""No command of identity shows a value in clear without leaving behind who asked, of whom, and why."""

from __future__ import annotations

import getpass
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.identity.stewardship import unmasking
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import load_settings
from customer_profiles.state.errors import StateError
from customer_profiles_tests.cli.conftest import Command

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]

ASKED = ("--unmask", "--reason", "ticket 4711", "--by", "kim")


@pytest.fixture
def copied(company: Path, tmp_path: Path) -> Path:
    """A company of the test's own: it writes."""
    shutil.copytree(company.parent, tmp_path / "copy")
    return tmp_path / "copy" / company.name


def strongest_pair(settings: Path) -> tuple[int, int]:
    query = "SELECT left_no, right_no FROM edge WHERE accepted = 1 ORDER BY weight DESC, left_no LIMIT 1"
    with open_pipeline(load_settings(settings)) as house, house.state.reading() as connection:
        left, right = connection.execute(sa.text(query)).one()
    return left, right


def kept(command: Command, settings: Path) -> list[dict[str, Any]]:
    return list(command("identity", "unmaskings", "--json", settings=settings).json)


def test_each_command_that_shows_values_in_clear_keeps_who_asked_and_of_whom(
    command: Command, copied: Path, tmp_path: Path
) -> None:
    left, right = strongest_pair(copied)
    before = len(kept(command, copied))  # other tests asked in the company that this one is a copy of
    page = tmp_path / "history.html"
    for words in (
        ("explain", left, right, "--values"),
        ("history", left, "--html", page),
        ("review", "--values", "--limit", 3),
        ("preview", "apart", left, right),
        ("decisions",),
        ("unmerge", left, "--apart", left, "--dry-run"),
    ):
        assert command("identity", *words, *ASKED, settings=copied).code == 0, words
        newest = kept(command, copied)[0]
        assert (newest["command"], newest["asked_by"]) == (words[0], "kim")
        assert "reason" not in newest
        if words[0] in ("explain", "preview", "unmerge", "history"):
            assert {left, right} <= set(newest["record_nos"])
    assert len(kept(command, copied)) == before + 6

    table = command("identity", "unmaskings", settings=copied).out
    assert "ticket 4711" not in table
    told = command("identity", "unmaskings", *ASKED, settings=copied).out
    assert "ticket 4711" in told.replace("\n", " ")
    assert kept(command, copied)[0]["command"] == "unmaskings"


def test_masked_values_leave_nothing_behind(command: Command, copied: Path) -> None:
    left, right = strongest_pair(copied)
    before = kept(command, copied)
    for words in (("explain", left, right, "--values"), ("review", "--values"), ("decisions",)):
        assert command("identity", *words, settings=copied).code == 0

    assert kept(command, copied) == before


def test_who_does_not_say_a_name_is_kept_by_the_account(command: Command, copied: Path) -> None:
    left, right = strongest_pair(copied)
    before = len(kept(command, copied))
    asked = ("--values", "--unmask", "--reason", "ticket 4711")

    assert command("identity", "explain", left, right, *asked, settings=copied).code == 0

    assert kept(command, copied)[0]["asked_by"] == getpass.getuser()
    assert len(kept(command, copied)) == before + 1


@pytest.mark.parametrize("words", ["explain", "history", "review", "preview", "unmerge", "decisions"])
def test_what_cannot_be_kept_is_not_shown(
    command: Command, copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    left, right = strongest_pair(copied)
    page = tmp_path / "page.html"
    arguments: dict[str, tuple[object, ...]] = {
        "explain": (left, right, "--values", "--html", page),
        "history": (left, "--html", page),
        "review": ("--values",),
        "preview": ("apart", left, right),
        "unmerge": (left, "--apart", left, "--dry-run"),
        "decisions": (),
    }

    def full(*_: object, **__: object) -> int:
        raise StateError("The disk is full.")

    monkeypatch.setattr(unmasking, "keep_unmasking", full)
    told = command("identity", words, *arguments[words], *ASKED, settings=copied)

    assert (told.out, told.error) == ("", "The disk is full.")
    assert not page.exists()
