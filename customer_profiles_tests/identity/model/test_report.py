"""What is told of a model: levels, drift, records that say too little; and no value of a person."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from customer_profiles.identity.graph.records import identity_records
from customer_profiles.identity.model.bundle import BundleError, ModelBundle, shipped_priors
from customer_profiles.identity.model.drift import (
    level_shifts,
    levels_of,
    population_stability,
    stability_in_words,
)
from customer_profiles.identity.model.models import (
    ModelError,
    model_in_use,
    on_trial,
    promoted_version,
    put_in_use,
    read_model,
    store_candidate,
    stored_models,
    version_before,
)
from customer_profiles.identity.model.report import model_report, unlinkables
from customer_profiles.identity.model.report_page import report_page
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.engine import State
from customer_profiles_tests.identity.made import resolve, settings_with, take_in

TELLING = {
    "given_name": "anneliese",
    "family_name": "thornbury",
    "birth_date": "1971-03-05",
    "postcode": "YO10 5DD",
    "emails": ["anneliese@example.com"],
}


def records_of(state: State) -> pa.Table:
    with state.reading() as connection:
        return identity_records(connection)


def with_u(bundle: ModelBundle, times: float) -> ModelBundle:
    """The first level that says anything, so many times likelier among strangers."""
    model = {**bundle.model, "comparisons": [dict(one) for one in bundle.model["comparisons"]]}
    first = model["comparisons"][0]
    levels = [dict(level) for level in first["comparison_levels"]]
    place = next(i for i, level in enumerate(levels) if not level.get("is_null_level"))
    levels[place]["u_probability"] *= times
    first["comparison_levels"] = levels
    return replace(bundle, model=model)


def test_a_level_that_became_likelier_among_strangers_weighs_so_many_bits_less() -> None:
    priors = shipped_priors()

    first, *others = level_shifts(with_u(priors, 8), priors)

    assert (first.comparison, first.level) == (levels_of(priors)[0].comparison, levels_of(priors)[0].level)
    assert (round(first.shift, 9), round(first.u_shift, 9), first.m_shift) == (-3, 3, 0)
    assert {one.shift for one in others} == {0}


def test_distributions_that_are_alike_are_stable_and_those_that_are_not_are_said_to_have_moved() -> None:
    assert population_stability([10, 20, 70], [100, 200, 700]) == pytest.approx(0)
    assert population_stability([50, 50], [60, 40]) == pytest.approx(
        0.1 * math.log(1.2) + -0.1 * math.log(0.8)
    )
    assert stability_in_words(population_stability([10, 90], [90, 10])).startswith("moved: look")
    assert population_stability([0, 0], [0, 0]) == 0


def test_a_record_that_says_nothing_cannot_be_linked_and_one_that_says_much_can(state: State) -> None:
    take_in(state, [("a", TELLING), ("b", {"language": "de"}), ("c", {"given_name": "j"})])

    found = unlinkables(records_of(state), shipped_priors(), IdentitySettings())

    assert (found.records, found.unlinkable) == (3, 2)


def test_a_report_shows_no_value_of_a_person_and_stands_by_itself(state: State, tmp_path: Path) -> None:
    settings = settings_with(tmp_path)
    take_in(state, [("a", TELLING), ("b", {**TELLING, "emails": ["other@example.com"]})])
    resolve(state, settings)
    with state.writing() as connection:
        store_candidate(connection, with_u(shipped_priors(), 8), 1)

    with state.reading() as connection:
        report = model_report(connection, 1, settings.identity)
    page = report_page(report)

    assert report.measured is not None
    assert report.drift is not None
    assert report.drift.against == 0
    assert sum(report.measured.scores) == 1
    assert "<svg" in page
    assert not [said for said in ("http://", "https://", "src=", "<script") if said in page.replace(_SVG, "")]
    assert not [
        value for value in ("anneliese", "thornbury", "1971", "yo10", "other@") if value in page.lower()
    ]
    assert "anneliese" not in repr(report).lower()


_SVG = "http://www.w3.org/2000/svg"


def test_versions_are_candidates_until_they_are_put_in_use_and_retired_by_the_next(state: State) -> None:
    with state.writing() as connection:
        for at in (1, 2):
            store_candidate(connection, shipped_priors(), at)
        assert (promoted_version(connection), version_before(connection)) == (0, None)
        put_in_use(connection, 1, 10)
        assert (promoted_version(connection), version_before(connection)) == (1, 0)
        put_in_use(connection, 2, 20, 5)
        assert (promoted_version(connection), version_before(connection)) == (2, 1)
        put_in_use(connection, 1, 30, 6)
        assert version_before(connection) == 2
        found = [(one.version, one.status, one.promoted_at) for one in stored_models(connection)]

    assert found == [(2, "retired", 20), (1, "promoted", 30)]


def test_a_model_on_trial_is_seen_by_its_own_connection_alone(state: State) -> None:
    with state.writing() as connection:
        store_candidate(connection, shipped_priors(), 1)

    with state.reading() as trial, state.reading() as other:
        on_trial(trial, 1)
        assert (promoted_version(trial), model_in_use(trial).version) == (1, 1)
        assert promoted_version(other) == 0
    with state.reading() as later:
        assert promoted_version(later) == 0


def test_a_version_that_is_not_there_is_named(state: State) -> None:
    with state.reading() as connection, pytest.raises(ModelError, match="no identity model 3"):
        read_model(connection, 3)


def test_wherever_a_bundle_is_damaged_it_is_refused_or_reads_the_same() -> None:
    content = shipped_priors().to_bytes()
    whole = ModelBundle.from_bytes(content).to_bytes()
    step = len(content) // 400

    for place in (*range(0, len(content), step), *range(len(content) - 200, len(content))):
        damaged = bytearray(content)
        damaged[place] ^= 0x55
        try:
            read = ModelBundle.from_bytes(bytes(damaged))
        except BundleError:
            continue
        assert read.to_bytes() == whole, place


def test_a_bundle_reads_back_byte_for_byte() -> None:
    content = shipped_priors().to_bytes()

    assert ModelBundle.from_bytes(content).to_bytes() == content
