"""A column that nobody maps gets the class of personal data that its name, or the form of its values, suggests."""

import pytest

from customer_profiles.catalog.classify import guess, worst
from customer_profiles.contracts.classes import DataClass


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("E-Mail", DataClass.CONTACT),
        ("mobilePhone", DataClass.CONTACT),
        ("context.traits.address.postalCode", DataClass.CONTACT),
        ("First Name", DataClass.IDENTIFIER),
        ("lastName", DataClass.IDENTIFIER),
        ("customer_id", DataClass.IDENTIFIER),
        ("messageId", DataClass.PSEUDONYM),
        ("dob", DataClass.DEMOGRAPHIC),
        ("country", DataClass.DEMOGRAPHIC),
        ("IBAN", DataClass.FINANCIAL),
        ("order_total", DataClass.FINANCIAL),
        ("health_notes", DataClass.SENSITIVE),
        ("passport", DataClass.SENSITIVE),
        ("last_seen", DataClass.BEHAVIOURAL),
        ("width", DataClass.NONE),
    ],
)
def test_a_name_suggests_a_class(name: str, found: DataClass) -> None:
    assert guess(name, False) is found


def test_values_that_look_like_addresses_count_for_more_than_a_harmless_name() -> None:
    assert guess("width", True) is DataClass.CONTACT


def test_a_column_of_several_fields_has_the_most_harmful_of_their_classes() -> None:
    assert worst([DataClass.NONE, DataClass.SENSITIVE, DataClass.CONTACT]) is DataClass.SENSITIVE
    assert worst([]) is DataClass.NONE
