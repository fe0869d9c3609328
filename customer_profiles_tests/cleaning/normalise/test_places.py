import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.cleaning.normalise.country import country
from customer_profiles.cleaning.normalise.language import language
from customer_profiles.cleaning.normalise.postcode import postcode
from customer_profiles.cleaning.reasons import Reason


@pytest.mark.parametrize(
    ("written", "clean"),
    [("sw1a1aa", "SW1A 1AA"), (" M1  1ae ", "M1 1AE"), ("EC1-A1BB", "EC1A 1BB"), ("GIR0AA", "GIR 0AA")],
)
def test_a_british_postcode_has_its_canonical_form(written: str, clean: str) -> None:
    assert postcode(written, "GB") == postcode(written) == clean


def test_a_postcode_of_another_country_is_only_tidied() -> None:
    assert postcode(" 1011 ab ", "NL") == "1011 AB"
    assert postcode(10115, "DE") == "10115"
    assert postcode("k1a 0b1", "CA") == "K1A 0B1"


@given(st.text(max_size=20), st.sampled_from([None, "GB", "FR"]))
def test_a_clean_postcode_stays_as_it_is(written: str, of: str | None) -> None:
    clean = postcode(written, of)
    if isinstance(clean, str):
        assert postcode(clean, of) == clean


@pytest.mark.parametrize(
    "written", ["GB", "uk", "United Kingdom", "GREAT BRITAIN", "gbr", "Royaume-Uni", "U.K.", "England"]
)
def test_a_country_is_known_by_its_names(written: str) -> None:
    assert country(written) == "GB"


def test_an_unknown_country_says_so() -> None:
    assert country("Atlantis") is Reason.BAD_COUNTRY
    assert country("XX") is Reason.BAD_COUNTRY


@given(st.text(max_size=20))
def test_a_clean_country_stays_as_it_is(written: str) -> None:
    clean = country(written)
    if isinstance(clean, str):
        assert country(clean) == clean


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("EN", "en"),
        ("en_gb", "en-GB"),
        ("en_GB.UTF-8", "en-GB"),
        ("zh-hant-tw", "zh-Hant-TW"),
        ("Welsh", "cy"),
    ],
)
def test_a_language_is_a_tag(written: str, clean: str) -> None:
    assert language(written) == clean


@given(st.text(max_size=20))
def test_a_clean_language_stays_as_it_is(written: str) -> None:
    clean = language(written)
    if isinstance(clean, str):
        assert language(clean) == clean
