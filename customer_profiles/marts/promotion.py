"""What a rebuilt generation takes over from the live one when it is promoted: histories are never cleared.

Call :func:`carry_over` in the transaction that promotes, before the switch.
"""

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from sqlalchemy import Connection, text

from customer_profiles.marts import tables
from customer_profiles.marts.segment_changes import tell_switch
from customer_profiles.marts.stamps import stamp
from customer_profiles.marts.stored import trait_row, traits_of
from customer_profiles.marts.traits import Cause, TraitChange, write_history
from customer_profiles.state.bulk import upsert_rows

_BATCH = 10_000

_CUSTOMERS = text(
    """
    SELECT DISTINCT customer_no
    FROM profile
    WHERE generation IN (:live, :rebuilt) AND customer_no > :position
    ORDER BY customer_no
    LIMIT :limit
    """
)

_GONE = text(
    """
    SELECT old.customer_no
    FROM profile AS old
    LEFT JOIN profile AS new ON new.generation = :rebuilt AND new.customer_no = old.customer_no
    WHERE old.generation = :live AND new.customer_no IS NULL
    """
)

_CLOSED = text(
    """
    INSERT INTO segment_membership (generation, segment, customer_no, since, until)
    SELECT :rebuilt, old.segment, old.customer_no, old.since, coalesce(old.until, :now)
    FROM segment_membership AS old
    LEFT JOIN segment_membership AS new
        ON new.generation = :rebuilt
        AND new.segment = old.segment
        AND new.customer_no = old.customer_no
        AND new.until IS NULL
    WHERE old.generation = :live AND (old.until IS NOT NULL OR new.customer_no IS NULL)
    ON CONFLICT DO NOTHING
    """
)

_OPEN = text(
    """
    UPDATE segment_membership
    SET since = (
        SELECT old.since
        FROM segment_membership AS old
        WHERE old.generation = :live
            AND old.segment = segment_membership.segment
            AND old.customer_no = segment_membership.customer_no
            AND old.until IS NULL
    )
    WHERE generation = :rebuilt AND until IS NULL AND EXISTS (
        SELECT 1
        FROM segment_membership AS old
        WHERE old.generation = :live
            AND old.segment = segment_membership.segment
            AND old.customer_no = segment_membership.customer_no
            AND old.until IS NULL
    )
    """
)

_VERSIONS = text(
    """
    SELECT new.customer_no, coalesce(old.version, 0), new.version, new.changed_no, new.event_no
    FROM profile AS new
    LEFT JOIN profile AS old ON old.generation = :live AND old.customer_no = new.customer_no
    WHERE new.generation = :rebuilt
    """
)


def carry_over(
    conn: Connection, live: int, rebuilt: int, now: int, events: Mapping[int, int] = MappingProxyType({})
) -> int:
    """Take over histories and versions, and write what the rebuild changes as history.

    Args:
        conn: The writing connection of the promotion.
        live: The generation that is live until now.
        rebuilt: The one to be promoted, fully built.
        now: Micros.
        events: By customer, the last identity event of the switch; the rebuilt profiles have it in them already.

    Returns:
        How many traits the rebuild gives another value.
    """
    tell_switch(conn, live, rebuilt, now)
    gone = dict.fromkeys(conn.execute(_GONE, {"live": live, "rebuilt": rebuilt}).scalars(), now)
    stamp(conn, rebuilt, gone)
    # A consumer drops a version that is not newer than the one it has: a rebuild goes on where the live one
    # stands.
    versions = [
        (rebuilt, customer_no, old + new, changed_no, events.get(customer_no, event_no))
        for customer_no, old, new, changed_no, event_no in conn.execute(
            _VERSIONS, {"live": live, "rebuilt": rebuilt}
        )
    ]
    upsert_rows(
        conn,
        tables.profile,
        ("generation", "customer_no", "version", "changed_no", "event_no"),
        versions,
        key=("generation", "customer_no"),
        replace=("version", "event_no"),
    )
    conn.execute(_OPEN, {"live": live, "rebuilt": rebuilt})
    conn.execute(_CLOSED, {"live": live, "rebuilt": rebuilt, "now": now})
    changed = 0
    for customer_nos in _batches(conn, live, rebuilt):
        before, after = traits_of(conn, live, customer_nos), traits_of(conn, rebuilt, customer_nos)
        changes = [
            TraitChange(customer_no, name, old, new)
            for customer_no in customer_nos
            for name in sorted(before.get(customer_no, {}).keys() | after.get(customer_no, {}).keys())
            for old in (before.get(customer_no, {}).get(name),)
            for new in (after.get(customer_no, {}).get(name),)
            if old is None or new is None or trait_row(old) != trait_row(new)
        ]
        changed += sum(one.other_value for one in changes)
        write_history(conn, changes, now, lambda _: Cause("rebuild", rebuilt))
    return changed


def _batches(conn: Connection, live: int, rebuilt: int) -> Iterator[list[int]]:
    position = 0
    while True:
        given = {"live": live, "rebuilt": rebuilt, "position": position, "limit": _BATCH}
        customer_nos = list(conn.execute(_CUSTOMERS, given).scalars())
        if customer_nos:
            yield customer_nos
            position = customer_nos[-1]
        if len(customer_nos) < _BATCH:
            return
