"""Each file is read once, one that grows from where it was left, and one that changed again from its start."""

import os
from pathlib import Path

import pytest

from customer_profiles.sources import file_formats, files
from customer_profiles.sources.errors import SourceError
from customer_profiles.sources.files import FilesReader
from customer_profiles_tests.cleaning.made import grow_old, write_lines
from customer_profiles_tests.sources.reading import (
    FILES,
    files_reader,
    kept,
    notes,
    payloads,
    places,
    read_all,
    source_of,
)


def somebody(number: int, name: str = "Ann") -> dict[str, object]:
    return {"id": str(number), "name": name, "secret": "of no feed"}


def append(path: Path, text: bytes) -> None:
    with path.open("ab") as file:
        file.write(text)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A source's folder with two files of two people each."""
    write_lines(tmp_path / "web/a.jsonl", [somebody(1), somebody(2)])
    write_lines(tmp_path / "web/b.jsonl", [somebody(3), somebody(4)])
    return tmp_path


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_each_file_is_read_once_in_the_order_of_its_name(folder: Path, limit: int) -> None:
    batches, left = read_all(files_reader(folder, "*.jsonl"), limit=limit)

    assert places(batches) == ["a.jsonl:1", "a.jsonl:2", "b.jsonl:1", "b.jsonl:2"]
    again, after = read_all(files_reader(folder, "*.jsonl"), left)
    assert (places(again), after) == ([], left)


def test_only_mapped_columns_are_read(folder: Path) -> None:
    assert payloads(read_all(files_reader(folder, "a.jsonl"))[0])[0] == {"id": "1", "name": "Ann"}


def test_a_pattern_chooses_files_below_the_folder_and_leaves_hidden_ones(folder: Path) -> None:
    write_lines(folder / "web/2026/05/c.jsonl", [somebody(5)])
    write_lines(folder / "web/.c.jsonl.part", [somebody(6)])
    write_lines(folder / "web/.d.jsonl", [somebody(7)])

    assert places(read_all(files_reader(folder, "**/*.jsonl"))[0])[0] == "2026/05/c.jsonl:1"
    assert len(places(read_all(files_reader(folder, "*.jsonl"))[0])) == 4


def test_a_new_file_is_read_wherever_its_name_stands(folder: Path) -> None:
    _, left = read_all(files_reader(folder, "*.jsonl"))
    write_lines(folder / "web/a-late.jsonl", [somebody(5)])

    assert places(read_all(files_reader(folder, "*.jsonl"), left)[0]) == ["a-late.jsonl:1"]


@pytest.mark.parametrize("limit", [1, 100])
def test_a_file_that_grew_is_read_on_from_where_it_was_left(folder: Path, limit: int) -> None:
    _, left = read_all(files_reader(folder, "*.jsonl"))
    append(folder / "web/a.jsonl", b'{"id": "5"}\n{"id": "6"}\n')

    batches, left = read_all(files_reader(folder, "*.jsonl"), left, limit)

    assert places(batches) == ["a.jsonl:3", "a.jsonl:4"]
    assert not notes(batches) and not any(batch.again for batch in batches)
    assert places(read_all(files_reader(folder, "*.jsonl"), left)[0]) == []


def test_a_file_that_was_touched_but_not_changed_is_not_read_again(folder: Path) -> None:
    _, left = read_all(files_reader(folder, "*.jsonl"))
    os.utime(folder / "web/a.jsonl")

    batches, _ = read_all(files_reader(folder, "*.jsonl"), left)

    assert (places(batches), notes(batches)) == ([], [])


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([somebody(8)], "is shorter than what was read of it"),
        ([somebody(8), somebody(9)], "changed in what was read of it"),
        ([somebody(7), somebody(8), somebody(9)], "changed in what was read of it"),
    ],
    ids=["shorter", "of equal size", "longer"],
)
def test_a_file_with_other_content_is_read_again_from_its_start_and_that_is_told(
    folder: Path, rows: list[dict[str, object]], why: str
) -> None:
    _, left = read_all(files_reader(folder, "*.jsonl"))
    write_lines(folder / "web/a.jsonl", rows, age_seconds=1_800)

    batches, left = read_all(files_reader(folder, "*.jsonl"), left)

    assert [row["id"] for row in payloads(batches)] == [row["id"] for row in rows]
    assert notes(batches) == [f"web.people: a.jsonl {why}, so it is read again from its start."]
    assert all(batch.again for batch in batches if batch.envelopes)
    assert places(read_all(files_reader(folder, "*.jsonl"), left)[0]) == []


