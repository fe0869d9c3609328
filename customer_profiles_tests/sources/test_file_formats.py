"""CSV, JSON lines, JSON arrays and Parquet give the same rows; what is no row is refused with its reason."""

import gzip
import tracemalloc
from datetime import date
from pathlib import Path

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from customer_profiles.sources.errors import SourceError
from customer_profiles.sources.file_lines import KEPT_OF_LONG, LONGEST_LINE
from customer_profiles_tests.cleaning.made import grow_old
from customer_profiles_tests.sources.reading import FILES, files_reader, notes, payloads, places, read_all

ROWS = [{"id": str(number), "name": f"Zoë {number}"} for number in range(1, 8)]


def put(folder: Path, name: str, content: bytes, quiet: bool = True) -> None:
    (folder / "web").mkdir(exist_ok=True)
    (folder / "web" / name).write_bytes(content)
    if quiet:
        grow_old(folder / "web" / name)


def put_parquet(folder: Path, rows: list[dict[str, object]], group: int = 3) -> Path:
    path = folder / "web/a.parquet"
    path.parent.mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    grow_old(path)
    return path


def refused(folder: Path, name: str) -> dict[str, str | None]:
    """Where rows stand that cannot be read, and why."""
    batches, _ = read_all(files_reader(folder, name))
    return {one.position: one.error for batch in batches for one in batch.envelopes if one.payload is None}


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet"])
def test_every_format_gives_the_same_rows_whatever_the_page(tmp_path: Path, name: str, limit: int) -> None:
    put(
        tmp_path,
        "a.csv",
        "\n".join(["id,secret,name", *(f"{row['id']},x,{row['name']}" for row in ROWS), ""]).encode(),
    )
    put(tmp_path, "a.jsonl", b"\n".join(orjson.dumps(row | {"secret": 1}) for row in ROWS))
    put(tmp_path, "a.json", orjson.dumps(ROWS, option=orjson.OPT_INDENT_2))
    put_parquet(tmp_path, [row | {"secret": 1} for row in ROWS])

    batches, left = read_all(files_reader(tmp_path, name), limit=limit)

    assert payloads(batches) == ROWS
    first = 2 if name == "a.csv" else 1
    assert places(batches) == [f"{name}:{number}" for number in range(first, first + 7)]
    assert places(read_all(files_reader(tmp_path, name), left)[0]) == []


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_a_byte_order_mark_at_the_start_is_no_part_of_the_data(tmp_path: Path, name: str) -> None:
    content = {
        "a.csv": b"id,name\n1,Ann\n",
        "a.jsonl": b'{"id":"1","name":"Ann"}\n',
        "a.json": b'[{"id":"1","name":"Ann"}]',
    }
    put(tmp_path, name, b"\xef\xbb\xbf" + content[name])

    assert payloads(read_all(files_reader(tmp_path, name))[0]) == [{"id": "1", "name": "Ann"}]


def test_a_format_can_be_told_where_the_ending_does_not(tmp_path: Path) -> None:
    put(tmp_path, "a.log", b'{"id": "1"}\n')
    text = FILES.replace("        fields", "        format: json_lines\n        fields")

    assert payloads(read_all(files_reader(tmp_path, "a.log", text))[0]) == [{"id": "1"}]


