"""Index rows that are kept folded say what they said, whichever of them are asked for."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.identity.edges.compact_rows import CompactRows
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
        "name_words": TEXTS,
        "city": pa.string(),
        "emails": TEXTS,
        "phones": TEXTS,
        "name_tokens": PRICED,
        "tf_city": pa.float64(),
        "live_emails": TEXTS,
        "live_phones": TEXTS,
    }
)

values = st.lists(st.sampled_from(["a", "b", "", "ü"]), max_size=3)


@st.composite
def contents(draw: st.DrawFn, content_no: int) -> dict[str, object]:
    words = draw(st.none() | st.lists(st.sampled_from(sorted(MODEL)), max_size=4))
    emails, phones = draw(st.none() | values), draw(st.none() | values)
    return {
        "content_no": content_no,
        "gone": draw(st.booleans()),
        "name_words": words,
        "city": draw(st.none() | st.sampled_from(["Leeds", "York"])),
        "emails": emails,
        "phones": phones,
        "name_tokens": None if words is None else [MODEL[word] for word in words],
        "tf_city": draw(st.none() | st.sampled_from([0.0, 0.25])),
        "live_emails": draw(st.just(emails or []) | values),
        "live_phones": draw(st.just(phones or []) | values),
    }


@st.composite
def tables(draw: st.DrawFn) -> pa.Table:
    rows = [draw(contents(number)) for number in range(draw(st.integers(1, 30)))]
    table = pa.Table.from_pylist(rows, schema=SCHEMA)
    left_out = draw(st.sets(st.sampled_from(SCHEMA.names[2:])))
    return table.drop_columns(sorted(left_out))


@given(tables(), st.data())
def test_what_is_taken_is_what_was_written(table: pa.Table, data: st.DataObject) -> None:
    places = np.array(
        data.draw(st.lists(st.integers(0, table.num_rows - 1), unique=True).map(sorted)), dtype=np.int64
    )
    columns = data.draw(st.none() | st.permutations(table.schema.names).map(lambda names: names[:3]))
    rows, folded = Rows(table), CompactRows(Rows(table))
    expected = rows.take(places, columns)
    found = folded.take(places, columns)
    assert found.schema == expected.schema
    assert found.combine_chunks() == expected.combine_chunks()
    assert folded.rows().table == table
    assert np.array_equal(folded.gone, rows.gone)
    assert np.array_equal(folded.numbers, rows.numbers)
    assert folded.takes_back == rows.takes_back
