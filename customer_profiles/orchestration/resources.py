"""The one resource: opens the pipeline for the length of a run."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import dagster as dg
import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline import overview
from customer_profiles.pipeline.ahead import with_a_second_process
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.pipeline.lease import Heart, Lease, run_lease
from customer_profiles.settings import Settings


class UnexpectedError(CustomerProfilesError):
    """A fault of the program; the message says where, and leaves out what the original said."""


Progress = Callable[[StageResult], None]
STARTED_BY = "customer_profiles/started_by"
"""The tag of a run that says what started it."""
SENSOR = "sensor"


@dataclass
class PipelineOpener:
    """Holds what is needed to open the pipeline; opening waits until a step runs, so loading costs nothing.

    Attributes:
        settings: The settings.
        progress: Called after every batch.
        limit: Envelopes in one batch.
        quick: Whether the run was started for what is new, so that what reads whole tables is left out.
        ahead: The assets that another process may make ahead of a run, if the run is to make all of them.
        segments_before: The newest entry or exit of a segment when the run began; None outside of a run.
    """

    settings: Settings
    progress: Progress | None = None
    limit: int | None = None
    quick: bool = False
    ahead: frozenset[dg.AssetKey] = frozenset()
    segments_before: int | None = None
    _kept: Pipeline | None = None

    @contextmanager
    def opened(self) -> Iterator[Pipeline]:
        """The pipeline with its state open, migrated when it is new or behind.

        Raises:
            StateError: The state cannot be reached, or the key does not fit.
            UnexpectedError: In place of any error that is not ours: Dagster keeps what it is given, and the message
                of a foreign error may hold a value of a person.
        """
        with guarded():
            if self._kept is not None:
                yield self._kept
                return
            with self._open() as pipeline:
                yield pipeline

    def _open(self) -> AbstractContextManager[Pipeline]:
        return open_pipeline(self.settings, progress=self.progress, limit=self.limit)

    @contextmanager
    def kept_open(self, run_id: str, whole: bool) -> Iterator[None]:
        """Keep the pipeline open for the length of a run, and show all the while that its process lives.

        What goes wrong with it is told by the step that asks for the pipeline.

        Args:
            run_id: Of the run.
            whole: Whether it is to do all that another process may do ahead of it.
        """
        with ExitStack() as stack:
            try:
                house = stack.enter_context(self._open())
                self.segments_before = overview.last_segment_change(house.state)
                self._kept = stack.enter_context(with_a_second_process(house)) if whole else house
                lease = Lease(self._kept.state, run_lease(run_id), passing=True)
                if lease.take(lease.look()):
                    stack.enter_context(Heart(lease))
            except (CustomerProfilesError, sa.exc.DBAPIError):
                self._kept = None
            try:
                yield
            finally:
                self._kept = None

    def as_resource(self) -> dg.ResourceDefinition:
        """This opener as Dagster wants it."""

        @contextmanager
        def of_a_run(context: dg.InitResourceContext) -> Iterator[PipelineOpener]:
            run = context.run
            opener = replace(self, quick=run is not None and run.tags.get(STARTED_BY) == SENSOR)
            if run is None:
                yield opener
                return
            # Dagster names no assets when a run is to make all of its job.
            whole = not run.asset_selection or self.ahead <= run.asset_selection
            with opener.kept_open(run.run_id, whole):
                yield opener

        return dg.ResourceDefinition(of_a_run, description="The pipeline over the state.")


@contextmanager
def guarded() -> Iterator[None]:
    """Lets errors of ours through, and no word of any other one."""
    try:
        yield
    except CustomerProfilesError:
        raise
    except Exception as error:
        frames = traceback.extract_tb(error.__traceback__)
        where = " < ".join(f"{Path(f.filename).stem}:{f.lineno} {f.name}" for f in reversed(frames[-6:]))
        raise UnexpectedError(
            f"{type(error).__name__} at {where}. Its message is left out here, for it may hold personal data. "
            "Please report it with this line. Nothing is lost: the batch was not committed."
        ) from None


PipelineResource = dg.ResourceParam[PipelineOpener]
