"""Puts a model in use: a generation is built with it beside the live one, compared, and both switch at once."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.identity.graph.graph_store import read_members
from customer_profiles.identity.model.comparison import ModelComparison, compare_members
from customer_profiles.identity.model.models import (
    PRIORS,
    ModelError,
    promoted_version,
    put_in_use,
    read_model,
    version_before,
)
from customer_profiles.identity.model.trial import TrialResolveStage
from customer_profiles.pipeline.rebuild import Rebuilt, rebuild
from customer_profiles.pipeline.stage import Stage
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State


@dataclass(frozen=True)
class Promoted:
    """What promoting a model did.

    Attributes:
        version: The model in use now; 0 for the priors.
        before: The model that was in use.
        rebuilt: The generation that was built with it.
        comparison: Its customers beside those that were live until then.
    """

    version: int
    before: int
    rebuilt: Rebuilt
    comparison: ModelComparison


def promote_model(
    state: State,
    settings: Settings,
    stages_of: Callable[[int], Sequence[Stage]],
    drain: Callable[[Stage], object],
    version: int,
) -> Promoted:
    """Build a generation with a model while batches go on, compare it, and switch generation and model at once.

    Killed anywhere before the switch, the model and the customers are what they were.

    Args:
        state: The open state.
        settings: How the generation is built.
        stages_of: Gives every stage after ingest, in order, bound to a generation.
        drain: Advances a stage until nothing is left.
        version: The model; 0 for the priors that ship with the package.

    Raises:
        BundleError: Its bundle cannot be read, or was made for another Splink; nothing was changed.
        ModelError: There is no such model, it is in use already, or another one was promoted meanwhile.
        StateError: Another rebuild began meanwhile.
    """
    with state.reading() as connection:
        before = promoted_version(connection)
        if version == before:
            raise ModelError(f"{_named(version)} is in use already: there is nothing to promote.")
        read_model(connection, version)
    compared: list[ModelComparison] = []

    def stages(generation: int) -> list[Stage]:
        trial = TrialResolveStage(state, settings, generation, version)
        return [trial, *(stage for stage in stages_of(generation) if stage.name != trial.name)]

    def switch(connection: sa.Connection, live: int, generation: int) -> None:
        if promoted_version(connection) != before:
            raise ModelError(
                "Another model was promoted meanwhile. Look at it, then promote again if need be."
            )
        compared.append(compare_members(read_members(connection, live), read_members(connection, generation)))
        put_in_use(connection, version, time.time_ns() // 1000, generation)

    rebuilt = rebuild(state, stages, drain, switch, cause="model")
    return Promoted(version, before, rebuilt, compared[-1])


def version_to_roll_back_to(state: State) -> int:
    """The model that was in use before this one.

    Raises:
        ModelError: There was none before.
    """
    with state.reading() as connection:
        before = version_before(connection)
    if before is None:
        raise ModelError("No model was in use before this one: there is nothing to roll back to.")
    return before


def _named(version: int) -> str:
    return "The model of the priors" if version == PRIORS else f"Model {version}"
