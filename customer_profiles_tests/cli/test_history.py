"""The history on the command line: what was sealed, what is wrong, what a customer did."""

import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from customer_profiles_tests.cli.conftest import Command

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]


@pytest.fixture
def own(company: Path, tmp_path: Path) -> Path:
    """A company that may be changed."""
    shutil.copytree(company.parent, tmp_path / "own")
    return tmp_path / "own" / company.name


def test_what_is_old_is_sealed_and_every_count_stays(command: Command, own: Path) -> None:
    before = command("history", "status", "--json", settings=own).json
    assert before["interactions"] == 0
    assert before["due"] > 1_000
    who = command(
        "query", "SELECT source_key FROM record WHERE source = 'crm' LIMIT 1", "--json", settings=own
    ).json
    shown = ("profile", "show", f"crm:{who[0]['source_key']}", "--history", "--limit", 1_000, "--json")
    profile = command(*shown, settings=own).json

    told = command("history", "seal", settings=own)

    assert f"{before['due']:,} interactions were sealed" in told.out
    after = command("history", "status", "--deep", "--json", settings=own).json
    assert (after["interactions"], after["due"], after["problems"]) == (before["due"], 0, [])
    assert after["in_database"] == before["in_database"] - before["due"]
    assert command(*shown, settings=own).json["history"] == profile["history"]
    assert command("history", "compact", settings=own).out == "There is nothing to merge.\n"
    assert command("rebuild", "--json", settings=own).json["moved"] == 0


def test_an_export_has_sealed_interactions_and_a_query_says_that_it_has_not(
    command: Command, own: Path, tmp_path: Path
) -> None:
    def exported(name: str) -> list[dict[str, object]]:
        assert command("export", "interaction", "--to", tmp_path / name, settings=own).code == 0
        rows: list[dict[str, object]] = pq.read_table(tmp_path / name).sort_by("interaction_no").to_pylist()
        return rows

    count = ("query", "SELECT count(*) AS there FROM interaction", "--json")
    before, asked_before = exported("before.parquet"), command(*count, settings=own)
    command("history", "seal", settings=own)
    asked_after = command(*count, settings=own)

    assert exported("after.parquet") == before
    assert asked_before.json[0]["there"] == len(before) > asked_after.json[0]["there"] > 0
    assert "sealed" not in asked_before.error
    assert (
        f"{len(before) - asked_after.json[0]['there']:,} older interactions are sealed" in asked_after.error
    )
    assert "sealed" not in command("query", "SELECT 1", settings=own).error


def test_a_missing_segment_ends_with_a_finding_that_names_it(command: Command, own: Path) -> None:
    command("history", "seal", settings=own)
    lost = sorted((own.parent / ".data/state/history").rglob("*.parquet"))[0]
    lost.unlink()

    told = command("history", "status", settings=own)

    assert told.code == 1
    assert lost.name in told.out.replace("\n", "")
    assert "Well." not in told.out
    assert command("rebuild", settings=own).code
    assert lost.name in command("rebuild", settings=own).error


def test_an_export_without_one_of_its_segments_names_it_and_leaves_no_file(
    command: Command, own: Path, tmp_path: Path
) -> None:
    command("history", "seal", settings=own)
    lost = sorted((own.parent / ".data/state/history").rglob("*.parquet"))[0]
    lost.unlink()
    (tmp_path / "out").mkdir()

    told = command("export", "interaction", "--to", tmp_path / "out/all.parquet", settings=own)

    assert told.code
    assert lost.name in told.error
    assert not list((tmp_path / "out").iterdir())
