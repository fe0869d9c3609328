"""`identity explain`, `history` and `as-of` on the demo company."""

from __future__ import annotations

import random
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.pipeline.build import open_pipeline
from customer_profiles.settings import load_settings
from customer_profiles_tests.cli.conftest import Command

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("cli")]


def rows(settings: Path, query: str) -> list[tuple[Any, ...]]:
    with open_pipeline(load_settings(settings)) as house, house.state.reading() as connection:
        return [tuple(row) for row in connection.execute(sa.text(query))]


def test_the_parts_of_an_explanation_add_up_to_the_weight_of_the_edge(
    command: Command, company: Path
) -> None:
    edges = rows(company, "SELECT left_no, right_no, weight FROM edge WHERE kind = 'probabilistic'")
    for left, right, weight in random.Random(3).sample(edges, 12):
        told = command("identity", "explain", left, right, "--json").json
        assert sum(part["weight"] for part in told["parts"]) == told["weight"] == weight
        assert told["parts"][-1]["total"] == weight
        assert told["shared"]


def test_a_refused_edge_tells_what_refused_it(command: Command, company: Path) -> None:
    refused = rows(
        company,
        "SELECT refusal, min(left_no), max(weight) FROM edge WHERE accepted = 0 GROUP BY refusal",
    )
    assert refused
    for refusal, left, _ in refused:
        [(right,)] = rows(
            company,
            f"SELECT min(right_no) FROM edge WHERE left_no = {left} AND refusal = '{refusal}'",
        )
        told = command("identity", "explain", left, right, "--json").json
        assert told["turn"] is not None
        assert told["customer_ids"][0] != told["customer_ids"][1]


def test_a_page_holds_a_picture_and_no_clear_value_unless_asked_for_with_a_reason(
    command: Command, company: Path, tmp_path: Path
) -> None:
    [(left, right)] = rows(
        company, "SELECT left_no, right_no FROM edge WHERE accepted = 1 ORDER BY weight DESC, left_no LIMIT 1"
    )
    [(email,)] = rows(
        company, f"SELECT value FROM identifier WHERE kind = 'email' AND record_no = {left} LIMIT 1"
    )
    page = tmp_path / "explained.html"
    assert command("identity", "explain", left, right, "--values", "--html", page).code == 0
    text = page.read_text(encoding="utf-8")
    assert "<svg" in text
    assert not re.search(r"<script|https?://(?!www\.w3\.org)", text)
    assert email not in text

    asked = ("--values", "--unmask", "--reason", "ticket 17", "--json")
    assert email in command("identity", "explain", left, right, *asked).out
    assert command("identity", "explain", left, right, "--values", "--unmask").code == 2


def test_who_is_not_there_is_told_with_exit_code_2(command: Command) -> None:
    for words in (("explain", 1, 99_999_999), ("explain", 1, "nobody:1"), ("history", "crm:nobody")):
        told = command("identity", *words)
        assert (told.code, told.out) == (2, "")
        assert told.error


def test_history_tells_a_merge_and_its_end_and_as_of_who_belonged_to_whom(
    command: Command, company: Path, tmp_path: Path
) -> None:
    shutil.copytree(company.parent, tmp_path / "copy")
    settings = tmp_path / "copy" / company.name

    def customer(commit: int | None = None) -> Any:
        [(latest,)] = rows(settings, "SELECT max(commit_no) FROM identity_commit")
        return command("identity", "as-of", other, commit or latest, "--json", settings=settings).json

    (one,), (other,) = rows(settings, "SELECT min(record_no) FROM member GROUP BY customer_no LIMIT 2")
    made = command(
        "identity", "decide", "together", one, other, "--by", "kim", "--reason", "seen", "--json", settings=settings
    )  # fmt: skip
    assert made.code == 0, made.error
    assert {one, other} <= set(customer()["records"])
    before = customer(1)
    assert one not in before["records"]

    steps = command("identity", "history", one, "--json", settings=settings).json["steps"]
    assert [event["kind"] for step in steps for event in step["events"]][-1] == "merge"
    [decision] = rows(settings, "SELECT decision_id FROM decision")
    undone = command("identity", "undo", *decision, "--by", "kim", "--reason", "a slip", settings=settings)
    assert undone.code == 0, undone.error
    then = command("identity", "history", one, "--as-of", 1, "--json", settings=settings).json
    assert then["edges_left_out"] == 0
    assert (
        then["records"] == command("identity", "as-of", one, 1, "--json", settings=settings).json["records"]
    )
    assert (
        "No history of edges is kept"
        in command("identity", "history", one, "--as-of", 1, settings=settings).out
    )
    again = customer()
    assert again["records"] == before["records"]
    assert again["customer_id"] == before["customer_id"]
    page = tmp_path / "history.html"
    assert command("identity", "history", one, "--html", page, settings=settings).code == 0
    assert "<svg" in page.read_text(encoding="utf-8")
