"""Masked values: comparable by eye, and nobody can be read off them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.identity.stewardship.masking import COMPARED_FIELDS, MaskingError, Sight, mask


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("emails", ["anna.k@example.co.uk", "b@example.com"], "a•••@e•••.uk, •••@e•••.com"),
        ("phones", ["+441632960001"], "+44•••01"),
        ("given_name", "Anna Maria", "A••• M•••"),
        ("given_name", "Jo", "•••"),
        ("birth_date", "1971-03-05", "1971-••-••"),
        ("birth_date", "5 March 71", "•••"),
        ("postcode", "LS1 4AP", "LS1•••"),
        ("country", "GB", "GB"),
        ("external_ids", {"user_id": ["u-1700"], "device_id": ["9f"]}, "device_id=•••, user_id=u•••"),
        ("extra", {"phone_of_partner": "+441632960002"}, "phone_of_partner=+44•••02"),
        ("family_name", None, ""),
        ("emails", [], ""),
    ],
)
def test_a_masked_value_keeps_just_enough_to_compare(field: str, value: object, shown: str) -> None:
    assert Sight().of(field, value) == shown


@given(st.sampled_from(COMPARED_FIELDS), st.text(st.characters(categories=["L", "N"]), min_size=3))
def test_no_value_longer_than_two_letters_is_shown_whole(field: str, value: str) -> None:
    if field not in ("country", "region"):
        assert value not in mask(field, value)


def test_values_in_clear_need_a_reason() -> None:
    with pytest.raises(MaskingError, match="--reason"):
        Sight.asked(True, None)
    with pytest.raises(MaskingError):
        Sight.asked(True, "  ")
    assert Sight.asked(True, "ticket 4711").of("given_name", "Anna") == "Anna"
    assert not Sight.asked(False, "ticket 4711").clear
