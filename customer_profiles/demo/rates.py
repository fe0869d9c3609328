"""How messy the demo company is, and how to choose exactly that share of rows. The package explains."""

from datetime import UTC, datetime
from typing import Final

import numpy as np

from customer_profiles.demo.columns import Flags, Indexes
from customer_profiles.errors import CustomerProfilesError

AS_OF: Final = datetime(2026, 10, 31, 12, tzinfo=UTC)
"""When the demo's history ends, unless told otherwise; fixed, so that only the arguments decide."""

HISTORY_DAYS: Final = 90
CHUNK: Final = 25_000
"""Customers made at a time: bounds the memory, and what two processes can share out."""

FEWEST, MOST = 1_000, 1_000_000

NAME_TYPO: Final = 0.15
NICKNAME: Final = 0.05
MOVED_HOUSE: Final = 0.10
WITHOUT_EMAIL: Final = 0.20
WITHOUT_PHONE: Final = 0.30
SHARED_CONTACT: Final = 0.05
GENERIC_EMAIL: Final = 0.01
WRONG_BIRTH_DATE: Final = 0.03
ANONYMOUS_VISIT: Final = 0.30
LATE: Final = 0.05
DUPLICATE: Final = 0.02
OUT_OF_ORDER: Final = 0.10
BROKEN: Final = 0.005
NAMESAKE: Final = 0.006

WEB_ACCOUNT: Final = 0.35
SOCIAL_ACCOUNT: Final = 0.10
TOO_LARGE: Final = 5_000_000


class DemoError(CustomerProfilesError):
    """The demo company cannot be made as asked."""


def share(rate: float, rows: int) -> int:
    """How many of ``rows`` a rate means: rounded up, so that no rate is ever missed from below."""
    return int(np.ceil(rate * rows - 1e-9))


def choose(rng: np.random.Generator, eligible: Flags, rate: float) -> Indexes:
    """Choose a share of all rows among the eligible ones.

    Args:
        rng: where the choice comes from.
        eligible: one flag a row; the rate is of all of them, eligible or not.
        rate: between 0 and 1.

    Returns:
        The numbers of the chosen rows, rising; all eligible ones where there are too few.
    """
    among = np.flatnonzero(eligible)
    count = min(share(rate, len(eligible)), len(among))
    return np.sort(rng.choice(among, count, replace=False)).astype(np.int64)
