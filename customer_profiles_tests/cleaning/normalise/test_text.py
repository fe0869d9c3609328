from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.cleaning.normalise.text import key, text
from customer_profiles.cleaning.reasons import Reason


def test_text_has_one_unicode_form_and_single_spaces() -> None:
    assert text("  a\u00a0 b\tc\u200b ") == "a b c"
    assert text("ﬁve") == "five"


def test_a_key_is_kept_letter_by_letter() -> None:
    assert key(" aB-01 ") == "aB-01"
    assert key("ﬁve") == "ﬁve"
    assert key("null") == "null"
    assert key(17) == "17"
    assert key(UUID(int=1)) == "00000000-0000-0000-0000-000000000001"
    assert key("  ") is None
    assert key(True) is Reason.WRONG_TYPE
    assert key(1.5) is Reason.WRONG_TYPE


def test_bytes_are_text_when_they_are_utf8() -> None:
    assert text("é".encode()) == "é"
    assert text(b"\xff") is Reason.BAD_ENCODING


@given(st.text())
def test_clean_text_stays_as_it_is(written: str) -> None:
    for normalise in (text, key):
        clean = normalise(written)
        if isinstance(clean, str):
            assert normalise(clean) == clean
