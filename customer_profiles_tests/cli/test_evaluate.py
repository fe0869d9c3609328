"""`customer-profiles evaluate` on small labelled files."""

from __future__ import annotations

import random
from pathlib import Path

import pandas as pd
import pytest

from customer_profiles_tests.cleaning.made import write_csv
from customer_profiles_tests.cli.conftest import Command

pytestmark = pytest.mark.xdist_group("cli")

HEADER = ("who", "first_name", "surname", "dob", "postcode", "shoe size", "id")
PEOPLE = (
    ("Anna", "Thornhill", "1980-12-31", "LS1 1AA", "38"),
    ("Bob", "Marsden", "1975-01-02", "YO1 7HH", "44"),
    ("Cy", "Ravensworth", "1990-05-06", "HG1 2AB", "41"),
    ("Dee", "Pickering", "1969-07-20", "S1 2HE", "39"),
)
ROWS = [
    (f"p{person}", *values, str(2 * person + copy)) for person, values in enumerate(PEOPLE) for copy in (0, 1)
]


@pytest.fixture
def people(tmp_path: Path) -> Path:
    write_csv(tmp_path / "people.csv", HEADER, ROWS)
    return tmp_path / "people.csv"


def test_columns_are_guessed_and_shown_and_pairs_and_b_cubed_are_printed(
    command: Command, people: Path
) -> None:
    told = command("evaluate", people, "--truth", "who")

    assert told.code == 0
    for shown in (
        "birth_date",
        "dob",
        "extra_shoe_size",
        "Not used: id",
        "pairs of records",
        "B-cubed",
        "1.0000",
    ):
        assert shown in told.out


def test_json_holds_the_mapping_and_the_scores(command: Command, people: Path) -> None:
    told = command(
        "evaluate", people, "--truth", "who", "-c", "city=postcode", "--ignore", "shoe size", "--json"
    ).json

    assert told["columns"] == {
        "city": ["postcode"],
        "given_name": ["first_name"],
        "family_name": ["surname"],
        "birth_date": ["dob"],
    }
    assert told["ignored"] == ["shoe size", "id"]
    assert told["scores"]["records"] == 8
    assert {"precision", "recall", "f1", "b_cubed_precision", "b_cubed_recall", "b_cubed_f1"} <= told[
        "scores"
    ].keys()


def test_parquet_in_any_order_of_rows_gives_the_same_scores(command: Command, people: Path) -> None:
    mixed = random.Random(3).sample(ROWS, len(ROWS))
    parquet = people.with_suffix(".parquet")
    pd.DataFrame(mixed, columns=list(HEADER)).to_parquet(parquet)

    one = command("evaluate", people, "--truth", "who", "--json").json
    other = command("evaluate", parquet, "--truth", "who", "--json").json

    assert one["scores"] == other["scores"]
    assert one["columns"] == other["columns"]


@pytest.mark.parametrize(
    ("rows", "records", "recall"),
    [([], 0, 1.0), ([(f"p{n}", *row[1:]) for n, row in enumerate(ROWS[::2])], 4, 1.0)],
    ids=["header alone", "nobody twice"],
)
def test_files_without_a_pair_work(
    command: Command, tmp_path: Path, rows: list[tuple[str, ...]], records: int, recall: float
) -> None:
    write_csv(tmp_path / "few.csv", HEADER, rows)

    told = command("evaluate", tmp_path / "few.csv", "--truth", "who", "--json")

    assert told.code == 0
    assert (told.json["scores"]["records"], told.json["scores"]["recall"]) == (records, recall)


def test_a_file_with_nothing_to_compare_works(command: Command, tmp_path: Path) -> None:
    write_csv(tmp_path / "bare.csv", ("who", "id"), [("p1", "1"), ("p1", "2")])

    told = command("evaluate", tmp_path / "bare.csv", "--truth", "who", "--json")

    assert (told.code, told.json["scores"]["recall"]) == (0, 0.0)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("--truth", "person"), "Its columns are: who, first_name, surname"),
        (("--truth", "who", "-c", "birthdate=dob"), "did you mean birth_date?"),
        (("--truth", "who", "-c", "birth_date=dob", "-c", "birth_date=surname"), "given twice"),
        (("--truth", "who", "-c", "dob"), "is not"),
        (("--truth", "who", "-c", "city=who"), "named for two things"),
        ((), "--truth"),
    ],
)
def test_what_cannot_be_meant_is_wrong_use(
    command: Command, people: Path, arguments: tuple[str, ...], told: str
) -> None:
    refused = command("evaluate", people, *arguments)

    assert refused.code == 2
    assert told in refused.error
    assert refused.out == ""
