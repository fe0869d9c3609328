"""Resolves a generation that is being built with a model that is not in use yet. The live generation keeps its own."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from customer_profiles.identity.model.models import on_trial
from customer_profiles.identity.resolve import ResolveStage
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State


class TrialResolveStage(ResolveStage):
    """The resolve stage of one generation, with the model that it is built for."""

    def __init__(
        self,
        state: State,
        settings: Settings,
        generation: int,
        version: int,
        now: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        """Bind the stage.

        Args:
            state: The open state.
            settings: `identity` says how.
            generation: The generation that is being built.
            version: The model to build it with; 0 for the priors.
            now: The clock (micros).
        """
        super().__init__(state, settings, generation, now)
        self._version = version

    # Every transaction of the stage asks what made the graph before it reads the model, on the same connection. The
    # live generation, which may have to catch up meanwhile, is resolved by a stage and on connections of its own.
    def _made_by(self, connection: sa.Connection, generation: int) -> dict[str, Any]:
        return super()._made_by(on_trial(connection, self._version), generation)
