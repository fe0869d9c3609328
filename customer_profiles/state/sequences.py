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
    table = sequences[store_of(connection)]
    where = table.c.name == name
    moved = connection.execute(
        table.update().where(where).values(next_number=table.c.next_number + count)
    ).rowcount
    if not moved:
        connection.execute(table.insert().values(name=name, next_number=1 + count))
        return 1
    return int(connection.execute(sa.select(table.c.next_number).where(where)).scalar_one()) - count
