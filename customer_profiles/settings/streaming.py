"""How the streaming worker goes about its batches."""

from pydantic import Field, model_validator

from customer_profiles.settings.base import Part


class Streaming(Part):
    """How `customer-profiles stream`, and the sensor that stands in for it, take in what is new."""

    smallest_batch: int = Field(500, ge=1)
    """Envelopes of a batch of one source while there is no backlog."""
    largest_batch: int = Field(20_000, ge=1)
    """Envelopes of a batch of one source while there is a backlog; more is faster and takes more memory."""
    second_process: bool = True
    """Whether, while there is a backlog, a second process looks what the last stages have to write, and in a long run drains
    stages: faster where there are two processors or more, for about 200 MB of memory, in a run as much as a batch takes."""
    inbox_seconds: float = Field(0.05, gt=0, le=10)
    """How often to look whether the collector accepted anything."""
    files_seconds: float = Field(1.0, gt=0, le=3600)
    """How often to look whether a file is new or has grown."""
    database_seconds: float = Field(5.0, gt=0, le=3600)
    """How often to ask a database for the newest value of each feed's cursor."""
    whole_seconds: float = Field(60.0, gt=0, le=86_400)
    """How often to read a database anyway, and its feeds without a cursor whole."""
    sensor_whole_seconds: float = Field(600.0, gt=0, le=86_400)
    """The same for the sensor in Dagster, where each such reading is a run to keep a record of."""
    first_retry_seconds: float = Field(1.0, gt=0)
    """After so long a source that could not be read is tried again; each further time waits about twice as long."""
    longest_retry_seconds: float = Field(2.0, gt=0)
    """The longest of these waits: so long at most a source that is back waits to be read."""
    sensor_longest_retry_seconds: float = Field(60.0, gt=0)
    """The longest wait of the sensor in Dagster after runs that failed, each of which costs seconds and leaves a record."""
    patience_seconds: float = Field(2.0, gt=0)
    """So long the others wait for a source that is slow to answer; then they go on without it."""
    report_seconds: float = Field(5.0, gt=0)
    """How often the worker tells Dagster what it did, added up."""
    report_to_dagster: bool = True
    """Whether it does at all; not where no Dagster looks after this project."""

    @model_validator(mode="after")
    def _in_order(self) -> "Streaming":
        if self.smallest_batch > self.largest_batch:
            raise ValueError("smallest_batch must not be above largest_batch")
        return self
