"""How long what only tells of the past is kept."""

from pydantic import Field

from customer_profiles.settings.base import Part


class Keeping(Part):
    """What the job `keep_house` leaves; no profile and nothing that a profile is made of is among it."""

    runs: int = Field(1_000, ge=1)
    """Runs of Dagster that have ended, the newest of them."""
    runs_days: float = Field(14.0, gt=0)
    """The oldest of them, and the oldest ticks."""
    events_days: float = Field(3.0, gt=0)
    """Materializations and checks that were told without a run; the latest of each asset and check stays."""
    ticks_hours: float = Field(6.0, gt=0)
    """Ticks of sensors that did nothing."""
    ledger_days: float = Field(7.0, gt=0)
    """Batches of the ledger one by one; older ones are added up by stage and source, and those that do not add up stay."""
    alarms_days: float = Field(90.0, gt=0)
    """Alarms that are over."""
