"""The command line as its users see it."""

import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import load_settings
from customer_profiles_tests.cli.conftest import Command

pytestmark = pytest.mark.xdist_group("cli")


def an_email(command: Command) -> str:
    rows = command(
        "query",
        "SELECT value FROM identifier WHERE kind = 'email' GROUP BY value HAVING count(*) = 2 ORDER BY value",
        "--json",
    ).json
    return str(rows[0]["value"])


def test_help_is_there_before_the_engines_are_loaded() -> None:
    code = "import sys, customer_profiles.cli.main as m; print([n for n in ('dagster', 'pandas', 'splink') if n in sys.modules])"

    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout

    assert loaded.strip() == "[]"


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",),
        ("rebuild",),
        ("evaluate",),
        ("query",),
        ("export",),
        ("ui",),
        ("profile", "show"),
        ("segments", "list"),
        ("segments", "changes"),
        ("quarantine", "list"),
        ("quarantine", "show"),
        ("quarantine", "retry"),
        ("state", "check"),
        ("state", "migrate"),
        ("demo", "generate"),
    ],
)
def test_every_command_teaches_itself(command: Command, arguments: tuple[str, ...]) -> None:
    told = command(*arguments, "--help")

    assert told.code == 0
    assert "Usage" in told.out


def test_a_profile_is_shown_by_email_for_its_purpose(command: Command) -> None:
    email = an_email(command)

    shown = command("profile", "show", email, "--purpose", "support")
    as_json = command("profile", "show", email, "--purpose", "support", "--json").json

    assert shown.code == 0
    assert "for the purpose support" in shown.out
    assert as_json["purpose"] == "support"
    assert command("profile", "show", as_json["customer_id"], "-p", "support").code == 0


def test_an_identifier_that_nobody_has_is_a_finding(command: Command) -> None:
    assert command("profile", "show", "zz.unheard@nowhere.example").code == 1


def test_an_unknown_purpose_names_those_there_are(command: Command) -> None:
    refused = command("profile", "show", an_email(command), "--purpose", "suport")

    assert refused.code == 2
    assert "support" in refused.error


def test_the_quarantine_is_listed_by_reason_without_values_and_shown_row_by_row(command: Command) -> None:
    listed = command("quarantine", "list", "--json").json
    first = listed["rows"][0]

    shown = command("quarantine", "show", first["quarantine_no"], "--json").json

    assert sum(listed["counts_by_reason"].values()) >= len(listed["rows"]) > 0
    assert set(first) & {"payload", "content"} == set()
    assert shown["row"]["reasons"] == first["reasons"]
    assert shown["content"]
    assert command("quarantine", "list").code == 0
    assert command("quarantine", "show", 999_999_999).code == 2


def test_rows_that_still_break_their_contract_stay_after_a_retry(command: Command) -> None:
    before = command("quarantine", "list", "--json", "--limit", 10_000).json

    told = command("quarantine", "retry", "--json").json

    assert told["retried"] == told["kept"] == len(before["rows"])
    assert len(command("quarantine", "list", "--json", "--limit", 10_000).json["rows"]) == told["kept"]


def test_a_query_reads_and_nothing_else(command: Command) -> None:
    assert command("query", "SELECT count(*) AS n FROM record", "--json").json[0]["n"] > 1000
    for statement in (
        "DELETE FROM record",
        "PRAGMA user_version = 3",
        "ATTACH ':memory:' AS x",
        "SELECT 1; SELECT 2",
        "UPDATE record SET source = 'x'",
        "no sql at all",
    ):
        assert command("query", statement).code == 2, statement
    assert command("query", "SELECT nothing FROM record").code == 2
    assert command("query").code == 2


def test_the_tables_there_are_to_ask_are_listed(command: Command) -> None:
    assert "record_no" in command("query", "--tables", "--json").json["member"]
    assert command("query", "--tables").code == 0


