"""Trains a model when none is promoted yet and there are records enough; a job of its own, never a part of resolving."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.cleaning.tables import record
from customer_profiles.identity.graph.records import identity_records
from customer_profiles.identity.model.bundle import Origin
from customer_profiles.identity.model.models import PRIORS, promote, promoted_version, rolled_back_to_priors
from customer_profiles.identity.model.training import train
from customer_profiles.identity.tables import model
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State


@dataclass(frozen=True)
class TrainingResult:
    """What became of a training job.

    Attributes:
        version: The model in use afterwards, as text: `priors`, or the number of its version.
        versions: How many versions there are.
        outcome: What happened, as a sentence.
        trained: Whether a model was trained now.
        seconds: How long it took.
        metrics: What training measured.
    """

    version: str
    versions: int
    outcome: str
    trained: bool
    seconds: float
    metrics: Mapping[str, float]


def has_promoted_model(state: State) -> bool:
    """Whether a trained model is in use; the shipped priors are none."""
    with state.reading() as connection:
        return promoted_version(connection) != PRIORS


def train_if_needed(
    state: State, settings: Settings, now: Callable[[], int] = lambda: time.time_ns() // 1000
) -> TrainingResult:
    """Train a model and promote it, when none is promoted and there are records enough.

    Args:
        state: The open state.
        settings: `identity.training` says how many records are enough, and the seed.
        now: The clock (micros).
    """
    started = time.monotonic()
    least = settings.identity.training.min_records
    with state.reading() as connection:
        version, versions = promoted_version(connection), _versions(connection)
        if version != PRIORS:
            return TrainingResult(
                str(version), versions, f"Model {version} is promoted and stays in use.", False, 0.0, {}
            )
        live = _live(connection)
        if rolled_back_to_priors(connection):
            sentence = "The priors that ship with the package serve, as a model was rolled back to them."
            return TrainingResult("priors", versions, sentence, False, 0.0, {})
        if live < least:
            return TrainingResult("priors", versions, _too_few(live, least), False, 0.0, {})
        records = identity_records(connection)
    bundle = train(records, settings.identity, settings.identity.training.seed)
    seconds = time.monotonic() - started
    if bundle.origin is Origin.PRIORS:
        return TrainingResult("priors", versions, _too_few(live, least), False, seconds, bundle.metrics)
    with state.writing() as connection:
        if (other := promoted_version(connection)) != PRIORS:
            sentence = (
                f"Model {other} was promoted meanwhile and is in use; the one trained here was dropped."
            )
            return TrainingResult(str(other), _versions(connection), sentence, False, seconds, bundle.metrics)
        version = promote(connection, bundle, now())
    sentence = f"Model {version} was trained on {live:,} records and is in use."
    return TrainingResult(str(version), versions + 1, sentence, True, seconds, bundle.metrics)


def _too_few(live: int, least: int) -> str:
    return (
        f"The priors that ship with the package serve: there are {live:,} records, training needs {least:,} "
        "(identity.training.min_records)."
    )


def _live(connection: sa.Connection) -> int:
    living = record.c.change_no.is_not(None) & record.c.deleted_at.is_(None)
    return int(connection.execute(sa.select(sa.func.count()).select_from(record).where(living)).scalar_one())


def _versions(connection: sa.Connection) -> int:
    return int(connection.execute(sa.select(sa.func.count()).select_from(model)).scalar_one())
