"""How large a batch is, and how long to wait before what failed is tried again. Pure."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class BatchSize:
    """The size of a source's batches: small while it is quiet, for the sake of time; large behind, for the sake of speed.

    Attributes:
        smallest: While there is no backlog.
        largest: However large the backlog is.
        now: Of the next batch.
    """

    smallest: int
    largest: int
    now: int

    @classmethod
    def between(cls, smallest: int, largest: int) -> BatchSize:
        """The size to begin with."""
        return cls(smallest, largest, smallest)

    def after(self, more: bool) -> BatchSize:
        """The size after a batch that left more behind, or did not."""
        wanted = self.now * 2 if more else self.now // 2
        return replace(self, now=min(self.largest, max(self.smallest, wanted)))


@dataclass(frozen=True, slots=True)
class Backoff:
    """Exponential backoff with jitter: waits grow about twofold, and no two sources come back in step.

    Attributes:
        first: Seconds after the first failure.
        longest: Seconds at most.
    """

    first: float
    longest: float

    def wait(self, failures: int, dice: random.Random) -> float:
        """Seconds to wait after so many failures in a row, at least one: between half of the step and all of it."""
        step = min(self.longest, self.first * 2.0 ** min(failures - 1, 60))
        return step * dice.uniform(0.5, 1.0)
