"""Any file as identity records: what is guessed, what is refused, and that the truth stays apart."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from customer_profiles.identity.evaluation.labelled_file import LabelledFileError, read_labelled_file
from customer_profiles_tests.cleaning.made import write_csv

COLUMNS = ("person", "First Name", "surname", "dob", "email", "shoe size", "id")
ROWS = (
    ("p1", "Anna", "Lee", "19801231", "anna@x.example", "38", "1"),
    ("p2", "Bob", "Marsden", "1975-01-02", "bob@x.example", "44", "2"),
    ("", "Cy", "Thornhill", "", "", "41", "3"),
)


@pytest.fixture
def people(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    write_csv(path, COLUMNS, ROWS)
    return path


def test_columns_are_guessed_by_name_unknown_ones_are_extra_and_row_numbers_are_left_out(
    people: Path,
) -> None:
    file = read_labelled_file(people, "person")

    assert file.columns == {
        "given_name": ("First Name",),
        "family_name": ("surname",),
        "birth_date": ("dob",),
        "emails": ("email",),
        "extra_shoe_size": ("shoe size",),
    }
    assert file.ignored == ("id",)
    anna = next(row for row in file.records.to_pylist() if row["given_name"] == "anna")
    assert (anna["birth_date"], anna["emails"], anna["extra_shoe_size"]) == (
        "1980-12-31",
        ["anna@x.example"],
        "38",
    )


def test_the_truth_is_no_column_of_the_records_and_is_unknown_where_it_is_empty(people: Path) -> None:
    file = read_labelled_file(people, "person")

    assert "p1" not in str(file.records.to_pylist())
    by_name = dict(zip(file.records["given_name"].to_pylist(), file.truth, strict=True))
    assert by_name == {"anna": "p1", "bob": "p2", "cy": None}


def test_a_mapping_overrides_the_guess_and_several_columns_make_one_field(people: Path) -> None:
    file = read_labelled_file(people, "person", {"full_name": ["First Name", "surname"]}, ["shoe size"])

    assert file.columns["full_name"] == ("First Name", "surname")
    assert "anna lee" in file.records["full_name"].to_pylist()
    assert "shoe size" in file.ignored
    assert not [name for name in file.columns if name.startswith("extra_")]


def test_the_order_of_rows_does_not_matter(people: Path, tmp_path: Path) -> None:
    turned = tmp_path / "turned.csv"
    write_csv(turned, COLUMNS, ROWS[::-1])

    one, other = read_labelled_file(people, "person"), read_labelled_file(turned, "person")

    assert one.records.equals(other.records)
    assert one.truth == other.truth


def test_parquet_gives_the_records_that_csv_gives_and_lists_are_several_values(
    people: Path, tmp_path: Path
) -> None:
    frame = pd.DataFrame(ROWS, columns=list(COLUMNS))
    frame["dob"] = pd.to_datetime(["1980-12-31", "1975-01-02", None])
    frame["email"] = [["anna@x.example"], ["bob@x.example"], None]
    frame["person"] = ["p1", "p2", None]
    frame.to_parquet(tmp_path / "people.parquet")

    file = read_labelled_file(tmp_path / "people.parquet", "person")

    assert file.records.equals(read_labelled_file(people, "person").records)
    assert set(file.truth) == {"p1", "p2", None}


def test_two_columns_whose_names_come_to_the_same_are_both_kept(tmp_path: Path) -> None:
    write_csv(tmp_path / "twins.csv", ("person", "shoe size", "Shoe-Size"), [("p1", "38", "EU")])

    file = read_labelled_file(tmp_path / "twins.csv", "person")

    assert file.records["extra_shoe_size"].to_pylist() == ["38 eu"]


def test_the_second_line_of_an_address_is_part_of_it_and_an_attribute_by_itself(tmp_path: Path) -> None:
    write_csv(
        tmp_path / "homes.csv", ("person", "address_1", "address_2"), [("p1", "4 Mill Lane", "Rosebery")]
    )

    file = read_labelled_file(tmp_path / "homes.csv", "person")

    assert file.records["address_line"].to_pylist() == ["4 mill lane rosebery"]
    assert file.records["extra_address_2"].to_pylist() == ["rosebery"]


@pytest.mark.parametrize(
    ("truth", "mapping", "ignore", "told"),
    [
        ("persn", {}, [], "did you mean person?"),
        ("person", {"birthdate": ["dob"]}, [], "did you mean birth_date?"),
        ("person", {"birth_date": ["dobb"]}, [], "did you mean dob?"),
        ("person", {"city": ["person"]}, [], "named for two things: the truth and city"),
        ("person", {"city": ["surname"], "region": ["surname"]}, [], "named for two things: city and region"),
        ("person", {"city": ["surname"]}, ["surname"], "named for two things: ignored and city"),
        ("person", {}, ["person"], "named for two things: the truth and ignored"),
        (
            "nothing like it",
            {},
            [],
            "Its columns are: person, First Name, surname, dob, email, shoe size, id.",
        ),
    ],
)
def test_a_name_that_cannot_be_meant_is_refused(
    people: Path, truth: str, mapping: dict[str, list[str]], ignore: list[str], told: str
) -> None:
    with pytest.raises(LabelledFileError) as refused:
        read_labelled_file(people, truth, mapping, ignore)

    assert told in str(refused.value)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("empty.csv", b"", "is empty"),
        ("latin.csv", "person,name\np1,Zoë\n".encode("latin-1"), "is not UTF-8"),
        ("ragged.csv", b'person,name\np1,"Anna secret@x.example\n', "cannot be read as csv"),
        ("cut.parquet", b"PAR1 secret@x.example", "cannot be read as parquet"),
        ("people.xlsx", b"", "neither .csv nor .parquet"),
    ],
)
def test_a_file_that_cannot_be_read_says_why_and_quotes_nothing(
    tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    (tmp_path / name).write_bytes(content)

    with pytest.raises(LabelledFileError) as refused:
        read_labelled_file(tmp_path / name, "person")

    assert told in str(refused.value)
    assert "secret" not in str(refused.value)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LabelledFileError, match=r"There is no file .*gone\.csv"):
        read_labelled_file(tmp_path / "gone.csv", "person")


def test_a_header_alone_gives_no_records(tmp_path: Path) -> None:
    (tmp_path / "header.csv").write_text("person,name\n")

    file = read_labelled_file(tmp_path / "header.csv", "person")

    assert (file.records.num_rows, file.truth) == (0, ())
