"""What an address says about where two records live, however it was written down."""

from __future__ import annotations

import pyarrow as pa

from customer_profiles.identity.edges.edges import find_edges
from customer_profiles.identity.model.bundle import shipped_priors
from customer_profiles.settings import IdentitySettings


def weight(one: str | None, other: str | None) -> int:
    """The weight of two records of one name and one town, with these addresses."""
    records = pa.table(
        {
            "record_no": [1, 2],
            "full_name": ["Quentin Abernathy", "Quentin Abernathy"],
            "city": ["Ludlow", "Ludlow"],
            "address_line": pa.array([one, other], pa.string()),
        }
    )
    (found,) = find_edges(records, shipped_priors(), IdentitySettings()).pairs.weight.tolist()
    return int(found)


def test_the_lines_of_an_address_may_come_in_another_order() -> None:
    same = weight("4 Mill Lane Rosebery", "4 Mill Lane Rosebery")

    assert weight("4 Mill Lane Rosebery", "4 Rosebery Mill Lane") == same
    assert weight("4 Mill Lane Rosebery", "9 Castle Street") < same


def test_a_house_number_without_a_street_is_no_address() -> None:
    assert weight("13", "13 Mill Lane") == weight(None, "13 Mill Lane")
