"""The one resource: opens the pipeline for the length of a step."""

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import dagster as dg

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.monitoring.ledger import StageResult
from customer_profiles.pipeline.build import Pipeline, open_pipeline
from customer_profiles.settings import Settings


class UnexpectedError(CustomerProfilesError):
    """A fault of the program; the message says where, and leaves out what the original said."""


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
            UnexpectedError: In place of any error that is not ours: Dagster keeps what it is given, and the message
                of a foreign error may hold a value of a person.
        """
        with _guarded(), open_pipeline(self.settings, progress=self.progress, limit=self.limit) as pipeline:
            yield pipeline

    def as_resource(self) -> dg.ResourceDefinition:
        """This opener as Dagster wants it."""
        return dg.ResourceDefinition.hardcoded_resource(self, description="The pipeline over the state.")


@contextmanager
def _guarded() -> Iterator[None]:
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
