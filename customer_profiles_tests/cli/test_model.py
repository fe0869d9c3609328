"""Models on the command line: trained, looked at, compared, promoted, rolled back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.encryption.opening import open_state
from customer_profiles.identity.tables import model
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import load_settings
from customer_profiles_tests.cli.conftest import Command

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]

TRAIN = (
    "import sys; sys.argv = ['customer-profiles', '-s', sys.argv[1], 'identity', 'model', 'train', '--json'];"
    "from customer_profiles.cli.main import main; main()"
)


@pytest.fixture(scope="module")
def trained(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the company with two models, each trained by a process of its own, hashing differently; one is promoted."""
    folder = tmp_path_factory.mktemp("trained") / "copy"
    shutil.copytree(company.parent, folder)
    for hashing in ("1", "2"):
        subprocess.run(
            [sys.executable, "-c", TRAIN, str(folder / company.name)],
            env={**os.environ, "PYTHONHASHSEED": hashing},
            capture_output=True,
            check=True,
        )
    # Candidates change nothing.
    assert rows_of(folder / company.name, "member", "edge") == rows_of(company, "member", "edge")
    with open_pipeline(load_settings(folder / company.name)) as house:
        house.promote_model(1)
    return folder / company.name


@pytest.fixture
def settings(trained: Path, tmp_path: Path) -> Path:
    """A copy to change."""
    shutil.copytree(trained.parent, tmp_path / "copy")
    return tmp_path / "copy" / trained.name


def bundles(settings: Path) -> dict[int, bytes]:
    with open_state(load_settings(settings)) as (state, _), state.reading() as connection:
        return {
            number: bytes(content)
            for number, content in connection.execute(sa.select(model.c.version, model.c.bundle))
        }


def rows_of(settings: Path, *tables: str) -> list[list[Any]]:
    with open_state(load_settings(settings)) as (state, _), state.reading() as connection:
        return [
            sorted(map(tuple, connection.execute(sa.text(f"SELECT * FROM {table}"))), key=repr)
            for table in tables
        ]


def test_the_same_records_and_seed_give_the_same_bundle_byte_for_byte_in_another_process(
    trained: Path,
) -> None:
    found = bundles(trained)

    assert sorted(found) == [1, 2]
    assert found[1] == found[2]


def test_every_model_is_listed_with_what_became_of_it(command: Command, trained: Path) -> None:
    listed = command("identity", "model", "list", "--json", settings=trained).json

    assert listed["in_use"] == "1"
    assert [(one["version"], one["status"]) for one in listed["models"]] == [
        (2, "candidate"),
        (1, "promoted"),
    ]
    assert command("identity", "model", "list", settings=trained).code == 0


def test_a_report_tells_weights_accuracy_and_drift_and_writes_a_page(
    command: Command, trained: Path, tmp_path: Path
) -> None:
    page = tmp_path / "model.html"

    told = command("identity", "model", "show", "2", "--html", page, "--json", settings=trained).json

    assert told["status"] == "candidate"
    assert told["measured"]["truth"]["pairs"]["right"] > 0
    assert told["drift"]["against"] == 1
    assert told["drift"]["stability"] < 0.1
    assert all(set(one) == {"field", "repeated", "commonest", "rarest"} for one in told["common"])
    assert "<svg" in page.read_text()
    shown = command("identity", "model", "show", "1", "--no-measure", settings=trained)
    assert (shown.code, "Match weights" in shown.out) == (0, True)


def test_what_comparing_foretells_promoting_does_and_rolling_back_undoes(
    command: Command, settings: Path
) -> None:
    counts = ("customers_after", "merged", "split", "moved", "examples")
    before = rows_of(settings, "member")

    foretold = command("identity", "model", "compare", "priors", "--json", settings=settings).json
    promoted = command("identity", "model", "promote", "priors", "--json", settings=settings).json

    assert foretold["moved"] > 0
    assert {name: promoted[name] for name in counts} == {name: foretold[name] for name in counts}
    assert (promoted["model"], promoted["model_before"]) == ("priors", "1")
    assert foretold["examples"][0]["before"]

    back = command("identity", "model", "rollback", "--json", settings=settings).json

    assert (back["model"], back["split"]) == ("1", foretold["merged_into"])
    members = [(record, customer) for _, record, customer in rows_of(settings, "member")[0]]
    assert members == [(record, customer) for _, record, customer in before[0]]


def test_two_models_are_compared_with_each_other(command: Command, trained: Path) -> None:
    told = command("identity", "model", "compare", "2", "1", "--json", settings=trained).json

    assert (told["model"], told["against"], told["moved"]) == ("2", "1", 0)
    assert told["stay"] == told["customers_before"]


@pytest.mark.parametrize("asked", ["show", "compare", "promote"])
def test_a_damaged_bundle_is_a_clear_error_and_nothing_is_touched(
    command: Command, settings: Path, asked: str
) -> None:
    with open_pipeline(load_settings(settings)) as house, house.state.writing() as connection:
        connection.execute(model.update().where(model.c.version == 2).values(bundle=b"PK\x03\x04 damaged"))
    tables = ("model", "model_promotion", "generation", "member", "edge", "cursor")
    before = rows_of(settings, *tables)

    refused = command("identity", "model", asked, "2", settings=settings)

    assert refused.code == 2
    assert "cannot be read" in refused.error
    assert rows_of(settings, *tables) == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("show", "9"), "no identity model 9"),
        (("compare", "9"), "no identity model 9"),
        (("promote", "9"), "no identity model 9"),
        (("promote", "1"), "in use already"),
        (("show", "best"), "not the number of a model"),
    ],
)
def test_wrong_use_says_what_is_wrong(
    command: Command, trained: Path, arguments: tuple[str, ...], said: str
) -> None:
    refused = command("identity", "model", *arguments, settings=trained)

    assert refused.code == 2
    assert said in " ".join(refused.error.split())


def test_without_a_candidate_the_way_to_one_is_told(command: Command, company: Path) -> None:
    refused = command("identity", "model", "compare", settings=company)

    assert refused.code == 2
    assert "identity model train" in refused.error
