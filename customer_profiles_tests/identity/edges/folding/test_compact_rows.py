"""Index rows that are kept folded say what they said, whichever of them are asked for."""

from __future__ import annotations

import re

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.identity.edges.folding.compact_rows import CompactRows
from customer_profiles.identity.edges.folding.shelf import half_empty, shelved, taken
from customer_profiles.identity.edges.index_parts import Rows

MODEL = {
    "ann": {"token": "ann", "bits": 5.5, "aliases": ["anna", "nan"]},
    "bo": {"token": "bo", "bits": 11.0, "aliases": []},
    "lee": {"token": "lee", "bits": 7.25, "aliases": ["leigh"]},
}
TEXTS = pa.list_(pa.field("l", pa.string()))
PRICED = pa.list_(pa.field("l", pa.struct({"token": pa.string(), "bits": pa.float64(), "aliases": TEXTS})))
SCHEMA = pa.schema(
    {
        "content_no": pa.int64(),
        "gone": pa.bool_(),
        "name": pa.string(),
        "name_words": TEXTS,
        "city": pa.string(),
        "emails": TEXTS,
        "phones": TEXTS,
        "identifiers": TEXTS,
        "name_tokens": PRICED,
        "tf_city": pa.float64(),
        "live_emails": TEXTS,
        "live_phones": TEXTS,
        "live_email_names": TEXTS,
    }
)

HEX = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
ids = HEX | st.uuids().map(str) | st.sampled_from(["", "C01", "0" * 31, "A" * 32, "1\n2", "é" * 16])
addresses = st.builds(
    str.__add__,
    st.sampled_from(["ann.lee+shop", "böll-bo", "", "x@y"]),
    st.sampled_from(["", "@a.example", "@b"]),
)
identifiers = st.builds(str.__add__, st.sampled_from(["", "crm_id\x1f", "device_id\x1f", "a\x1fb\x1f"]), ids)


def lists_of(values: st.SearchStrategy[str]) -> st.SearchStrategy[list[str]]:
    return st.lists(values, max_size=3)


def names_of(addresses: list[str]) -> list[str]:
    """What the index makes of addresses, as `load_contacts` does."""
    told = (re.sub(r"[^\w]|_", "", re.split("[@+]", address)[0]) for address in addresses)
    return [name for name in told if len(name) >= 5]


@st.composite
def contents(draw: st.DrawFn, content_no: int) -> dict[str, object]:
    words = draw(st.none() | st.lists(st.sampled_from(sorted(MODEL)), max_size=4))
    emails, phones = draw(st.none() | lists_of(addresses)), draw(st.none() | lists_of(ids))
    live = draw(st.just(emails or []) | lists_of(addresses))
    told = (
        st.none()
        | st.just("")
        | st.permutations(words or []).map(" ".join)
        | st.sampled_from(["ann", "lee bo", "max"])
    )
    return {
        "content_no": content_no,
        "gone": draw(st.booleans()),
        "name": draw(told),
        "name_words": words,
        "city": draw(st.none() | st.sampled_from(["Leeds", "York"])),
        "emails": emails,
        "phones": phones,
        "identifiers": draw(st.none() | lists_of(identifiers)),
        "name_tokens": None if words is None else [MODEL[word] for word in words],
        "tf_city": draw(st.none() | st.sampled_from([0.0, 0.25])),
        "live_emails": live,
        "live_phones": draw(st.just(phones or []) | lists_of(ids)),
        "live_email_names": draw(st.just(names_of(live)) | lists_of(addresses)),
    }


@st.composite
def parts(draw: st.DrawFn) -> list[Rows]:
    left_out = draw(st.sets(st.sampled_from(SCHEMA.names[2:])))
    found = []
    for _ in range(draw(st.integers(1, 3))):
        rows = [draw(contents(number)) for number in range(draw(st.integers(1, 15)))]
        found.append(Rows(pa.Table.from_pylist(rows, schema=SCHEMA).drop_columns(sorted(left_out))))
    return found


@given(parts(), st.booleans(), st.data())
def test_what_is_taken_from_shelves_is_what_was_written(
    plain: list[Rows], together: bool, data: st.DataObject
) -> None:
    folded = shelved(plain) if together else [part for one in plain for part in shelved([one])]
    names = plain[0].table.schema.names
    columns = data.draw(st.none() | st.permutations(names).map(lambda names: names[:3]))
    places = [
        np.array(data.draw(st.lists(st.integers(0, len(part.numbers) - 1), unique=True)), dtype=np.int64)
        for part in plain
    ]
    expected = pa.concat_tables(taken(zip(plain, places, strict=True), columns))
    found = pa.concat_tables(taken(zip(folded, places, strict=True), columns))
    assert found.schema == expected.schema
    assert found.combine_chunks() == expected.combine_chunks()
    for one, part in zip(plain, folded, strict=True):
        assert part.rows().table == one.table
        assert np.array_equal(part.numbers, one.numbers)
        assert np.array_equal(part.gone, one.gone)
        assert part.takes_back == one.takes_back


def test_what_follows_from_another_column_does_not_stand_in_memory() -> None:
    emails = ["ann.lee+shop@a.example", "bo@b.example"]
    row = {
        "content_no": 1,
        "gone": False,
        "name": "lee ann bo",
        "name_words": ["ann", "bo", "lee"],
        "emails": emails,
        "phones": None,
        "name_tokens": [MODEL[word] for word in ("ann", "bo", "lee")],
        "live_emails": emails,
        "live_phones": [],
        "live_email_names": ["annlee"],
    }
    rows = CompactRows(pa.Table.from_pylist([row, {**row, "name": "max"}], schema=SCHEMA))
    assert {name: len(found.values) for name, found in rows.exceptions.items()} == {
        "live_emails": 0,
        "live_phones": 0,
        "live_email_names": 0,
        "name": 1,
    }


def test_a_shelf_is_let_go_when_fewer_than_half_of_its_rows_are_still_there() -> None:
    row = dict.fromkeys(SCHEMA.names) | {
        "gone": False,
        "live_emails": [],
        "live_phones": [],
        "live_email_names": [],
    }
    parts = [
        Rows(pa.Table.from_pylist([{**row, "content_no": number} for number in numbers], schema=SCHEMA))
        for numbers in ([1, 2], [3, 4], [5])
    ]
    first, second, third = shelved(parts)
    assert not half_empty([first, second, third])
    assert not half_empty([first, third])
    assert half_empty([second]) == {id(second.shelf)}


def test_columns_with_few_values_take_a_byte_for_each_row() -> None:
    rows, row = 1_200, dict.fromkeys(SCHEMA.names) | {"gone": False}
    cities, countries = (
        [f"{name} {number}" for number in range(count)] for name, count in (("c", 300), ("l", 9))
    )
    schema = SCHEMA.append(pa.field("country", pa.string()))
    told = [
        {**row, "content_no": number, "city": cities[number % 300], "country": countries[number % 9]}
        for number in range(rows)
    ]
    folded = CompactRows(pa.Table.from_pylist(told, schema=schema))
    found = folded.taken(np.array([1_199, 0]), {"city", "country"})
    assert {name: column.to_pylist() for name, column in found.items()} == {
        "city": ["c 299", "c 0"],
        "country": ["l 2", "l 0"],
    }
    assert next((each.byte_codes.nbytes, each.codes.nbytes) for each in folded._often) == (rows, 2 * rows)
