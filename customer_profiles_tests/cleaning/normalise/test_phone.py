import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customer_profiles.cleaning.normalise.phone import parsed_by_library, phone
from customer_profiles.cleaning.reasons import Reason

WRITTEN = st.one_of(
    st.from_regex(r"(\+44|0044|0|00|\+49|\+1|)[ (]?[0-9]{1,5}[) -]?[0-9]{3,8}", fullmatch=True),
    st.from_regex(r"(\+44 ?\(0\)|07|\+447|01|02|03|08)[0-9 ]{8,11}", fullmatch=True),
    st.text(alphabet="0123456789+ -().x/", max_size=18),
)


@pytest.mark.parametrize(
    ("written", "region", "clean"),
    [
        ("07810 123456", "GB", "+447810123456"),
        ("(0)7810-123.456", "GB", "+447810123456"),
        ("+44 (0) 7810 123456", "GB", "+447810123456"),
        ("0044 7810 123456", "GB", "+447810123456"),
        (7810123456, "GB", "+447810123456"),
        ("020 7946 0018", "GB", "+442079460018"),
        ("(212) 736-5000", "US", "+12127365000"),
        ("030 2270", "DE", "+49302270"),
        ("+33 1 42 68 53 00", "GB", "+33142685300"),
    ],
)
def test_a_number_is_read_by_the_sources_region(written: str | int, region: str, clean: str) -> None:
    assert phone(written, region) == clean


@pytest.mark.parametrize("wrong", ["12", "call me", "07810 12345", "+44 99999999999", "0000000000"])
def test_a_number_that_cannot_be_says_so(wrong: str) -> None:
    assert phone(wrong, "GB") is Reason.BAD_PHONE


def test_nothing_is_nothing_and_a_mapping_is_of_the_wrong_type() -> None:
    assert phone("", "GB") is None
    assert phone({"mobile": "07810 123456"}, "GB") is Reason.WRONG_TYPE


def test_without_a_region_only_international_numbers_are_understood() -> None:
    assert phone("+447810123456", "ZZ") == "+447810123456"
    assert phone("07810 123456", "ZZ") is Reason.BAD_PHONE


@settings(max_examples=400)
@given(WRITTEN, st.sampled_from(["GB", "DE", "FR", "US", "IT", "NL", "ZZ"]))
def test_the_short_way_gives_what_the_library_gives(written: str, region: str) -> None:
    clean = phone(written, region)
    if clean is not None:
        assert clean == parsed_by_library(" ".join(written.split()), region)


@given(WRITTEN)
def test_a_clean_number_stays_as_it_is_in_every_region(written: str) -> None:
    clean = phone(written, "GB")
    if isinstance(clean, str):
        assert phone(clean, "GB") == phone(clean, "US") == clean
