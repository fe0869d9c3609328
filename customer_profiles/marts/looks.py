"""What a stage that looks in one transaction and writes in a later one has to ask before it writes."""

from typing import Protocol, Self, TypeVar

from sqlalchemy import Connection, text

from customer_profiles.state.errors import CursorMoved
from customer_profiles.state.generations import live_generation

_NEWEST = text("SELECT max(changed_no) FROM customer WHERE generation = :generation")

_CHANGED_SINCE = text(
    "SELECT customer_no FROM customer WHERE generation = :generation AND changed_no > :newest"
)


class Look(Protocol):
    """What a stage found out of customers, and when."""

    @property
    def generation(self) -> int:
        """The generation it is of."""
        ...

    @property
    def live(self) -> int:
        """The generation that was live."""
        ...

    @property
    def newest(self) -> int:
        """The newest change of any customer at that moment, as `newest_change` gives it."""
        ...

    def without(self, customers: frozenset[int]) -> Self:
        """The same but for some customers."""
        ...


L = TypeVar("L", bound=Look)


def newest_change(conn: Connection, generation: int) -> int:
    """The number of the newest change of any customer; 0 before the first."""
    return int(conn.execute(_NEWEST, {"generation": generation}).scalar_one() or 0)


def still_true(conn: Connection, stage: str, found: L) -> L:
    """What of a look may be written now: nothing of the customers that changed since, which come again.

    Raises:
        CursorMoved: another generation is live than when the stage looked.
    """
    if live_generation(conn) != found.live:
        raise CursorMoved(f"Another generation is live since {stage} looked. Nothing was lost: run it again.")
    since = {"generation": found.generation, "newest": found.newest}
    changed = frozenset(conn.execute(_CHANGED_SINCE, since).scalars())
    return found.without(changed) if changed else found
