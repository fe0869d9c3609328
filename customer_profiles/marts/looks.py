"""What a stage that looked in one transaction and writes in a later one has to ask before it writes."""

from sqlalchemy import Connection, text

from customer_profiles.state.errors import CursorMoved
from customer_profiles.state.generations import live_generation

_NEWEST = text("SELECT max(changed_no) FROM customer WHERE generation = :generation")

_CHANGED_SINCE = text(
    "SELECT customer_no FROM customer WHERE generation = :generation AND changed_no > :newest"
)


def newest_change(conn: Connection, generation: int) -> int:
    """The number of the newest change of any customer; 0 before the first."""
    return int(conn.execute(_NEWEST, {"generation": generation}).scalar_one() or 0)


def customers_changed_since(conn: Connection, generation: int, newest: int) -> frozenset[int]:
    """The customers that changed after the change of that number: what a look found of them is of the past."""
    given = {"generation": generation, "newest": newest}
    return frozenset(conn.execute(_CHANGED_SINCE, given).scalars())


def refuse_another_generation(conn: Connection, stage: str, live: int) -> None:
    """Make sure that the generation is still live that was so when the stage looked.

    Raises:
        CursorMoved: it is not.
    """
    if live_generation(conn) != live:
        raise CursorMoved(f"Another generation is live since {stage} looked. Nothing was lost: run it again.")
