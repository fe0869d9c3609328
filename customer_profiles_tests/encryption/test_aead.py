"""Sealed values open with their own key, at their own place, unchanged, and not otherwise."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.encryption.aead import Aead
from customer_profiles.encryption.errors import SealBroken

KEY = bytes(range(32))


@given(plain=st.binary(max_size=300), context=st.text(st.characters(codec="utf-8"), max_size=30))
def test_what_was_sealed_opens(plain: bytes, context: str) -> None:
    assert Aead(KEY).open(Aead(KEY).seal(plain, context), context) == plain


def test_the_sealed_value_does_not_show_the_plain_one_and_never_repeats() -> None:
    one, two = (Aead(KEY).seal(b"ada@example.com", "quarantine/1") for _ in range(2))
    assert b"ada" not in one
    assert one != two


def test_every_changed_bit_is_refused() -> None:
    sealed = Aead(KEY).seal(b"value", "quarantine/1")
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(SealBroken):
            Aead(KEY).open(bytes(changed), "quarantine/1")


@pytest.mark.parametrize("length", range(30))
def test_a_cut_value_is_refused(length: int) -> None:
    with pytest.raises(SealBroken):
        Aead(KEY).open(Aead(KEY).seal(b"a longer value", "quarantine/1")[:length], "quarantine/1")


def test_a_value_moved_to_another_place_is_refused() -> None:
    with pytest.raises(SealBroken, match="quarantine/2"):
        Aead(KEY).open(Aead(KEY).seal(b"value", "quarantine/1"), "quarantine/2")


def test_another_key_is_refused_without_telling_anything_of_the_value() -> None:
    sealed = Aead(KEY).seal(b"ada@example.com", "quarantine/1")
    with pytest.raises(SealBroken) as told:
        Aead(os.urandom(32)).open(sealed, "quarantine/1")
    assert "ada" not in str(told.value)


def test_a_short_key_is_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        Aead(b"short")
