"""A customer's support matters: tickets and chats, and where each stands. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

CLOSED = frozenset({"closed", "solved", "resolved", "cancelled", "done"})
"""The states in which nobody waits for an answer any more."""

Said = tuple[int, str]
"""What was said of a matter, and when (micros); (0, "") when nothing was."""

NOTHING: Said = (0, "")


@dataclass(frozen=True, slots=True)
class SupportMatter:
    """A matter as one record knows it. Of status, topic and sentiment the newest that was said counts.

    Attributes:
        record_no: The record whose matter it is.
        matter_id: The matter's key in its source.
        channel: Where it was last talked about.
        opened_at: When it was first talked about, micros.
        last_at: When it was last talked about, micros.
    """

    record_no: int
    matter_id: str
    channel: Said
    status: Said
    topic: Said
    sentiment: Said
    opened_at: int
    last_at: int

    @property
    def open(self) -> bool:
        """Whether somebody still waits. A matter of which no state is known is open."""
        return self.status[1].lower() not in CLOSED

    def joined(self, other: "SupportMatter") -> "SupportMatter":
        """Both as one; in any order the same."""
        return SupportMatter(
            min(self.record_no, other.record_no),
            self.matter_id,
            max(self.channel, other.channel),
            max(self.status, other.status),
            max(self.topic, other.topic),
            max(self.sentiment, other.sentiment),
            min(self.opened_at, other.opened_at),
            max(self.last_at, other.last_at),
        )


def matters(known: Iterable[SupportMatter]) -> tuple[SupportMatter, ...]:
    """The matters of all of a customer's records, each once, the one talked about last first."""
    joined: dict[str, SupportMatter] = {}
    for one in known:
        held = joined.get(one.matter_id)
        joined[one.matter_id] = one if held is None else held.joined(one)
    return tuple(sorted(joined.values(), key=lambda one: (-one.last_at, one.matter_id)))


def open_matters(known: Iterable[SupportMatter]) -> tuple[SupportMatter, ...]:
    """Those of :func:`matters` in which somebody waits for an answer."""
    return tuple(one for one in matters(known) if one.open)
