import pytest
from hypothesis import given
from hypothesis import strategies as st

from customer_profiles.cleaning.normalise.name import name
from customer_profiles.cleaning.reasons import Reason


@pytest.mark.parametrize(
    ("written", "clean"),
    [
        ("  Anna   LEE ", "Anna Lee"),
        ("ANNA LEE", "Anna Lee"),
        ("anna lee", "Anna Lee"),
        ("Dr. Anna Lee, PhD", "Anna Lee"),
        ("Mr. & Mrs. Lee", "Lee"),
        ("LEE, ANNA", "Anna Lee"),
        ("o’neill", "O'Neill"),
        ("JEAN-LUC", "Jean-Luc"),
        ("McDonald", "McDonald"),
        ("van der Berg", "van der Berg"),
        ("ANDRÉ", "André"),
        ("Ａｎｎａ", "Anna"),
        ("Prof Dr Anna Lee Jr.", "Anna Lee"),
        ("Sir", "Sir"),
        ("J.", "J."),
    ],
)
def test_a_name_has_one_form(written: str, clean: str) -> None:
    assert name(written) == clean


@pytest.mark.parametrize("nobody", [None, "", "n/a", "Unknown", "TEST", "...", "12345", "-"])
def test_what_names_nobody_is_nothing(nobody: str | None) -> None:
    assert name(nobody) is None


def test_accents_stay() -> None:
    assert name("zoë ångström") == "Zoë Ångström"


def test_an_object_is_of_the_wrong_type() -> None:
    assert name({"value": ["?"]}) is Reason.WRONG_TYPE


@given(st.text(max_size=40))
def test_a_clean_name_stays_as_it_is(written: str) -> None:
    clean = name(written)
    if isinstance(clean, str):
        assert name(clean) == clean


@given(
    st.lists(
        st.sampled_from(["Dr", "Mr.", "anna", "LEE", "o'neill", "jr", "PhD", "de", "-", ",", "x."]),
        max_size=6,
    )
)
def test_titles_in_any_order_leave_a_name_that_stays(words: list[str]) -> None:
    clean = name(" ".join(words))
    if isinstance(clean, str):
        assert name(clean) == clean
