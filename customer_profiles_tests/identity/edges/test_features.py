"""What comparisons read of contents is the same however many of them are prepared at once."""

from __future__ import annotations

import pyarrow as pa
import pytest

from customer_profiles.identity.edges import frequencies
from customer_profiles.identity.edges.preparation import compared_lists, prepare
from customer_profiles.identity.edges.workbench import workbench
from customer_profiles.identity.model.bundle import shipped_priors
from customer_profiles.settings import IdentitySettings


def features() -> list[dict[str, object]]:
    records = pa.table(
        {
            "record_no": list(range(1, 8)),
            "full_name": ["Ann Lee", "Bo Lee", None, "Kate Fenn", "Bob Fenn", "Ann Lee", "Zoë Ash"],
            "city": ["Ludlow", "York", "York", None, "Leeds", "Ludlow", "York"],
            "emails": pa.array([["a@x.org"], None, ["b@x.org", "c@x.org"], None, [], ["a@x.org"], None]),
        }
    )
    priors = shipped_priors()
    with workbench() as bench:
        settings = IdentitySettings()
        prepare(bench, records, priors.extras, settings)
        frequencies.load_features(
            bench, priors.frequencies, priors.aliases, priors.rare_columns(), compared_lists(settings)
        )
        rows: list[dict[str, object]] = bench.arrow("select * from feature order by content_no").to_pylist()
        return rows


@pytest.mark.parametrize("at_once", [1, 2, 5])
def test_features_do_not_depend_on_how_many_are_made_at_once(
    at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    everything = features()
    assert len(everything) == 6  # two of the records say the same
    monkeypatch.setattr(frequencies, "CONTENTS_AT_ONCE", at_once)
    assert features() == everything
