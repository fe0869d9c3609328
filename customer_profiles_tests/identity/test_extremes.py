"""Records as no form should let them through, and crowds: bounded, and streaming still equals rebuilding."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from customer_profiles.identity.checks import hub_shares
from customer_profiles.identity.evaluation.verify import verify_all
from customer_profiles.identity.model.bundle import BundleError, shipped_priors
from customer_profiles.identity.model.models import ModelError, promote
from customer_profiles.identity.model.training_job import train_if_needed
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.identity.tables import model
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles_tests.identity.histories import FACTS, GRAPH, rows_of
from customer_profiles_tests.identity.made import (
    customers_of,
    founders_of,
    partition_of,
    resolve,
    resolve_by,
    settings_with,
    take_in,
)

ANNA = {"given_name": "anna", "family_name": "lindqvist", "birth_date": "1971-03-05"}
BORIS = {"given_name": "boris", "family_name": "okafor", "birth_date": "1988-12-24"}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_with(tmp_path)


def assert_as_rebuilt(state: State, settings: Settings) -> None:
    with state.reading() as connection:
        found = verify_all(connection, settings.identity, lambda *_: None)
    assert found.holds, found.differences


EXTREMES: dict[str, dict[str, Any]] = {
    "empty": {},
    "200 emails": {**ANNA, "emails": [f"anna{n}@example.com" for n in range(200)]},
    "a long name": {"given_name": "anna " * 2_000, "family_name": "x" * 10_000},
}


@pytest.mark.parametrize("extreme", EXTREMES)
def test_an_extreme_record_is_taken_in_like_any_other_and_changes_nobody_else(
    state: State, settings: Settings, extreme: str
) -> None:
    stage = ResolveStage(state, settings)
    take_in(state, [("anna", {**ANNA, "emails": ["anna3@example.com"]}), ("boris", BORIS)])
    resolve_by(stage)
    take_in(state, [("x", EXTREMES[extreme]), ("y", EXTREMES[extreme])], 2_000_000)
    resolve_by(stage)
    assert_as_rebuilt(state, settings)
    found = partition_of(customers_of(state))
    assert frozenset({"boris"}) in found
    if extreme == "empty":  # nothing in common is no ground to be one person
        assert {frozenset({"x"}), frozenset({"y"}), frozenset({"anna"})} < found
    if extreme == "200 emails":
        assert frozenset({"anna", "x", "y"}) in found
    take_in(state, [("x", None)], 3_000_000)
    resolve_by(stage)
    assert_as_rebuilt(state, settings)


@pytest.mark.slow
def test_a_thousand_copies_of_a_record_are_one_customer_with_few_edges(
    state: State, settings: Settings
) -> None:
    stage = ResolveStage(state, settings)
    copy = {**ANNA, "emails": ["anna@example.com"]}
    take_in(state, [("r0", copy), ("r1", BORIS)])
    resolve_by(stage)
    take_in(state, [(f"c{n}", copy) for n in range(1_000)], 2_000_000)
    result = resolve_by(stage)
    assert result.facts["edges_written"] < 1_100
    assert len(set(customers_of(state).values())) == 2
    assert_as_rebuilt(state, settings)


def test_a_record_that_moves_between_two_customers_and_back_leaves_no_trace(
    state: State, settings: Settings
) -> None:
    anna, boris = {**ANNA, "emails": ["anna@example.com"]}, {**BORIS, "emails": ["boris@example.com"]}
    stage = ResolveStage(state, settings)
    take_in(state, [("a", anna), ("b", boris), ("moves", anna)])
    resolve_by(stage)
    before = rows_of(state, GRAPH)
    for at, fields, customer in ((2, boris, "b"), (3, anna, "a"), (4, boris, "b"), (5, anna, "a")):
        take_in(state, [("moves", fields)], at * 1_000_000)
        resolve_by(stage)
        assert founders_of(state)["moves"] == (customer, 1)
        assert_as_rebuilt(state, settings)
    assert rows_of(state, GRAPH) == before


def test_a_hub_that_appears_after_its_merge_splits_it_and_going_again_restores_it(
    state: State, settings: Settings
) -> None:
    shared = {"phones": ["+441632960001"]}
    cap = settings.identity.identifiers["phone"].cap
    stage = ResolveStage(state, settings)
    take_in(state, [("a", {"given_name": "anna", **shared}), ("b", {"family_name": "okafor", **shared})])
    resolve_by(stage)
    merged = rows_of(state, GRAPH)
    assert founders_of(state) == {"a": ("a", 1), "b": ("a", 1)}

    crowd = [f"c{n}" for n in range(cap)]
    take_in(state, [(key, {"city": f"town {key}", **shared}) for key in crowd], 2_000_000)
    resolve_by(stage)
    assert founders_of(state) == {key: (key, 1) for key in ("a", "b", *crowd)}
    assert_as_rebuilt(state, settings)

    take_in(state, [(key, None) for key in crowd], 3_000_000)
    resolve_by(stage)
    assert rows_of(state, GRAPH) == merged
    assert founders_of(state) == {"a": ("a", 1), "b": ("a", 1)}


@pytest.mark.slow
def test_five_thousand_records_that_share_a_phone_cost_what_their_number_costs_and_are_told(
    state: State, settings: Settings
) -> None:
    shared = {"phones": ["+441632960001"]}
    stage = ResolveStage(state, settings)
    take_in(state, [("r0", ANNA)])
    resolve_by(stage)
    for batch in range(5):  # by region: each batch meets all that came before
        numbers = range(batch * 1_000, (batch + 1) * 1_000)
        crowd = [(f"c{n}", {"given_name": f"g{n}", "family_name": f"f{n}", **shared}) for n in numbers]
        take_in(state, crowd, (batch + 2) * 1_000_000)
        before = stage.rows_read
        tracemalloc.start()
        result = resolve_by(stage)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert stage.rows_read - before < 30_000  # no pair of all five thousand is looked at
        assert int(result.facts.get("candidates", 0)) < 10_000
        assert peak < 200_000_000
    assert len(set(customers_of(state).values())) == 5_001
    with state.reading() as connection:
        [phones] = [one for one in hub_shares(connection, settings.identity) if one.kind == "phone"]
    assert (phones.hubs, phones.most_holders) == (1, 5_000)
    assert_as_rebuilt(state, settings)


@pytest.mark.parametrize("damage", ["damaged", "empty", "of another Splink"])
def test_a_batch_whose_bundle_cannot_be_used_says_so_and_leaves_the_state_as_it_was(
    state: State, settings: Settings, damage: str
) -> None:
    bundle = shipped_priors()
    with state.writing() as connection:
        promote(connection, bundle, 1)
    take_in(state, [("a", ANNA), ("b", BORIS)])
    resolve(state, settings)
    content = {
        "damaged": bundle.to_bytes()[:-40],
        "empty": b"",
        "of another Splink": replace(bundle, splink_version="4.0.16").to_bytes(),
    }[damage]
    with state.writing() as connection:
        connection.execute(model.update().values(bundle=content))
    take_in(state, [("c", ANNA), ("b", None)], 2_000_000)
    everything = (*FACTS, *GRAPH, "cursor", "ledger", "customer", "identity_event", "index_run")
    before = rows_of(state, everything)

    said = "made for Splink 4.0.16" if damage == "of another Splink" else "cannot be read"
    with pytest.raises(BundleError, match=said):
        resolve(state, settings)
    assert rows_of(state, everything) == before

    with state.writing() as connection:
        connection.execute(sa.update(model).values(bundle=bundle.to_bytes()))
    resolve(state, settings)
    assert_as_rebuilt(state, settings)


@pytest.mark.parametrize("anew", [False, True])
def test_a_model_in_use_that_is_lost_is_missed_and_the_priors_do_not_serve_in_its_place(
    state: State, settings: Settings, anew: bool
) -> None:
    with state.writing() as connection:
        promote(connection, shipped_priors(), 1)
    take_in(state, [("a", ANNA), ("b", BORIS)])
    resolve(state, settings)
    with state.writing() as connection:
        lost = connection.execute(sa.select(model)).one()
        connection.execute(model.delete())
    take_in(state, [("c", ANNA), ("b", None)], 2_000_000)
    everything = (*FACTS, *GRAPH, "cursor", "ledger", "customer", "identity_event", "index_run")
    before = rows_of(state, everything)
    changed = settings_with(settings.folder, blocking_cap=20) if anew else settings

    with pytest.raises(ModelError, match="model 1 is in use, but is not in the state"):
        resolve(state, changed)
    assert rows_of(state, everything) == before
    assert train_if_needed(state, settings).version == "1"

    with state.writing() as connection:
        connection.execute(model.insert().values(**lost._mapping))
    resolve(state, changed)
    assert_as_rebuilt(state, changed)
