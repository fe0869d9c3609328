"""The priors that ship with the package."""

import pytest

from customer_profiles.identity.edges.comparisons import (
    BIRTH_DATE,
    EMAILS,
    LOCATION,
    NAME,
    PHONES,
    FieldComparison,
)
from customer_profiles.identity.model.bundle import Origin, shipped_priors


@pytest.mark.parametrize(
    "comparison", [NAME, BIRTH_DATE, LOCATION, EMAILS, PHONES], ids=lambda comparison: comparison.name
)
def test_the_priors_know_every_level_as_it_is_today(comparison: FieldComparison) -> None:
    known = {entry["output_column_name"]: entry for entry in shipped_priors().model["comparisons"]}

    labels = [level["label_for_charts"] for level in known[comparison.name]["comparison_levels"][1:]]

    assert labels == [*[level.label for level in comparison.levels], "different"], (
        "make the priors again: python -m customer_profiles.identity.model.priors.build"
    )


def test_the_priors_say_that_they_are_priors_and_forbid_conflicts() -> None:
    priors = shipped_priors()

    assert priors.conflict_veto
    assert priors.origin in set(Origin)
