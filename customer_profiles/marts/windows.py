"""Windows: buckets summed when they are read, and the names of facts over them. Pure.

A window ends now and starts at the start of the grain that holds the moment its length ago: no interaction
inside the window is ever missed, and at most one grain more is counted. Minutes serve the windows up to 24
hours, hours those up to 30 days. An interaction a little ahead of our clock counts as having happened.

Names of facts::

    <subject>_count_<window>             page_count_7d, web_count_24h, interaction_count_5m
    <subject>_value_<window>             purchase_value_30d: minor units of the company's currency
    <subject>_value_<window>_<currency>  purchase_value_30d_eur
    days_since_last_<subject>            days_since_last_purchase: whole days; null when there was none

A subject is an interaction type, a channel, or `interaction` for all of them. A word that is both a type and
a channel takes the interactions of either.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from customer_profiles.marts.buckets import DAY, HOUR, LENGTH, MINUTE, Bucket, Grain

EVERYTHING = "interaction"


@dataclass(frozen=True, slots=True)
class Window:
    """A length of time that ends now; None for the whole lifetime."""

    name: str
    length: int | None
    grain: Grain

    def since(self, now: int) -> int:
        """Start of the oldest bucket inside the window at `now`, micros."""
        return 0 if self.length is None else self.grain.start(now - self.length)

    def leaves_at(self, start: int) -> int | None:
        """The moment a bucket that starts at `start` leaves the window; None when it never does."""
        return None if self.length is None else start + LENGTH[self.grain] + self.length


WINDOWS: tuple[Window, ...] = (
    Window("5m", 5 * MINUTE, Grain.MINUTE),
    Window("1h", HOUR, Grain.MINUTE),
    Window("24h", 24 * HOUR, Grain.MINUTE),
    Window("7d", 7 * DAY, Grain.HOUR),
    Window("30d", 30 * DAY, Grain.HOUR),
    Window("lifetime", None, Grain.LIFETIME),
)
BY_NAME = {window.name: window for window in WINDOWS}


class Measure(StrEnum):
    """What a fact tells."""

    COUNT = "count"
    VALUE = "value"
    DAYS_SINCE_LAST = "days_since_last"


@dataclass(frozen=True, slots=True)
class Fact:
    """A named number over a customer's buckets."""

    name: str
    subject: str
    measure: Measure
    window: Window
    currency: str = ""

    def covers(self, bucket: Bucket) -> bool:
        """Whether the bucket is of this fact's grain, subject and currency."""
        return (
            bucket.grain == self.window.grain
            and not bucket.property
            and self.subject in (EVERYTHING, bucket.type, bucket.channel)
            and (self.measure != Measure.VALUE or bucket.currency == self.currency)
        )


_WINDOWED = re.compile(
    r"(?P<subject>[a-z0-9_]+?)_(?P<measure>count|value)_(?P<window>"
    + "|".join(BY_NAME)
    + r")(?:_(?P<currency>[a-z]{3}))?"
)
_SINCE = re.compile(r"days_since_last_(?P<subject>[a-z0-9_]+)")


def read_fact(name: str, currency: str) -> Fact | None:
    """Read a fact's name.

    Args:
        name: A name of the grammar above.
        currency: The company's currency, which a value without one is in; empty when it has none.

    Returns:
        The fact, or None when the name is not of the grammar.
    """
    if found := _SINCE.fullmatch(name):
        return Fact(name, found["subject"], Measure.DAYS_SINCE_LAST, BY_NAME["lifetime"])
    found = _WINDOWED.fullmatch(name)
    if found is None or (found["currency"] and found["measure"] == "count"):
        return None
    money = (found["currency"] or currency).upper() if found["measure"] == "value" else ""
    if found["measure"] == "value" and not money:
        return None
    return Fact(name, found["subject"], Measure(found["measure"]), BY_NAME[found["window"]], money)


def value_of(fact: Fact, buckets: Iterable[Bucket], now: int) -> int | None:
    """Compute a fact.

    Args:
        fact: What to compute.
        buckets: The buckets of all of a customer's records, in any order; other grains and kinds may be among
            them.
        now: End of the window, micros.

    Returns:
        A count, minor units, or whole days (None when there was no interaction).
    """
    since = fact.window.since(now)
    inside = [one for one in buckets if one.start >= since and fact.covers(one)]
    if fact.measure == Measure.DAYS_SINCE_LAST:
        return max(0, (now - max(one.last_at for one in inside)) // DAY) if inside else None
    if fact.measure == Measure.VALUE:
        return sum(one.value_sum for one in inside)
    return sum(one.count for one in inside)


def next_change(
    fact: Fact, buckets: Iterable[Bucket], now: int, days: Sequence[int] | None = None
) -> int | None:
    """The earliest moment after `now` at which a fact changes with time alone.

    Args:
        fact: The fact.
        buckets: As for :func:`value_of`.
        now: Micros.
        days: For days since the last: the only numbers of days that matter to who asks; None when every day
            does.

    Returns:
        Micros, or None when it stays as it is until something happens.
    """
    inside = [one for one in buckets if one.start >= fact.window.since(now) and fact.covers(one)]
    if not inside:
        return None
    if fact.measure == Measure.DAYS_SINCE_LAST:
        last = max(one.last_at for one in inside)
        passed = max(0, (now - last) // DAY)
        coming = [passed + 1] if days is None else [day for day in days if day > passed]
        return last + min(coming) * DAY if coming else None
    leaving = (fact.window.leaves_at(one.start) for one in inside)
    return min((at for at in leaving if at is not None), default=None)


@dataclass(frozen=True, slots=True)
class WindowTotals:
    """What a customer did of one type on one channel within one window.

    Attributes:
        window: Name of the window.
        type: Interaction type.
        channel: Channel.
        count: Number of interactions.
        values: Minor units by currency; empty where nothing has a value.
        last_at: The newest of them, micros.
    """

    window: str
    type: str
    channel: str
    count: int
    values: tuple[tuple[str, int], ...]
    last_at: int


def totals(
    buckets: Iterable[Bucket], now: int, windows: Sequence[Window] = WINDOWS
) -> tuple[WindowTotals, ...]:
    """Sum a customer's buckets in every window, by type and channel; what is empty is left out."""
    rows = [one for one in buckets if not one.property]
    result = []
    for window in windows:
        since = window.since(now)
        inside: dict[tuple[str, str], list[Bucket]] = {}
        for one in rows:
            if one.grain == window.grain and one.start >= since:
                inside.setdefault((one.type, one.channel), []).append(one)
        for (kind, channel), held in sorted(inside.items()):
            sums: dict[str, int] = {}
            for one in held:
                if one.currency:
                    sums[one.currency] = sums.get(one.currency, 0) + one.value_sum
            count, last_at = sum(one.count for one in held), max(one.last_at for one in held)
            result.append(
                WindowTotals(window.name, kind, channel, count, tuple(sorted(sums.items())), last_at)
            )
    return tuple(result)
