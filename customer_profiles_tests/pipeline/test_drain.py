"""A run that others overtake goes on with what is left, and gives up only when it never gets a turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from customer_profiles.monitoring.ledger import StageResult, ledger_check
from customer_profiles.pipeline.build import TIMES_BEATEN
from customer_profiles.state.errors import CursorMoved
from customer_profiles_tests.pipeline.company import KEY_VARIABLE, Company


@pytest.fixture
def company(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Company:
    monkeypatch.setenv(KEY_VARIABLE, "a5" * 32)
    made = Company(tmp_path, environment={KEY_VARIABLE: "a5" * 32})
    made.first_week()
    return made


def test_a_batch_that_another_one_did_meanwhile_is_left_to_it_and_the_rest_is_done(company: Company) -> None:
    with company.open() as house, company.open() as beside:
        stage: Any = house.ingest("web", "interaction")
        read = stage._read

        def overtaken(*of: Any) -> Any:
            stage._read = read
            assert beside.ingest("web", "interaction").advance(3).received == 3
            return read(*of)

        stage._read = overtaken
        result = house.drain(stage)

        assert result.received == 8 - 3
        with house.state.reading() as connection:
            check = ledger_check(connection, "ingest_interaction", "web")
    assert check.adds_up
    assert check.totals["applied"] == 8


def test_who_never_gets_a_turn_says_so(company: Company) -> None:
    class Beaten:
        name, source = "resolve", ""
        times = 0

        def advance(self, limit: int) -> StageResult:
            self.times += 1
            raise CursorMoved("Another run was here.")

    beaten = Beaten()
    with company.open() as house, pytest.raises(CursorMoved):
        house.drain(beaten)
    assert beaten.times == TIMES_BEATEN
