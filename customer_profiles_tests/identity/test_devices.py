"""Devices as evidence: a pair that shares one weighs more, and batches do not matter to it."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa

from customer_profiles.identity.edges.edges import find_edges
from customer_profiles.identity.graph.records import identity_records
from customer_profiles.identity.model.models import promote
from customer_profiles.identity.model.training import train
from customer_profiles.settings import Comparison, IdentitySettings
from customer_profiles.state.engine import State
from customer_profiles.state.generations import begin_generation
from customer_profiles_tests.identity.made import founders_of, resolve, settings_with, take_in

ALL_EDGES = {"edge_threshold": -100.0, "review_floor": -100.0}
COMPARED = IdentitySettings.model_validate(ALL_EDGES)
NOT_COMPARED = COMPARED.model_copy(
    update={"comparisons": tuple(one for one in Comparison if one is not Comparison.DEVICES)}
)


def seen_with(*devices: str) -> list[dict[str, str]]:
    return [{"kind": "device_id", "value": device} for device in devices]


def weight(one: str, other: str, settings: IdentitySettings) -> int:
    """The weight of two records of one name and city, seen with these devices; there is somebody else too."""
    records = pa.table(
        {
            "record_no": [1, 2, 3],
            "full_name": ["Quentin Abernathy", "Quentin Abernathy", "Ruth Lindqvist"],
            "city": ["Ludlow", "Ludlow", "Leeds"],
            "identifiers": [seen_with("d1", one), seen_with("d2", other), seen_with("d5")],
        }
    )
    pairs = find_edges(records, train(records, settings, 1), settings).pairs
    ((found, left, right),) = zip(pairs.weight, pairs.left, pairs.right, strict=True)
    assert (left, right) == (1, 2)
    return int(found)


def test_a_pair_that_shares_a_device_weighs_more_than_one_that_shares_none() -> None:
    alone = weight("d3", "d4", NOT_COMPARED)

    assert weight("d3", "d3", NOT_COMPARED) == alone
    assert weight("d3", "d4", COMPARED) < alone < weight("d3", "d3", COMPARED)


@pytest.mark.slow
def test_devices_one_by_one_and_all_at_once_give_the_same_graph(state: State, tmp_path: Path) -> None:
    settings = settings_with(tmp_path, identifiers={"device_id": {"cap": 3}}, blocking_cap=6)
    chance = random.Random(7)

    def someone() -> dict[str, Any]:
        devices = chance.sample("defghi", chance.randint(1, 2))
        name = {"given_name": chance.choice(["anna", "boris"]), "family_name": "lindqvist"}
        return {**name, "city": "leeds", "external_ids": {"device_id": devices}}

    take_in(state, [(f"r{n}", someone()) for n in range(8)])
    with state.writing() as connection:
        promote(connection, train(identity_records(connection), settings.identity, 1), 1)
    resolve(state, settings)
    for at in range(12):
        take_in(state, [(f"r{chance.randrange(10)}", someone())], at=(at + 2) * 1_000_000)
        resolve(state, settings)
    with state.writing() as connection:
        generation = begin_generation(connection)
    resolve(state, settings, generation)

    assert len(edges_of(state, 1)) > 5
    assert edges_of(state, generation) == edges_of(state, 1)
    assert founders_of(state, generation) == founders_of(state, 1)


def edges_of(state: State, generation: int) -> list[tuple[int, ...]]:
    """Every edge with its weight."""
    query = sa.text("SELECT left_no, right_no, weight FROM edge WHERE generation = :generation ORDER BY 1, 2")
    with state.reading() as connection:
        return [tuple(row) for row in connection.execute(query, {"generation": generation})]
