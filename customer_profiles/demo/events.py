"""How events reach a source's files: most at once, some late, some twice, some after what happened later."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from customer_profiles.demo.clock import DAY, HOUR, MINUTE, SECOND
from customer_profiles.demo.columns import Indexes, every, flags
from customer_profiles.demo.rates import DUPLICATE, LATE, OUT_OF_ORDER, choose


@dataclass(frozen=True)
class Deliveries:
    """What arrived, in the order of arrival.

    Attributes:
        event: which event each delivery brings.
        received: when, in microseconds UTC.
        spoilt: how many were late, out of order, delivered again; and how many events there are.
    """

    event: Indexes
    received: Indexes
    spoilt: Counter[str]


def deliver(occurred: Indexes, rng: np.random.Generator, as_of: int) -> Deliveries:
    """Deliver events.

    Args:
        occurred: when each happened, in microseconds UTC, none after ``as_of``.
        rng: the source's own randomness.
        as_of: nothing arrives after it.

    Returns:
        Every event at least once, by time of arrival.
    """
    count = len(occurred)
    delay = rng.integers(200, 2_500, count) * 1_000
    late = choose(rng, occurred <= as_of - 7 * HOUR, LATE)
    most = np.minimum(3 * DAY, as_of - occurred[late])
    delay[late] = 6 * HOUR + (rng.random(len(late)) * (most - 6 * HOUR)).astype(np.int64) // 1_000 * 1_000
    behind = choose(rng, (occurred <= as_of - 3 * HOUR) & ~flags(count, late), OUT_OF_ORDER)
    delay[behind] = rng.integers(30 * MINUTE // SECOND, 3 * HOUR // SECOND, len(behind)) * SECOND
    again = choose(rng, every(count), DUPLICATE)
    received = np.minimum(occurred + delay, as_of)
    second = np.minimum(received[again] + rng.integers(1, 600, len(again)) * SECOND, as_of)
    event = np.concatenate([np.arange(count), again])
    received = np.concatenate([received, second])
    order = np.argsort(received, kind="stable")
    spoilt = Counter(events=count, late=len(late), out_of_order=len(behind), duplicate=len(again))
    return Deliveries(event[order], received[order], spoilt)
