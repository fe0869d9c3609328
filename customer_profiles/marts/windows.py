"""Windows: buckets summed when they are read. Pure.

A window ends now and starts at the start of the grain that holds the moment its length ago: no interaction
inside the window is ever missed, and at most one grain more is counted. Minutes serve the windows up to 24
hours, hours those up to 30 days, days those beyond. An interaction a little ahead of our clock counts as having
happened.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

from customer_profiles.marts.buckets import DAY, HOUR, LENGTH, MINUTE, SLACK, Bucket, Counting, Grain
from customer_profiles.settings import Settings
from customer_profiles.settings.profiles import window_minutes

_BEFORE_EVERYTHING = -(2**63)

_LONGEST: Mapping[Grain, int] = {Grain.MINUTE: 24 * HOUR, Grain.HOUR: 30 * DAY}
"""The longest window that is read from a grain."""


@dataclass(frozen=True, slots=True)
class Window:
    """A length of time that ends now; None for the whole lifetime."""

    name: str
    length: int | None
    grain: Grain

    @property
    def day_grain(self) -> Grain:
        """The grain that the window's days are counted from: a lifetime bucket does not know its days."""
        return Grain.DAY if self.length is None else self.grain

    def since(self, now: int) -> int:
        """Start of the oldest bucket inside the window at `now`, micros."""
        return _BEFORE_EVERYTHING if self.length is None else self.grain.start(now - self.length)

    def leaves_at(self, start: int) -> int | None:
        """The moment a bucket that starts at `start` leaves the window; None when it never does."""
        return None if self.length is None else start + LENGTH[self.grain] + self.length


def window(name: str) -> Window:
    """A window by its name: 45m, 36h, 14d, lifetime.

    Raises:
        ValueError: it names none.
    """
    minutes = window_minutes(name)
    if minutes is None:
        return Window(name, None, Grain.LIFETIME)
    length = minutes * MINUTE
    grain = next((grain for grain, longest in _LONGEST.items() if length <= longest), Grain.DAY)
    return Window(name, length, grain)


LIFETIME = window("lifetime")


def windows_of(settings: Settings) -> tuple[Window, ...]:
    """The windows of the settings, the shortest first."""
    return tuple(
        sorted(map(window, settings.windows.lengths), key=lambda one: (one.length is None, one.length or 0))
    )


def counting_of(settings: Settings) -> Counting:
    """What has to be counted for the settings: minutes and hours as far back as the longest window read from them."""
    kept: dict[Grain, int] = {}
    for one in windows_of(settings):
        if one.length is not None and one.grain in SLACK:
            kept[one.grain] = one.length + SLACK[one.grain]
    return Counting(kept, tuple(sorted(settings.windows.properties)))


@dataclass(frozen=True, slots=True)
class WindowTotals:
    """What a customer did of one type on one channel within one window.

    Attributes:
        window: Name of the window.
        type: Interaction type.
        channel: Channel.
        property: Empty for all of them, else `name=value`: only those with this value of the property.
        count: Number of interactions.
        days: On how many days (UTC).
        values: Minor units by currency; empty where nothing has a value.
        last_at: The newest of them, micros.
    """

    window: str
    type: str
    channel: str
    property: str
    count: int
    days: int
    values: tuple[tuple[str, int], ...]
    last_at: int


def starts_of(windows: Collection[Window], now: int) -> dict[Grain, int]:
    """The grains that :func:`totals` reads, and the earliest start of each (micros)."""
    starts: dict[Grain, int] = {}
    for one in windows:
        for grain in (one.grain, one.day_grain):
            starts[grain] = min(one.since(now), starts.get(grain, now))
    return starts


def totals(buckets: Iterable[Bucket], now: int, windows: Sequence[Window]) -> tuple[WindowTotals, ...]:
    """Sum a customer's buckets in every window, by type, channel and property; what is empty is left out."""
    rows = list(buckets)
    result = []
    for one in windows:
        since = one.since(now)
        days: dict[tuple[str, str, str], set[int]] = {}
        inside: dict[tuple[str, str, str], list[Bucket]] = {}
        for bucket in rows:
            if bucket.start >= since and bucket.grain in (one.grain, one.day_grain):
                key = (bucket.type, bucket.channel, bucket.property)
                if bucket.grain == one.day_grain:
                    days.setdefault(key, set()).add(bucket.start // DAY)
                if bucket.grain == one.grain:
                    inside.setdefault(key, []).append(bucket)
        for key, held in sorted(inside.items()):
            sums: dict[str, int] = {}
            for bucket in held:
                if bucket.currency:
                    sums[bucket.currency] = sums.get(bucket.currency, 0) + bucket.value_sum
            result.append(
                WindowTotals(
                    one.name,
                    *key,
                    count=sum(bucket.count for bucket in held),
                    days=len(days[key]),
                    values=tuple(sorted(sums.items())),
                    last_at=max(bucket.last_at for bucket in held),
                )
            )
    return tuple(result)
