from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.cleaning.normalise.money import currency, decimals_scale, minor_units
from customer_profiles.cleaning.reasons import Reason


@pytest.mark.parametrize("written", ["12.50", 12.5, Decimal("12.50"), "£12.50", " 12.5 ", "+12.50"])
def test_pounds_become_pence_exactly(written: object) -> None:
    assert minor_units(written, 100) == 1250


def test_thousands_may_be_grouped() -> None:
    assert minor_units("1,234,567.89", 100) == 123_456_789


def test_a_float_means_what_it_is_written_as() -> None:
    assert minor_units(1.1, 100) == 110
    assert minor_units(4.35, 100) == 435


def test_part_of_a_penny_is_never_rounded_away() -> None:
    assert minor_units("12.345", 100) is Reason.BAD_AMOUNT
    assert minor_units("12.5") is Reason.BAD_AMOUNT


@pytest.mark.parametrize("wrong", ["twelve pounds", "1,23", "1.2.3", "--1"])
def test_words_are_no_amount(wrong: str) -> None:
    assert minor_units(wrong, 100) is Reason.BAD_AMOUNT


@pytest.mark.parametrize("wrong", [True, ["1"], {"value": 1}])
def test_what_is_no_number_is_of_the_wrong_type(wrong: object) -> None:
    assert minor_units(wrong) is Reason.WRONG_TYPE


@pytest.mark.parametrize("wrong", ["NaN", "Infinity", "1e400", float("inf"), 10**40])
def test_an_amount_beyond_all_measure_says_so(wrong: object) -> None:
    assert minor_units(wrong, 100) is Reason.BAD_AMOUNT


def test_a_currency_says_how_many_minor_units_it_has() -> None:
    assert [decimals_scale(code) for code in ("GBP", "JPY", "KWD")] == [100, 1, 1000]


def test_currencies_are_known_by_code_or_sign() -> None:
    assert [currency(written) for written in ("gbp", "£", " EUR ")] == ["GBP", "GBP", "EUR"]
    assert currency("XXQ") is Reason.BAD_CURRENCY


@given(st.integers(-(10**12), 10**12), st.sampled_from([1, 100, 1000]))
def test_every_amount_comes_back_exactly(units: int, scale: int) -> None:
    assert minor_units(Decimal(units) / scale, scale) == units
    assert minor_units(str(Decimal(units) / scale), scale) == units
    assert minor_units(units) == units
