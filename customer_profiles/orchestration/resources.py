"""The one resource: opens the pipeline for the length of a step."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import dagster as dg

from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.settings import Settings

Progress = Callable[[StageResult], None]


@dataclass(frozen=True)
class PipelineOpener:
    """Holds what is needed to open the pipeline; opening waits until a step runs, so loading costs nothing."""

    settings: Settings
    progress: Progress | None = None
    limit: int | None = None

    @contextmanager
    def opened(self) -> Iterator[Pipeline]:
        """The pipeline with its state open, migrated when it is new or behind.

        Raises:
            StateError: The state cannot be reached, or the key does not fit.
        """
        with open_pipeline(self.settings, progress=self.progress, limit=self.limit) as pipeline:
            yield pipeline

    def as_resource(self) -> dg.ResourceDefinition:
        """This opener as Dagster wants it."""
        return dg.ResourceDefinition.hardcoded_resource(self, description="The pipeline over the state.")


PipelineResource = dg.ResourceParam[PipelineOpener]
