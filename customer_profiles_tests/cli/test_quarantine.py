"""A second chance for rows of the quarantine, on the command line."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from customer_profiles_tests.cli.conftest import Command

pytestmark = pytest.mark.xdist_group("cli")


@pytest.fixture
def mended(company: Path, tmp_path: Path) -> Path:
    """A copy of the company whose settings now drop the field that most rows of the CRM are refused for."""
    shutil.copytree(company.parent, tmp_path / "copy", ignore=shutil.ignore_patterns("demo"))
    settings = tmp_path / "copy" / company.name
    told = settings.read_text()
    mapping = '          birth_date: {column: date_of_birth, format: "%d/%m/%Y"}\n'
    assert mapping in told
    settings.write_text(told.replace(mapping, ""))
    return settings


def test_what_a_mended_mapping_reads_leaves_the_quarantine_and_the_ledger_adds_up(
    command: Command, mended: Path
) -> None:
    listed = ("quarantine", "list", "--source", "crm", "--reason", "bad_date", "--json")
    before = command(*listed, settings=mended).json["rows"]

    told = command(
        "quarantine", "retry", "--source", "crm", "--reason", "bad_date:birth_date", "--json", settings=mended
    ).json

    assert told["retried"] == told["applied"] + told["kept"] == len(before)
    assert told["applied"] > 0
    assert len(command(*listed, settings=mended).json["rows"]) == told["kept"]
    (ledger,) = command(
        "query",
        "SELECT sum(received) AS received, sum(applied + unchanged + duplicate + quarantined + suppressed + declined) "
        "AS told FROM ledger",
        "--json",
        settings=mended,
    ).json
    assert ledger["received"] == ledger["told"]


def test_what_stays_is_told_with_its_reasons_and_what_to_do_next(command: Command) -> None:
    first = command("quarantine", "list", "--limit", 1, "--json").json["rows"][0]

    as_json = command("quarantine", "retry", first["quarantine_no"], "--json").json
    told = command("quarantine", "retry", first["quarantine_no"])

    assert (as_json["retried"], as_json["applied"], as_json["kept"]) == (1, 0, 1)
    assert as_json["reasons"] == dict.fromkeys(first["reasons"], 1)
    assert told.code == 0
    assert "1 stay" in told.out
    assert first["reasons"][0] in told.out
    assert "Next:" in told.out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("list", "--source", "crmm"), "did you mean crm?"),
        (("list", "--reason", "bad_dat"), "did you mean bad_date?"),
        (("retry", "--source", "crmm"), "did you mean crm?"),
        (("retry", "1", "--source", "crm"), "not both"),
        (("retry", "999999"), "999999"),
        (("show", "999999"), "999999"),
    ],
)
def test_names_and_numbers_that_are_not_there_are_wrong_use(
    command: Command, arguments: tuple[str, ...], told: str
) -> None:
    refused = command("quarantine", *arguments)

    assert refused.code == 2
    assert told in " ".join(refused.error.replace("│", " ").split())


def test_a_choice_that_nothing_waits_for_is_no_mistake(command: Command) -> None:
    assert "No such row" in command("quarantine", "list", "--reason", "bad_currency").out
    assert "Nothing to try" in command("quarantine", "retry", "--reason", "bad_currency").out
