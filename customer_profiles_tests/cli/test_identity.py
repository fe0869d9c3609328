"""Stewardship on the command line: look, look ahead, decide, take back."""

from __future__ import annotations

import os
import shutil
import signal
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from customer_profiles.cli.identity.applying import bring_up_to_date
from customer_profiles.cli.main import app
from customer_profiles.settings import load_settings
from customer_profiles_tests.cli.conftest import Command, Outcome
from customer_profiles_tests.pipeline.killing import Before, During, Kill, committing

pytestmark = pytest.mark.xdist_group("cli")

WHO = ("--by", "ann", "--reason", "seen on paper")


@pytest.fixture
def settings(company: Path, tmp_path: Path) -> Path:
    """A copy of the company, to decide on."""
    shutil.copytree(company.parent, tmp_path / "copy")
    return tmp_path / "copy" / company.name


def queue(command: Command, settings: Path, *options: object) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = command("identity", "review", "--json", *options, settings=settings).json[
        "items"
    ]
    return found


def members(command: Command, settings: Path) -> dict[int, set[int]]:
    """By customer its records."""
    told = command(
        "query",
        "SELECT customer_no, record_no FROM member",
        "--json",
        "--limit",
        100_000,
        settings=settings,
    )
    found: dict[int, set[int]] = {}
    for row in told.json:
        found.setdefault(row["customer_no"], set()).add(row["record_no"])
    return found


def groups(command: Command, settings: Path) -> set[frozenset[int]]:
    return {frozenset(records) for records in members(command, settings).values()}


def test_what_is_previewed_is_what_deciding_does_and_undoing_takes_it_back(
    command: Command, settings: Path
) -> None:
    before = members(command, settings)
    first = queue(command, settings, "--kind", "band", "--limit", 1)[0]["item"]
    pair = (first["left_no"], first["right_no"])

    preview = command("identity", "preview", "together", *pair, "--json", settings=settings).json
    assert members(command, settings) == before
    decided = command("identity", "decide", "together", *pair, *WHO, "--json", settings=settings).json

    assert decided["preview"] == preview
    assert decided["applied"]
    assert {"merge"} <= {event["kind"] for event in preview["events"]}
    told = {frozenset(records) for records in preview["after"].values()}
    assert told <= groups(command, settings)
    assert pair not in {
        (one["item"]["left_no"], one["item"]["right_no"]) for one in queue(command, settings, "--limit", 500)
    }
    merged = next(id_ for id_, records in preview["after"].items() if pair[0] in records)
    profile = command("profile", "show", merged, "--json", settings=settings).json
    assert profile["records"] in (None, len(preview["after"][merged]))

    undone = command("identity", "undo", decided["decision_id"][:8], *WHO, "--json", settings=settings).json

    assert undone["decision_id"] == decided["decision_id"]
    assert members(command, settings) == before
    (logged,) = command(
        "identity", "decisions", "--json", "--unmask", "--reason", "audit", settings=settings
    ).json
    assert (logged["decided_by"], logged["undone_by"], logged["undone_reason"]) == (
        "ann",
        "ann",
        "seen on paper",
    )


def test_without_apply_the_next_run_does_it(command: Command, settings: Path) -> None:
    first = queue(command, settings, "--kind", "band", "--limit", 1)[0]["item"]
    pair = (first["left_no"], first["right_no"])
    before = members(command, settings)

    decided = command("identity", "decide", "together", *pair, *WHO, "--no-apply", settings=settings)

    assert "customer-profiles run" in decided.out
    assert members(command, settings) == before
    preview = command("identity", "preview", "apart", *pair, settings=settings)
    assert "1 changes wait to be resolved" in preview.out


def test_an_unmerge_asks_first_and_names_every_member(command: Command, settings: Path) -> None:
    bridge = queue(command, settings, "--kind", "sample", "--limit", 1)[0]
    customer_id, parted = bridge["customer_ids"][0], bridge["item"]["right_no"]
    before = groups(command, settings)
    (whole,) = [records for records in before if parted in records]
    unmerge = ("identity", "unmerge", customer_id, "--apart", parted, *WHO)

    asked = command(*unmerge, settings=settings)
    assert asked.code == 1
    assert f"Parted: {parted}" in asked.out
    assert f"The others: {', '.join(map(str, sorted(whole - {parted})))}" in asked.out
    dry = command(*unmerge, "--dry-run", "--json", settings=settings).json
    assert dry["parted"] == [parted]
    assert groups(command, settings) == before

    command(*unmerge, "--yes", settings=settings)

    after = groups(command, settings)
    assert {frozenset(records) for records in dry["preview"]["after"].values()} <= after
    assert not [records for records in after if parted in records and records & (whole - {parted})]


def test_decisions_on_the_sample_tell_how_often_matches_are_right(command: Command, settings: Path) -> None:
    first, second = (one["item"] for one in queue(command, settings, "--kind", "sample", "--limit", 2))
    for kind, item in (("together", first), ("apart", second)):
        pair = (item["left_no"], item["right_no"])
        assert command("identity", "decide", kind, *pair, *WHO, settings=settings).code == 0

    told = command("identity", "review", "--kind", "sample", settings=settings)
    precision = command("identity", "review", "--kind", "sample", "--json", settings=settings).json[
        "precision"
    ]

    assert "1 of 2 matches decided" in told.out
    assert (precision["right"], precision["decided"]) == (1, 2)


