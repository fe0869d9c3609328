"""What is seen of the pipeline at one moment: the typed snapshot that rules decide on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from customer_profiles.monitoring.freshness import Freshness


@dataclass(frozen=True, slots=True)
class Failing:
    """A source or a stage that does not get on.

    Attributes:
        of: Its name.
        source: Whether it is a source.
        reason: The error's own words.
        times: How often in a row.
        since: Since when it was seen (micros).
    """

    of: str
    source: bool
    reason: str
    times: int
    since: int


@dataclass(frozen=True, slots=True)
class Driver:
    """Whoever drives the pipeline.

    Attributes:
        beat_at: Its last heartbeat (micros); when the looking began, when nobody ever drove.
        passed_at: When its last pass began (micros); None where it does not tell.
        failing: What does not get on, as it tells.
    """

    beat_at: int
    passed_at: int | None = None
    failing: tuple[Failing, ...] = ()


@dataclass(frozen=True, slots=True)
class Quarantined:
    """What became of what a source sent lately: how much was received, how much of it broke its contract."""

    received: int
    quarantined: int


@dataclass(frozen=True, slots=True)
class Disk:
    """How much room is left.

    Attributes:
        place: The folder.
        free: Bytes.
    """

    place: str
    free: int


@dataclass(frozen=True, slots=True)
class Signs:
    """Everything that is seen at one moment.

    Attributes:
        at: When (micros).
        freshness: How far each stage is behind.
        driver: Whoever drives.
        daemon_beat_at: When Dagster's daemon was last heard of (micros); None when it never was.
        quarantined: By source, within the time that the settings say.
        wrong_batches: Numbers of batches of the ledger that do not add up.
        disks: Where the state is.
        failed_runs: Jobs of Dagster whose last run failed, and since when (micros).
    """

    at: int
    freshness: Freshness
    driver: Driver
    daemon_beat_at: int | None = None
    quarantined: Mapping[str, Quarantined] = field(default_factory=dict)
    wrong_batches: tuple[int, ...] = ()
    disks: tuple[Disk, ...] = ()
    failed_runs: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Blind:
    """Nothing could be seen: the state does not answer.

    Attributes:
        at: Now (micros).
        since: Since when (micros).
        reason: Why, without a value of a person.
        disks: Where the state is.
    """

    at: int
    since: int
    reason: str
    disks: tuple[Disk, ...] = ()
