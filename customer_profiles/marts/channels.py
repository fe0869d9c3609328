"""Which channels a customer uses. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from customer_profiles.marts.buckets import Bucket, Grain


@dataclass(frozen=True, slots=True)
class ChannelUse:
    """How much a customer uses a channel; `last_at` in micros."""

    channel: str
    count: int
    last_at: int


def channel_use(buckets: Iterable[Bucket]) -> tuple[ChannelUse, ...]:
    """Fold the lifetime buckets of all of a customer's records; the channel used most comes first."""
    use: dict[str, ChannelUse] = {}
    for one in buckets:
        if one.grain == Grain.LIFETIME and one.channel and not one.property:
            held = use.get(one.channel, ChannelUse(one.channel, 0, 0))
            use[one.channel] = ChannelUse(one.channel, held.count + one.count, max(held.last_at, one.last_at))
    return tuple(sorted(use.values(), key=lambda one: (-one.count, -one.last_at, one.channel)))