def test_a_table_is_exported_whole_to_parquet(command: Command, tmp_path: Path) -> None:
    told = command("export", "trait", "--to", tmp_path / "trait.parquet", "--json").json

    assert pq.read_metadata(tmp_path / "trait.parquet").num_rows == told["rows"] > 0
    assert command("export", "traits", "--to", tmp_path / "x.parquet").code == 2
    assert not (tmp_path / "x.parquet").exists()


def test_the_state_is_checked(command: Command) -> None:
    checked = command("state", "check", "--json").json

    assert all(store["encrypted"] and store["problem"] is None for store in checked["stores"])
    assert command("state", "migrate").code == 0


def test_before_the_first_run_the_next_step_is_named(command: Command, company: Path, tmp_path: Path) -> None:
    settings = Path(shutil.copy(company, tmp_path))

    told = command("profile", "show", "ann@example.org", settings=settings)

    assert told.code in (1, 2)
    assert "customer-profiles" in told.error


def test_a_wrong_settings_key_is_told_with_its_line_and_the_nearest_right_one(
    command: Command, company: Path, tmp_path: Path
) -> None:
    settings = tmp_path / "customer_profiles.yaml"
    settings.write_text("companyy: Shop\n" + company.read_text())

    told = command("state", "check", settings=settings)

    assert told.code == 2
    assert "line 1" in told.error
    assert "company" in told.error


def test_a_missing_settings_file_is_wrong_use(command: Command, tmp_path: Path) -> None:
    assert command("state", "check", settings=tmp_path / "none.yaml").code == 2


def test_a_state_that_another_key_made_is_not_opened(command: Command, company: Path, tmp_path: Path) -> None:
    shutil.copytree(company.parent, tmp_path / "copy")
    settings = tmp_path / "copy" / "customer_profiles.yaml"
    key = next((tmp_path / "copy" / ".data" / "keys").iterdir())
    key.write_text("00" * 32 + "\n")

    told = command("query", "SELECT 1", settings=settings)

    assert told.code == 2
    assert "key" in told.error


def test_the_installed_command_ends_with_the_exit_code_and_one_line(company: Path) -> None:
    program = Path(sys.executable).with_name("customer-profiles")

    ended = subprocess.run(
        [program, "-s", company, "profile", "show", "zz.unheard@nowhere.example"],
        capture_output=True,
        text=True,
    )

    assert ended.returncode == 1
    assert ended.stderr.startswith("error:")
    assert "Traceback" not in ended.stderr


def test_a_rebuild_tells_what_moved(command: Command, company: Path, tmp_path: Path) -> None:
    shutil.copytree(company.parent, tmp_path / "copy")
    settings = tmp_path / "copy" / "customer_profiles.yaml"

    told = command("rebuild", "--json", settings=settings).json

    assert told["moved"] == 0
    assert told["customers_after"] == told["customers_before"] > 0
    with open_pipeline(load_settings(settings)) as house:
        assert house.has_model() is False


def test_the_feed_of_segments_adds_up_to_who_is_inside(command: Command) -> None:
    inside = {one["segment"]: one["customers"] for one in command("segments", "list", "--json").json}

    told = command("segments", "changes", "--limit", 100_000, "--json").json

    assert inside["big_spender"] > 0
    sums = dict.fromkeys(inside, 0)
    for one in told:
        sums[one["segment"]] += 1 if one["kind"] == "entered" else -1
    assert sums == inside
    assert [one["change_no"] for one in told] == list(range(1, len(told) + 1))


def test_the_feed_of_segments_goes_on_from_a_number(command: Command) -> None:
    first = command("segments", "changes", "--limit", 3, "--json")
    rest = command(
        "segments", "changes", "--since", 3, "--limit", 100_000, "--segment", "big_spender", "--json"
    ).json

    assert [one["change_no"] for one in first.json] == [1, 2, 3]
    assert "--since 3" in first.error
    assert rest
    assert {one["segment"] for one in rest} == {"big_spender"}
    assert min(one["change_no"] for one in rest) > 3
    shown = command("segments", "changes", "--limit", 3)
    assert "entered" in shown.out
    assert command("profile", "show", first.json[0]["customer_id"]).code == 0
