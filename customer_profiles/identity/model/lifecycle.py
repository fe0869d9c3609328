"""Trains candidates. A candidate changes nothing until it is promoted, which `pipeline/model_promotion.py` does."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from customer_profiles.identity.graph.records import identity_records
from customer_profiles.identity.model.bundle import ModelBundle, Origin
from customer_profiles.identity.model.models import ModelError, store_candidate
from customer_profiles.identity.model.training import train
from customer_profiles.settings import Settings
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.engine import State


@dataclass(frozen=True)
class TrainedCandidate:
    """A model that was trained and stored as a candidate.

    Attributes:
        version: Its number.
        records: How many records it was trained on.
        seed: The seed of the random pairs.
        seconds: How long training took.
        metrics: What training measured.
    """

    version: int
    records: int
    seed: int
    seconds: float
    metrics: Mapping[str, float]


def train_candidate(
    state: State,
    settings: Settings,
    seed: int | None = None,
    now: Callable[[], int] = lambda: time.time_ns() // 1000,
) -> TrainedCandidate:
    """Train a model on all live records and store it as a candidate.

    Args:
        state: The open state.
        settings: `identity.training` says how many records are enough, and the seed.
        seed: Another seed.
        now: The clock (micros).

    Raises:
        ModelError: There are too few records to learn from.
    """
    seed = settings.identity.training.seed if seed is None else seed
    with state.reading() as connection:
        records = identity_records(connection)
    started = time.monotonic()
    bundle = reproducible_bundle(records, settings.identity, seed)
    seconds = round(time.monotonic() - started, 3)
    metrics = {**bundle.metrics, "seconds": seconds}
    with state.writing() as connection:
        version = store_candidate(connection, bundle, now(), metrics)
    return TrainedCandidate(version, records.num_rows, seed, seconds, metrics)


def reproducible_bundle(records: pa.Table, settings: IdentitySettings, seed: int) -> ModelBundle:
    """Train a bundle whose bytes are a function of records, settings and seed: it keeps no clock.

    Raises:
        ModelError: There are too few records to learn from.
    """
    least = settings.training.min_records
    bundle = train(records, settings, seed)
    if bundle.origin is not Origin.TRAINED:
        raise ModelError(
            f"There are {records.num_rows:,} records, training needs {least:,} (identity.training.min_records): the "
            "priors that ship with the package serve until there are as many."
        )
    metrics = {name: value for name, value in bundle.metrics.items() if name != "seconds"}
    return replace(bundle, metrics={**metrics, "seed": seed})
