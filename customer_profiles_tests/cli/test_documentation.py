"""What the documentation shows is what is there: its commands run, its targets, links and floors exist."""

from __future__ import annotations

import re
import shlex
import shutil
import tomllib
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main

from customer_profiles.cli.main import app
from customer_profiles.settings import load_settings
from customer_profiles_tests.cleaning.made import write_csv
from customer_profiles_tests.cli.conftest import Command
from customer_profiles_tests.cli.test_evaluate import PEOPLE

pytestmark = pytest.mark.xdist_group("cli")

PROJECT = load_settings().folder
PAGES = [
    page
    for page in sorted(PROJECT.glob("**/*.md"))
    if not any(part.startswith(".") for part in page.relative_to(PROJECT).parts)
]
MAY_FIND = "customer-profiles watch --once"
"""Nobody reads the sources of the reader's company any more, which is what it is there to say."""
SHOWS_NO_REPORT = {("ui",), ("serve",), ("stream",)}


def console_lines(page: Path) -> Iterator[str]:
    """Every line that a page tells its reader to type, without what is said of it."""
    for block in re.findall(r"```console\n(.*?)```", page.read_text(), re.DOTALL):
        for line in re.findall(r"(?m)^\$ (.*)$", block):
            yield re.sub(r"\s+# .*$", "", line)


COMMANDS = [line for page in PAGES for line in console_lines(page)]
OURS = [line for line in COMMANDS if line.startswith("customer-profiles ")]


@pytest.fixture(scope="module")
def company_of_the_reader(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A company to try everything on, with a labelled file beside it."""
    folder = tmp_path_factory.mktemp("reader") / "company"
    shutil.copytree(company.parent, folder)
    rows = [
        (f"p{number}", *values, f"{number}{copy}") for number, values in enumerate(PEOPLE) for copy in (0, 1)
    ]
    write_csv(
        folder / "people.csv", ("person_id", "first_name", "surname", "dob", "postcode", "size", "id"), rows
    )
    return folder / company.name


def test_the_readme_shows_commands() -> None:
    """Or the test below would try nothing."""
    assert len(OURS) >= 10


@pytest.mark.slow
@pytest.mark.parametrize("line", OURS)
def test_a_command_that_is_shown_runs(
    line: str, command: Command, company_of_the_reader: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(company_of_the_reader.parent)
    lone = "SELECT value FROM identifier WHERE kind = 'email' GROUP BY value HAVING count(*) = 1 LIMIT 1"
    email = command("query", lone, "--json", settings=company_of_the_reader).json[0]["value"]
    arguments = [email if one == "EMAIL" else one for one in shlex.split(line)[1:]]

    told = command(*arguments, settings=company_of_the_reader)

    assert told.code in ((0, 1) if line.startswith(MAY_FIND) else (0,)), told.error
    assert told.out


def test_a_target_that_is_shown_is_in_the_makefile() -> None:
    makefile = (PROJECT / "Makefile").read_text()
    shown = {
        target for page in PAGES for target in re.findall(r"(?:`|\$ |run )make ([a-z-]+)", page.read_text())
    }

    assert {"run", "ui", "test", "lint"} <= shown
    assert not [target for target in shown if not re.search(rf"(?m)^{target}:.*##", makefile)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(PROJECT)))
def test_every_link_inside_the_project_leads_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", page.read_text())

    inside = [link.split("#")[0] for link in links if not re.match(r"https?:|mailto:|#", link)]
    assert not [link for link in inside if not (page.parent / link).exists()]


def test_every_benchmark_that_is_named_is_there() -> None:
    text = (PROJECT / "docs/benchmarks.md").read_text()

    assert all(find_spec(module) for module in re.findall(r"python -m (benchmarks[.\w]*\w)", text))
    assert all((PROJECT / script).is_file() for script in re.findall(r"python (benchmarks/\w+\.py)", text))


def test_the_picture_of_the_floors_shows_the_floors_that_imports_are_held_to() -> None:
    text = (PROJECT / "docs/architecture.md").read_text()
    contracts = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    floors = [layer.strip("()") for layer in contracts[0]["layers"]]

    picture = text.split("```mermaid")[1].split("```")[0]
    below = dict(re.findall(r'(?m)^\s*(\w+)(?:\["[^"]*"\])? --> (\w+)', picture))
    shown = ["cli"]
    while shown[-1] in below:
        shown.append(below[shown[-1]])
    assert shown == [floor for floor in floors if floor != "settings"]
    assert "settings" in picture


def leaves(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    inside = getattr(
        command, "commands", None
    )  # typer brings a click of its own, whose groups have no public name
    if inside is None:
        yield path, command
        return
    for name, inner in inside.items():
        yield from leaves(inner, (*path, name))


def test_every_command_that_reports_takes_json_and_every_command_gives_an_example() -> None:
    there = dict(leaves(typer.main.get_command(app)))

    assert len(there) >= 13
    for path, command in there.items():
        takes_json = any("--json" in parameter.opts for parameter in command.params)
        assert takes_json is (path not in SHOWS_NO_REPORT), path
        assert "Example" in (command.help or ""), path
