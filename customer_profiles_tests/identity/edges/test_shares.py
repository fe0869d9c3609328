"""How rare a value is, looked up in what was frozen with the model."""

import pyarrow as pa
import pytest

from customer_profiles.identity.edges.frequencies import Frequencies, Shares

LARGE = 2**63 + 5


@pytest.fixture
def shares() -> Shares:
    values = {"field": ["city", "city", "name"], "fingerprint": [LARGE, 3, 3], "share": [0.25, 0.5, 0.125]}
    schema = pa.schema([("field", pa.string()), ("fingerprint", pa.uint64()), ("share", pa.float64())])
    aliases = pa.table({"token": ["kate", "kate", "bob"], "alias": ["katharine", "catherine", "robert"]})
    return Shares(Frequencies(pa.table(values, schema), {"city": 0.01, "name": 0.02}), aliases)


def of(shares: Shares, field: str, prints: list[int | None]) -> list[float | None]:
    told: list[float | None] = shares.of(field, pa.chunked_array([pa.array(prints, pa.uint64())])).to_pylist()
    return told


def test_a_listed_value_has_its_share_another_one_the_floor_and_no_value_none(shares: Shares) -> None:
    assert of(shares, "city", [3, LARGE, 4, None, 0]) == [0.5, 0.25, 0.01, None, 0.01]


def test_each_field_has_values_of_its_own(shares: Shares) -> None:
    assert of(shares, "name", [3, LARGE]) == [0.125, 0.02]


def test_a_field_that_was_never_counted_tells_nothing_apart(shares: Shares) -> None:
    assert of(shares, "postcode", [3]) == [1.0]


def test_nothing_is_asked_of_nobody(shares: Shares) -> None:
    assert of(shares, "city", []) == []


def test_each_word_of_a_name_has_its_aliases_in_order_and_no_name_none(shares: Shares) -> None:
    names = pa.array([["bob"], None, ["fenn", "kate"]])
    assert shares.aliases_of(names).to_pylist() == [[["robert"]], None, [[], ["catherine", "katharine"]]]
