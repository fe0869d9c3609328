"""Numbers in order of commit: arrival numbers and log positions, without gaps as a store has one writer."""

import sqlalchemy as sa

from customer_profiles.state.engine import store_of
from customer_profiles.state.tables import sequences


def reserve(connection: sa.Connection, name: str, count: int = 1) -> int:
    """Take the next `count` numbers of a sequence of the store being written; the first number of all is 1.

    Returns:
        The first of them. With a count of 0, the number that will be next.
    """
    if count < 0:
        raise ValueError("a count of numbers is not negative")
    store = store_of(connection)
    moved = connection.execute(_MOVE[store], {"of": name, "by": count}).scalar_one_or_none()
    if moved is None:
        connection.execute(sequences[store].insert().values(name=name, next_number=1 + count))
        return 1
    return int(moved) - count


_MOVE = {
    store: table.update()
    .where(table.c.name == sa.bindparam("of"))
    .values(next_number=table.c.next_number + sa.bindparam("by"))
    .returning(table.c.next_number)
    for store, table in sequences.items()
}
