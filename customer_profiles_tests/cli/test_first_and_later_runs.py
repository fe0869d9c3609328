"""What the first run tells that no later one does, and what a run tells after the settings were changed."""

import subprocess
import sys
from pathlib import Path

import pytest

from customer_profiles_tests.cli.conftest import Command
from customer_profiles_tests.pipeline.company import SETTINGS, Company

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("first_and_later_runs")]

KEY_IN_A_FILE = SETTINGS.replace(
    "{provider: environment, variable: TEST_MASTER_KEY}", "{provider: file, path: keys/one.key}"
)
NEW_KEY = "A new key was made in {key}: without it nothing opens the state"


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The settings file of a small company that never ran, with its key in a file."""
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    Company(tmp_path).first_week()
    (tmp_path / "customer_profiles.yaml").write_text(KEY_IN_A_FILE)
    return tmp_path / "customer_profiles.yaml"


def test_a_new_key_is_told_with_its_place_once(command: Command, settings: Path) -> None:
    first = command("state", "migrate", settings=settings)
    second = command("state", "migrate", settings=settings)

    told = NEW_KEY.format(key=settings.parent / "keys/one.key")
    assert told in first.error
    assert "docs/decisions/keys.md" in first.error
    assert told not in second.error
    assert (settings.parent / "keys/one.key").read_text().strip() not in first.error + first.out


def test_several_first_starts_at_once_agree_on_one_key_and_a_whole_state(
    command: Command, settings: Path
) -> None:
    program = Path(sys.executable).with_name("customer-profiles")
    starts = [
        subprocess.Popen(
            [program, "-s", settings, "state", "migrate"], stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        for _ in range(4)
    ]

    told = [start.communicate(timeout=120) for start in starts]
    assert [start.returncode for start in starts] == [0] * 4, told
    assert command("state", "check", settings=settings).code == 0
    assert [file.name for file in (settings.parent / "keys").iterdir()] == ["one.key"]


def test_a_changed_mapping_says_what_is_read_again_and_does_it(command: Command, settings: Path) -> None:
    first = command("run", "--json", settings=settings)
    again = command("run", "--json", settings=settings)
    settings.write_text(KEY_IN_A_FILE.replace(" full_name: name,", ""))
    changed = command("run", "--json", settings=settings)
    later = command("run", "--json", settings=settings)

    assert [one.code for one in (first, again, changed, later)] == [0, 0, 0, 0]
    assert NEW_KEY.format(key=settings.parent / "keys/one.key") in first.error
    told = "crm.contacts: its settings changed, so its whole table is read again."
    assert [told in one.error for one in (first, again, changed, later)] == [False, False, True, False]
    assert "ingest_record crm: 4 received, 4 applied" in changed.error
    names = "SELECT count(*) AS n FROM record WHERE source = 'crm' AND full_name IS NOT NULL"
    assert command("query", names, "--json", settings=settings).json == [{"n": 0}]


def test_a_shell_that_does_not_find_the_command_is_told_how_it_does(
    command: Command, settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(sys.prefix).parent)
    monkeypatch.setenv("PATH", "/nowhere")
    without = command("run", settings=settings).out
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent))
    assert f"source {Path(sys.prefix).name}/bin/activate" in without
    assert "bin/activate" not in command("run", settings=settings).out
