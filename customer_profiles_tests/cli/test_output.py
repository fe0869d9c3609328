"""What comes from a source is shown as it is, and can neither break a table nor steer the terminal."""

from __future__ import annotations

import json

import pytest

from customer_profiles.cli.output import show_error, show_json, show_table, text
from customer_profiles.contracts.classes import DataClass


def test_what_looks_like_markup_is_only_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_table("", ("[x]",), [("[/b] [red]Ann[/red]",)])
    show_error("sources.crm.emails[1] is wrong")

    printed = capsys.readouterr()
    assert "[/b] [red]Ann[/red]" in printed.out
    assert "[x]" in printed.out
    assert "emails[1]" in printed.err


def test_control_characters_do_not_reach_the_terminal() -> None:
    assert "\x1b" not in text("\x1b]0;owned\x07Ann")
    assert text(["a\nb", None, 1_234]) == "a\N{REPLACEMENT CHARACTER}b, , 1,234"


def test_an_error_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    show_error("word " * 100)

    assert len(capsys.readouterr().err.splitlines()) == 1


def test_json_takes_what_tables_hold(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"bytes": b"\x01", "enum": DataClass.NONE, 5: (1, {2})})

    assert json.loads(capsys.readouterr().out) == {"bytes": "01", "enum": DataClass.NONE.value, "5": [1, [2]]}