def test_a_row_of_csv_may_go_over_several_lines_and_its_position_is_its_first(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", b'id,name\r\n1,"Ann\r\nof ""York"""\r\n2,Bo\r\n')

    batches, _ = read_all(files_reader(tmp_path, "a.csv"), limit=1)

    assert places(batches) == ["a.csv:2", "a.csv:4"]
    assert payloads(batches)[0]["name"].replace("\r", "") == 'Ann\nof "York"'


@pytest.mark.parametrize(
    ("content", "good", "bad"),
    [
        (b'1,"Ann\n2,Bo\n3,Cy\n', ["2", "3"], ["a.csv:2"]),
        (b'1,"Ann\n2,Bo\n3,"Cy\n4,Di\n', ["2", "4"], ["a.csv:2", "a.csv:4"]),
    ],
    ids=["alone", "with another"],
)
def test_a_stray_quote_costs_its_own_row_and_none_that_follows(
    tmp_path: Path, content: bytes, good: list[str], bad: list[str]
) -> None:
    put(tmp_path, "a.csv", b"id,name\n" + content)

    batches, _ = read_all(files_reader(tmp_path, "a.csv"))

    assert [row["id"] for row in payloads(batches) if row] == good
    assert refused(tmp_path, "a.csv") == dict.fromkeys(bad, "unreadable_row")


def test_rows_that_cannot_be_read_are_refused_each_with_its_reason_and_place(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", b"id,name\n1,Ann\n2\n3,Cy,more\n\n4,Z\xf6\n5,Eve\n")
    put(tmp_path, "a.jsonl", b'{"id":"1"}\n{"id":\n[1]\n"x"\n\n{"id":"Z\xf6"}\n{"id":"7"}\n')
    put(tmp_path, "a.json", b'[{"id":"1"}, 7, {"id": nonsense}, {"id":"4"}]')

    assert refused(tmp_path, "a.csv") == {
        "a.csv:3": "unreadable_row",
        "a.csv:4": "unreadable_row",
        "a.csv:6": "bad_encoding",
    }
    assert refused(tmp_path, "a.jsonl") == {
        "a.jsonl:2": "unreadable_json",
        "a.jsonl:3": "unreadable_row",
        "a.jsonl:4": "unreadable_row",
        "a.jsonl:6": "bad_encoding",
    }
    assert refused(tmp_path, "a.json") == {"a.json:2": "unreadable_row", "a.json:3": "unreadable_json"}


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json"])
def test_a_row_beyond_all_measure_is_refused_and_only_its_start_is_kept(tmp_path: Path, name: str) -> None:
    long = b"x" * (5 * LONGEST_LINE)
    content = {
        "a.csv": b"id,name\n1," + long + b"\n2,Bo\n",
        "a.jsonl": b'{"id":"1","name":"' + long + b'"}\n{"id":"2","name":"Bo"}\n',
        "a.json": b'[{"id":"1","name":"' + long + b'"},{"id":"2","name":"Bo"}]',
    }
    put(tmp_path, name, content[name])

    ((batch,), _) = read_all(files_reader(tmp_path, name))

    assert [(one.error, one.payload) for one in batch.envelopes] == [
        ("too_large", None),
        (None, {"id": "2", "name": "Bo"}),
    ]
    assert len(batch.envelopes[0].raw or b"") == KEPT_OF_LONG


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.json", "a.parquet"])
def test_a_large_file_is_read_in_memory_that_follows_the_page(tmp_path: Path, name: str) -> None:
    rows = [{"id": str(number), "name": f"{number:04}" * 2_500} for number in range(2_000)]
    put(tmp_path, "a.csv", b"id,name\n" + b"".join(f"{row['id']},{row['name']}\n".encode() for row in rows))
    put(tmp_path, "a.jsonl", b"".join(orjson.dumps(row) + b"\n" for row in rows))
    put(tmp_path, "a.json", orjson.dumps(rows))
    put_parquet(tmp_path, list(rows), group=50)
    del rows
    reader = files_reader(tmp_path, name)
    seen, position, complete = 0, {}, False

    tracemalloc.start()
    while not complete:
        batch = reader.read("people", position, 100)
        seen, position, complete = seen + len(batch.envelopes), batch.position, batch.complete
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert seen == 2_000
    assert most < 10_000_000  # the file is twice that


@pytest.mark.parametrize("name", ["a.csv", "a.parquet"])
def test_a_column_that_is_gone_from_a_file_is_named_and_reading_goes_on_where_it_was(
    tmp_path: Path, name: str
) -> None:
    put(tmp_path, "a.csv", b"id,name\n1,Ann\n")
    put_parquet(tmp_path, [{"id": "1", "name": "Ann"}])
    _, left = read_all(files_reader(tmp_path, name))
    put(tmp_path, "a.csv", b"id,full name\n1,Ann\n2,Bo\n")
    put_parquet(tmp_path, [{"id": "1", "full name": "Ann"}, {"id": "2", "full name": "Bo"}])

    with pytest.raises(
        SourceError, match=r"^web\.people: .* has no column name: bring it back, or change the feed's"
    ):
        files_reader(tmp_path, name).read("people", left, 10)

    put(tmp_path, "a.csv", b"id,name\n1,Ann\n2,Bo\n")
    put_parquet(tmp_path, [{"id": "1", "name": "Ann"}, {"id": "2", "name": "Bo"}])
    assert [row["id"] for row in payloads(read_all(files_reader(tmp_path, name), left)[0])][-1] == "2"


def test_columns_of_csv_may_stand_in_another_order_in_each_file(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", b"id,name\n1,Ann\n")
    put(tmp_path, "b.csv", b"name,more,id\nBo,x,2\n")

    assert payloads(read_all(files_reader(tmp_path, "*.csv"))[0]) == [
        {"id": "1", "name": "Ann"},
        {"id": "2", "name": "Bo"},
    ]


def test_a_header_that_is_still_being_written_waits(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", b"id,name,countr", quiet=False)
    begun, left = read_all(files_reader(tmp_path, "a.csv"))
    put(tmp_path, "a.csv", b"id,name,country\n1,Ann,GB\n", quiet=False)

    batches, _ = read_all(files_reader(tmp_path, "a.csv"), left)

    assert not places(begun)
    assert (places(batches), payloads(batches)) == (["a.csv:2"], [{"id": "1", "name": "Ann"}])


def test_rows_keep_their_place_in_a_file_that_had_only_a_header_at_first(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", b"id,name\n")
    _, left = read_all(files_reader(tmp_path, "a.csv"))
    put(tmp_path, "a.csv", b"id,name\n1,Ann\n")

    assert places(read_all(files_reader(tmp_path, "a.csv"), left)[0]) == ["a.csv:2"]


def test_an_empty_file_has_no_rows_and_is_read_when_it_has(tmp_path: Path) -> None:
    for name in ("a.csv", "a.jsonl", "a.json"):
        put(tmp_path, name, b"")
        begun, left = read_all(files_reader(tmp_path, name))
        assert not places(begun)
        put(
            tmp_path,
            name,
            {"a.csv": b"id,name\n1,Ann\n", "a.jsonl": b'{"id":"1"}\n', "a.json": b'[{"id":"1"}]'}[name],
        )
        assert [row["id"] for row in payloads(read_all(files_reader(tmp_path, name), left)[0])] == ["1"]


def test_a_packed_file_is_refused_by_name_and_nothing_of_it_is_taken_for_rows(tmp_path: Path) -> None:
    put(tmp_path, "a.csv", gzip.compress(b"id,name\n1,Ann\n"))

    with pytest.raises(
        SourceError, match=r"^web\.people: the header of a\.csv is not UTF-8: save it as UTF-8"
    ):
        files_reader(tmp_path, "a.csv").read("people", {}, 10)


def test_parquet_written_anew_is_read_again_and_that_is_told(tmp_path: Path) -> None:
    put_parquet(tmp_path, list(ROWS))
    _, left = read_all(files_reader(tmp_path, "a.parquet"))
    put_parquet(tmp_path, [*ROWS, {"id": "8", "name": "Eve"}])

    batches, _ = read_all(files_reader(tmp_path, "a.parquet"), left)

    assert len(places(batches)) == 8
    assert notes(batches) == ["web.people: a.parquet was written anew, so it is read again from its start."]


def test_parquet_that_was_written_anew_before_it_was_read_to_its_end_begins_again(tmp_path: Path) -> None:
    put_parquet(tmp_path, list(ROWS))
    begun = files_reader(tmp_path, "a.parquet").read("people", {}, 4)
    path = put_parquet(tmp_path, [{"id": row["id"], "name": row["name"].upper()} for row in ROWS])
    grow_old(path, 5)

    batches, _ = read_all(files_reader(tmp_path, "a.parquet"), begun.position)

    assert [row["name"] for row in payloads(batches)] == [row["name"].upper() for row in ROWS]


def test_parquet_keeps_the_types_of_its_columns(tmp_path: Path) -> None:
    put_parquet(tmp_path, [{"id": 7, "name": date(2026, 5, 1)}])

    assert payloads(read_all(files_reader(tmp_path, "a.parquet"))[0]) == [{"id": 7, "name": date(2026, 5, 1)}]


def test_parquet_that_is_being_written_waits_and_one_that_was_cut_is_named(tmp_path: Path) -> None:
    whole = put_parquet(tmp_path, list(ROWS)).read_bytes()
    put(tmp_path, "a.parquet", whole[: len(whole) // 2], quiet=False)
    begun, left = read_all(files_reader(tmp_path, "a.parquet"))
    grow_old(tmp_path / "web/a.parquet")

    with pytest.raises(
        SourceError, match=r"^web\.people: a\.parquet is no Parquet file, or was cut: write it again"
    ):
        files_reader(tmp_path, "a.parquet").read("people", left, 10)

    assert not places(begun)
    put(tmp_path, "a.parquet", whole)
    assert payloads(read_all(files_reader(tmp_path, "a.parquet"), left)[0]) == ROWS


def test_a_path_leads_into_nested_values_and_what_is_absent_stays_absent(tmp_path: Path) -> None:
    put(tmp_path, "a.jsonl", b'{"who":{"id":"1","name":{"full":"Ann"}}}\n{"who":{"id":"2"}}\n{"who":"3"}\n')
    text = FILES.replace("source_key: id, full_name: name", "source_key: who.id, full_name: who.name.full")

    assert payloads(read_all(files_reader(tmp_path, "a.jsonl", text))[0]) == [
        {"who.id": "1", "who.name.full": "Ann"},
        {"who.id": "2"},
        {},
    ]