@pytest.mark.parametrize("place", [0, 100_000, 1_500_000, 3_000_000])
def test_a_change_anywhere_in_a_large_file_is_seen(tmp_path: Path, place: int) -> None:
    path = tmp_path / "web/a.jsonl"
    write_lines(path, [somebody(number, "x" * 1_000) for number in range(3_000)])
    _, left = read_all(files_reader(tmp_path, "*.jsonl"), limit=700)
    with path.open("r+b") as file:
        file.seek(place)
        file.write(b" ")

    batches, _ = read_all(files_reader(tmp_path, "*.jsonl"), left, limit=5_000)

    assert len(places(batches)) == 3_000
    assert notes(batches) == [
        "web.people: a.jsonl changed in what was read of it, so it is read again from its start."
    ]


def test_a_file_that_is_gone_is_forgotten_and_what_is_there_is_read(folder: Path) -> None:
    _, left = read_all(files_reader(folder, "*.jsonl"))
    (folder / "web/a.jsonl").unlink()
    append(folder / "web/b.jsonl", b'{"id": "5"}\n')

    batches, left = read_all(files_reader(folder, "*.jsonl"), left)

    assert places(batches) == ["b.jsonl:3"]
    assert list(left["files"]) == ["b.jsonl"]


@pytest.mark.parametrize(
    ("name", "head", "first", "second"),
    [
        ("a.jsonl", b'{"id": "1"}\n', b'{"id": "2", "na', b'me": "Bo"}\n'),
        ("a.csv", b"id,name\n1,Ann\n", b"2,B", b"o\n"),
        ("a.json", b'[{"id": "1"},', b'{"id": "2", "na', b'me": "Bo"}]'),
    ],
)
def test_a_cut_last_row_waits_until_it_is_whole(
    tmp_path: Path, name: str, head: bytes, first: bytes, second: bytes
) -> None:
    (tmp_path / "web").mkdir()
    path = tmp_path / "web" / name
    path.write_bytes(head + first)
    begun, left = read_all(files_reader(tmp_path, name))
    nothing, left = read_all(files_reader(tmp_path, name), left)
    append(path, second)

    rest, left = read_all(files_reader(tmp_path, name), left)

    assert [row["id"] for row in payloads(begun)] == ["1"]
    assert not places(nothing)
    assert payloads(rest) == [{"id": "2", "name": "Bo"}]
    assert places(read_all(files_reader(tmp_path, name), left)[0]) == []


def test_a_last_line_of_json_that_is_whole_need_not_wait_for_its_end(tmp_path: Path) -> None:
    write_lines(tmp_path / "web/a.jsonl", [somebody(1)], age_seconds=0)
    append(tmp_path / "web/a.jsonl", b'{"id": "2"}')

    batches, left = read_all(files_reader(tmp_path, "*.jsonl"))
    append(tmp_path / "web/a.jsonl", b'\n{"id": "3"}\n')

    assert places(batches) == ["a.jsonl:1", "a.jsonl:2"]
    assert [row["id"] for row in payloads(read_all(files_reader(tmp_path, "*.jsonl"), left)[0])] == ["3"]


@pytest.mark.parametrize(
    ("name", "content", "error"),
    [
        ("a.jsonl", b'{"id": "1"}\n{"id": "2", "na', "unreadable_json"),
        ("a.csv", b"id,name\n1,Ann\n2", "unreadable_row"),
        ("a.json", b'[{"id": "1"},{"id": "2", "na', "unreadable_json"),
    ],
)
def test_a_cut_last_row_is_refused_once_nobody_has_written_to_the_file_for_a_minute(
    tmp_path: Path, name: str, content: bytes, error: str
) -> None:
    (tmp_path / "web").mkdir()
    path = tmp_path / "web" / name
    path.write_bytes(content)
    source = source_of(FILES.replace("PATTERN", name), tmp_path)
    now = [path.stat().st_mtime + file_formats.SETTLED_SECONDS - 1]
    reader = FilesReader("web", source.connector, source.feeds, clock=lambda: now[0])  # type: ignore[arg-type]
    begun, left = read_all(reader)
    now[0] += 1.5

    rest, left = read_all(reader, left)

    assert [envelope.error for batch in begun for envelope in batch.envelopes] == [None]
    assert [envelope.error for batch in rest for envelope in batch.envelopes] == [error]
    assert places(read_all(reader, left)[0]) == []


