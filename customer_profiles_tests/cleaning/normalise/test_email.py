import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.cleaning.normalise.email import email
from customer_profiles.cleaning.reasons import Reason


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("  Anna.LEE@Shop.EXAMPLE ", "anna.lee@shop.example"),
        ("a.n.n.a+news@gmail.com", "a.n.n.a+news@gmail.com"),
        ("Anna Lee <anna@shop.example>", "anna@shop.example"),
        ("mailto:anna@shop.example", "anna@shop.example"),
        ("ａｎｎａ@shop.example", "anna@shop.example"),
        ("anna\u200b@shop.example", "anna@shop.example"),
        ("JÜRGEN@MÜLLER.example", "jürgen@müller.example"),
    ],
)
def test_an_address_has_one_form(written: str, clean: str) -> None:
    assert email(written) == clean


@pytest.mark.parametrize("nothing", [None, "", "  ", "n/a", "NULL", "-"])
def test_words_for_nothing_are_nothing(nothing: str | None) -> None:
    assert email(nothing) is None


@pytest.mark.parametrize(
    "wrong",
    [
        "anna", "anna@", "@shop.example", "a b@shop.example", "anna@shop", "anna@@shop.example", "anna@shop..example",
        ".anna@shop.example", "anna.@shop.example", "anna@-shop.example", "a" * 250 + "@shop.example",
    ],
)  # fmt: skip
def test_what_is_no_address_says_so(wrong: str) -> None:
    assert email(wrong) is Reason.BAD_EMAIL


def test_a_list_is_of_the_wrong_type_and_lost_bytes_are_told() -> None:
    assert email(["anna@shop.example"]) is Reason.WRONG_TYPE
    assert email(b"anna\xff@shop.example") is Reason.BAD_ENCODING


@given(st.one_of(st.emails(), st.text()))
def test_a_clean_address_stays_as_it_is(written: str) -> None:
    clean = email(written)
    if isinstance(clean, str):
        assert email(clean) == clean
