"""A small company that every command is tried on."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from typer.testing import CliRunner

from customer_profiles import demo
from customer_profiles.cli.main import app
from customer_profiles.errors import CustomerProfilesError
from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import load_settings


@dataclass(frozen=True)
class Outcome:
    """What a command printed, and its exit code."""

    code: int
    out: str
    error: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Command = Callable[..., Outcome]


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The settings file of the demo company of 1,000 customers, with everything taken in."""
    folder = tmp_path_factory.mktemp("company")
    shutil.copy(load_settings().folder / "customer_profiles.yaml", folder)
    demo.generate(folder / ".data" / "demo", customers=1000, seed=5)
    with open_pipeline(load_settings(folder / "customer_profiles.yaml")) as house:
        house.run()
    return folder / "customer_profiles.yaml"


@pytest.fixture
def command(company: Path) -> Iterator[Command]:
    """Runs a command line on the company; `settings` names another settings file."""

    def run(*arguments: object, settings: Path = company) -> Outcome:
        result: Result = CliRunner().invoke(app, ["-s", str(settings), *map(str, arguments)])
        if isinstance(result.exception, CustomerProfilesError):
            return Outcome(result.exception.exit_code, result.stdout, str(result.exception))
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return Outcome(result.exit_code, result.stdout, result.stderr)

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CUSTOMER_PROFILES_SETTINGS", "")  # the command line sets it: what was before comes back
        patch.delenv("CUSTOMER_PROFILES_SETTINGS")
        yield run