def test_a_last_row_of_csv_without_an_end_is_taken_once_the_file_is_quiet(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    (tmp_path / "web/a.csv").write_bytes(b"id,name\n1,Ann\n2,Bo")
    _, left = read_all(files_reader(tmp_path, "a.csv"))
    grow_old(tmp_path / "web/a.csv")

    assert payloads(read_all(files_reader(tmp_path, "a.csv"), left)[0]) == [{"id": "2", "name": "Bo"}]


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_a_changed_mapping_says_that_all_files_are_read_again_and_does_it_once(
    folder: Path, limit: int
) -> None:
    _, left = read_all(files_reader(folder, "*.jsonl"))
    changed = FILES.replace("full_name: name", "given_name: name")

    again, left = read_all(files_reader(folder, "*.jsonl", changed), left, limit)
    after, _ = read_all(files_reader(folder, "*.jsonl", changed), left, limit)

    assert len(places(again)) == 4
    assert notes(again) == ["web.people: its settings changed, so its files are all read again."]
    assert all(batch.again for batch in again)
    assert (places(after), notes(after)) == ([], [])


def test_rows_read_again_and_new_ones_never_share_a_page(folder: Path) -> None:
    _, left = read_all(files_reader(folder, "*.jsonl"))
    write_lines(folder / "web/c.jsonl", [somebody(5)])
    changed = FILES.replace("full_name: name", "given_name: name")

    batches, _ = read_all(files_reader(folder, "*.jsonl", changed), left)

    assert [(batch.again, len(batch.envelopes)) for batch in batches] == [(True, 4), (False, 1)]


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as told:
        files_reader(tmp_path, "*.jsonl").read("people", {}, 10)

    assert str(told.value) == (
        f"web.people: there is no folder {tmp_path}/web: correct `folder` in the settings, or bring the folder back"
    )


def test_a_single_file_that_is_not_there_is_named_and_read_when_it_is_back(folder: Path) -> None:
    _, left = read_all(files_reader(folder, "a.jsonl"))
    (folder / "web/a.jsonl").rename(folder / "away")

    with pytest.raises(SourceError) as told:
        files_reader(folder, "a.jsonl").read("people", left, 10)

    assert str(told.value) == (
        f"web.people: there is no file a.jsonl in {folder}/web: correct `files` in the settings, or bring the file back"
    )
    (folder / "away").rename(folder / "web/a.jsonl")
    append(folder / "web/a.jsonl", b'{"id": "5"}\n')
    assert places(read_all(files_reader(folder, "a.jsonl"), left)[0]) == ["a.jsonl:3"]


def test_a_pattern_that_matches_nothing_yet_is_no_mistake(folder: Path) -> None:
    batches, _ = read_all(files_reader(folder, "*.ndjson"))

    assert [(batch.envelopes, batch.complete) for batch in batches] == [([], True)]


def test_one_read_goes_through_a_bounded_piece_of_a_file_whose_rows_are_hardly_wanted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_lines(
        tmp_path / "web/a.jsonl", [somebody(number, "Bo" if number == 99 else "Ann") for number in range(100)]
    )
    monkeypatch.setattr(files, "LARGEST_SCAN", 1_000)
    text = FILES.replace("        fields", "        where: {name: Bo}\n        fields")

    batches, _ = read_all(files_reader(tmp_path, "*.jsonl", text))

    assert places(batches) == ["a.jsonl:100"]
    assert len(batches) > 4


def test_of_feeds_over_the_same_files_one_tells_of_lines_that_nobody_can_read(tmp_path: Path) -> None:
    write_lines(tmp_path / "web/a.jsonl", [somebody(1), b"{", somebody(2)])
    other = (
        "      others:\n        contract: record\n        files: PATTERN\n        fields: {source_key: id}\n"
    )
    reader = files_reader(tmp_path, "a.jsonl", FILES + other)

    assert places(read_all(reader)[0]) == ["a.jsonl:1", "a.jsonl:2", "a.jsonl:3"]
    assert places(read_all(reader, feed="others")[0]) == ["a.jsonl:1", "a.jsonl:3"]


def test_a_position_is_small_plain_json(folder: Path) -> None:
    _, left = read_all(files_reader(folder, "*.jsonl"))

    assert kept(left) == left
    assert "Ann" not in str(left)