def test_values_of_persons_are_masked_unless_asked_for_with_a_reason(command: Command, company: Path) -> None:
    names = {
        value
        for row in command(
            "query", "SELECT given_name, family_name FROM record", "--json", "--limit", 9999
        ).json
        for value in row.values()
        if value and len(value) > 2
    }
    listed = ("identity", "review", "--values", "--limit", 5)

    def told(outcome: Outcome) -> set[str]:
        words = set(outcome.out.replace('"', " ").replace(",", " ").split())
        return words & names

    assert not told(command(*listed))
    assert not told(command(*listed, "--json"))
    assert told(command(*listed, "--unmask", "--reason", "ticket 4711"))
    refused = command(*listed, "--unmask")
    assert refused.code == 2
    assert "--reason" in refused.error


def test_a_record_can_be_named_by_number_by_its_source_or_with_its_customer(
    command: Command, settings: Path
) -> None:
    rows = command(
        "query",
        "SELECT record.record_no, source, source_key FROM record JOIN member ON member.record_no = record.record_no "
        "WHERE source = 'crm' ORDER BY record.record_no LIMIT 2",
        "--json",
        settings=settings,
    ).json
    one, other = rows
    by_number = command(
        "identity", "preview", "apart", one["record_no"], other["record_no"], "--json", settings=settings
    )
    by_key = command(
        "identity",
        "preview",
        "apart",
        f"crm:{one['source_key']}",
        f"crm:{other['source_key']}",
        "--json",
        settings=settings,
    )
    assert by_number.json == by_key.json
    ids = [id_ for id_, records in by_number.json["before"].items() if one["record_no"] in records]
    as_customer = command(
        "identity", "preview", "together", ids[0], other["record_no"], "--json", settings=settings
    ).json
    assert set(by_number.json["before"][ids[0]]) <= {
        record for records in as_customer["after"].values() for record in records
    }


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("decide", "apart", "1", "1", *WHO), "both sides"),
        (("decide", "apart", "1", "999999", *WHO), "no record 999999"),
        (("decide", "apart", "1", "crm:nobody@example.com", *WHO), "no record of this key in the source crm"),
        (("decide", "apart", "1", "cmr:17", *WHO), "there are:"),
        (("decide", "apart", "1", "2,,3", *WHO), "between two commas"),
        (("decide", "apart", "1", "anna", *WHO), "customer ID"),
        (("decide", "apart", "1", "00000000-0000-8000-8000-000000000000", *WHO), "never given"),
        (("decide", "apart", "1", "2", "--reason", "seen"), "--by"),
        (("undo", "ffffffff", *WHO), "No decision in force"),
        (("preview", "undo", "1", "2"), "one decision"),
        (("preview", "apart", "1"), "two sides"),
        (("unmerge", "1", "--apart", "1", *WHO, "--json"), "--yes or --dry-run"),
    ],
)
def test_what_cannot_be_decided_is_wrong_use_and_names_no_person(
    command: Command, arguments: tuple[str, ...], told: str
) -> None:
    refused = command("identity", *arguments)

    assert refused.code == 2
    assert told in " ".join(refused.error.replace("│", " ").split())
    assert "nobody@example.com" not in refused.error


def decide_and_die(settings: str, kill: Kill, arguments: tuple[str, ...]) -> None:
    kill.arm()
    CliRunner().invoke(app, ["-s", settings, *arguments])
    os._exit(0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kill", "decisions"),
    [
        (Before("INSERT INTO decision"), 0),
        (During('INSERT INTO "customer"'), 1),
        (committing("resolve"), 1),
        (committing("refresh_traits"), 1),
    ],
    ids=["deciding", "half resolved", "resolved", "traits"],
)
def test_a_decision_killed_anywhere_is_made_whole_or_not_at_all(
    command: Command, settings: Path, tmp_path: Path, kill: Kill, decisions: int
) -> None:
    first = queue(command, settings, "--kind", "band", "--limit", 1)[0]["item"]
    arguments = ("identity", "decide", "together", str(first["left_no"]), str(first["right_no"]), *WHO)
    twin = tmp_path / "twin" / settings.name
    shutil.copytree(settings.parent, twin.parent)

    process = get_context("forkserver").Process(target=decide_and_die, args=(str(settings), kill, arguments))
    process.start()
    process.join(120)
    assert process.exitcode == -signal.SIGKILL, "the point was never reached"

    assert len(command("identity", "decisions", "--json", settings=settings).json) == decisions
    if not decisions:
        assert members(command, settings) == members(command, twin)
        command(*arguments, settings=settings)
    else:
        bring_up_to_date(load_settings(settings))
    command(*arguments, settings=twin)
    assert members(command, settings) == members(command, twin)
    query = ("query", "SELECT customer_no, name, value FROM trait ORDER BY 1, 2", "--json", "--limit", 99_999)
    assert command(*query, settings=settings).json == command(*query, settings=twin).json
