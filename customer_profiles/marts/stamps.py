"""The stamp of each profile: a version that grows with its traits and segments, in one order of changes."""

from collections.abc import Mapping
from types import MappingProxyType

from sqlalchemy import Connection

from customer_profiles.marts import tables
from customer_profiles.state.bulk import rows_by_key, upsert_rows
from customer_profiles.state.sequences import reserve


def stamp(
    conn: Connection,
    generation: int,
    changed: Mapping[int, int | None],
    events: Mapping[int, int] = MappingProxyType({}),
) -> None:
    """Give each changed profile its next version and its place in the order of changes.

    Args:
        conn: A writing connection.
        generation: The generation.
        changed: By customer, when it ceased to be (micros), or None while it is.
        events: By customer, the latest identity event that was taken in; without one, what is known stays.
    """
    if not changed:
        return
    columns = ("customer_no", "version", "event_no")
    known = {
        customer_no: (version, event_no)
        for customer_no, version, event_no in rows_by_key(
            conn, tables.profile, "customer_no", changed, columns, within={"generation": generation}
        )
    }
    first = reserve(conn, "profile_change", len(changed))
    rows = []
    for number, (customer_no, gone_at) in enumerate(sorted(changed.items()), first):
        version, event_no = known.get(customer_no, (0, 0))
        rows.append(
            (generation, customer_no, version + 1, number, events.get(customer_no, event_no), gone_at)
        )
    changing = ("version", "changed_no", "event_no", "gone_at")
    upsert_rows(
        conn,
        tables.profile,
        ("generation", "customer_no", *changing),
        rows,
        key=("generation", "customer_no"),
        replace=changing,
    )
