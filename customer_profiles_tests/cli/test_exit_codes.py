"""0 is well, 1 a finding, 2 wrong use; JSON is all there is on standard output; a fault tells places, not values."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from customer_profiles.cli import main as front_door
from customer_profiles.encryption.keys import open_keys
from customer_profiles.settings import load_settings
from customer_profiles.state.engine import State
from customer_profiles_tests.cli.conftest import Command
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company

pytestmark = pytest.mark.xdist_group("cli")

SECRET = "ann@otherby.example"


@pytest.fixture
def a_key(command: Command) -> str:
    """A record of the CRM, as an identifier."""
    found = command(
        "query", "SELECT source_key FROM record WHERE source = 'crm'", "--limit", 1, "--json"
    ).json
    return f"crm:{found[0]['source_key']}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("profile", "show", "KEY"),
        ("quarantine", "list"),
        ("quarantine", "retry", "--reason", "bad_amount"),
        ("query", "SELECT count(*) AS n FROM record"),
        ("query", "SELECT * FROM interaction", "--limit", "2"),
        ("query", "--tables"),
        ("state", "check"),
        ("state", "migrate"),
    ],
)
def test_with_json_standard_output_is_one_document(
    command: Command, a_key: str, arguments: tuple[str, ...]
) -> None:
    told = command(*[a_key if one == "KEY" else one for one in arguments], "--json")

    assert told.code == 0
    json.loads(told.out)


def test_the_demo_company_tells_of_itself_in_json_made_or_there_already(
    command: Command, company: Path
) -> None:
    there = command("demo", "generate", "--if-missing", "--json")

    assert there.code == 0
    assert there.json["customers"] == 1000


def test_every_form_of_an_identifier_finds_the_same_customer(command: Command) -> None:
    row = command(
        "query",
        "WITH lone AS (SELECT kind, value, min(record_no) AS record_no FROM identifier "
        "WHERE kind IN ('email', 'phone') GROUP BY kind, value HAVING count(*) = 1) "
        "SELECT record.source_key AS key, email.value AS email, phone.value AS phone FROM record "
        "JOIN lone AS email ON email.record_no = record.record_no AND email.kind = 'email' "
        "JOIN lone AS phone ON phone.record_no = record.record_no AND phone.kind = 'phone' "
        "WHERE record.source = 'crm' LIMIT 1",
        "--json",
    ).json[0]
    national = "0" + row["phone"].removeprefix("+44")
    forms = [
        f"crm:{row['key']}",
        row["email"],
        row["email"].upper(),
        f"email:{row['email']}",
        row["phone"],
        national,
        f"phone:{national}",
        row["key"],
        f"crm_id:{row['key']}",
    ]

    found = {command("profile", "show", form, "--json").json["customer_id"] for form in forms}

    assert len(found) == 1
    assert command("profile", "show", found.pop(), "--json").code == 0


def test_an_identifier_of_nobody_is_a_finding_and_what_it_was_tried_as_is_told(command: Command) -> None:
    for asked, tried in (
        ("zz.unheard@otherby.example", "tried as email"),
        ("crm:unheard", "tried as a key of the source crm"),
        ("email:unheard", "tried as a key of the source email, email"),
        ("07700900999", "phone"),
    ):
        told = command("profile", "show", asked)
        assert told.code == 1
        assert tried in told.error
        assert asked.split(":")[-1] not in told.error


def test_an_unknown_kind_or_purpose_names_those_there_are(command: Command, a_key: str) -> None:
    assert "crm_id" in command("profile", "show", "crmid:1").error
    refused = command("profile", "show", a_key, "--purpose", "suport")

    assert refused.code == 2
    assert "personalisation" in refused.error


def test_a_state_behind_this_version_is_a_finding_with_its_next_step(
    command: Command, company: Path, tmp_path: Path
) -> None:
    settings = Path(shutil.copy(company, tmp_path))
    shutil.copytree(company.parent / ".data" / "keys", tmp_path / ".data" / "keys")
    none_yet = command("query", "SELECT 1", settings=settings)
    found = load_settings(settings)
    with State.open(found.state.url, open_keys(found.state.key, found.folder).key):
        pass  # as a first run that was stopped at once leaves it

    checked = command("state", "check", settings=settings)
    empty = command("query", "SELECT 1", settings=settings)

    assert (none_yet.code, checked.code, empty.code) == (2, 1, 2)
    assert "customer-profiles run" in none_yet.error
    assert "customer-profiles state migrate" in checked.out
    assert "customer-profiles run" in empty.error
    assert command("state", "migrate", settings=settings).code == 0
    assert command("state", "check", "--deep", settings=settings).code == 0


def test_a_wrong_key_is_told_with_file_line_and_the_nearest_right_one(
    command: Command, company: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "customer_profiles.yaml"
    settings.write_text("company: Shop\nserving: {default_purpos: support}\n")

    told = command("state", "check", settings=settings)

    assert told.code == 2
    for part in (str(settings), "line 2", "serving.default_purpos", "did you mean default_purpose?"):
        assert part in told.error


def test_a_fault_of_the_program_prints_no_value(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken() -> None:
        customer = SECRET
        raise ValueError(f"{customer} is not a number")

    monkeypatch.setattr(front_door, "app", broken)

    with pytest.raises(SystemExit) as ended:
        front_door.main()

    printed = capsys.readouterr()
    assert ended.value.code == front_door.BUG
    assert SECRET not in printed.out + printed.err
    assert "ValueError" in printed.err
    assert "in broken" in printed.err


@pytest.mark.slow
def test_a_run_that_cannot_finish_is_a_finding_and_says_so_in_json_too(
    command: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = Company(tmp_path)
    company.first_week()
    settings = tmp_path / "customer_profiles.yaml"
    settings.write_text(company.text)
    monkeypatch.setenv(KEY_VARIABLE, "11" * 32)
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    (tmp_path / "crm.db").unlink()

    stopped = command("run", "--json", settings=settings)

    assert stopped.code == 1
    assert not stopped.json["well"]
    assert "crm" in stopped.json["error"]
    assert "ingest_record email: 4 received" in stopped.error
