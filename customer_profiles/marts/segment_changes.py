"""The feed of who entered and who left which segment, when and why: appended, numbered, never rewritten.

It tells of the live generation; what a rebuild changes is told once, at the switch. Nothing here leaves the house.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, bindparam, func, select, text

from customer_profiles.marts import tables
from customer_profiles.state.bulk import insert_rows
from customer_profiles.state.sequences import reserve


class CauseKind(StrEnum):
    """What made a customer enter or leave. Where several things came together, the last of these that did."""

    RULES = "rules"
    """The rules changed; no number."""
    TIME = "time"
    """Nothing but time; the number is the moment from which it could, micros."""
    INTERACTION = "interaction"
    """One of its records did something; the number is the record's."""
    RECORD = "record"
    """What its records say changed; the number is that of the record whose value its profile took last."""
    IDENTITY = "identity"
    """It came to be, was merged, split or ended; the number is the identity event's."""
    REBUILD = "rebuild"
    """A rebuild was switched to; the number is the generation's."""


@dataclass(frozen=True, slots=True)
class Cause:
    """Why, and the number that goes with it."""

    kind: CauseKind
    number: int = 0


@dataclass(frozen=True, slots=True)
class SegmentChange:
    """A customer that entered or left a segment."""

    customer_no: int
    segment: str
    entered: bool
    cause: Cause


@dataclass(frozen=True, slots=True)
class ToldChange:
    """A change as the feed holds it.

    Attributes:
        change_no: Its number.
        customer_no: The customer.
        segment: The segment.
        kind: entered or left.
        changed_at: When, micros.
        cause: Why.
    """

    change_no: int
    customer_no: int
    segment: str
    kind: str
    changed_at: int
    cause: Cause


_COLUMNS = ("change_no", "customer_no", "segment", "kind", "changed_at", "cause_kind", "cause")

_TABLE = tables.segment_change.c

_DROPPED = """
    FROM segment_membership
    WHERE generation = :generation AND until IS NULL AND segment NOT IN :segments
"""

_COUNT_DROPPED = text(f"SELECT count(*) {_DROPPED}").bindparams(bindparam("segments", expanding=True))

_TELL_DROPPED = text(
    f"""
    INSERT INTO segment_change (change_no, customer_no, segment, kind, changed_at, cause_kind, cause)
    SELECT
        :first - 1 + row_number() OVER (ORDER BY segment, customer_no), customer_no, segment, 'left', :now, 'rules', 0
    {_DROPPED}
    """
).bindparams(bindparam("segments", expanding=True))

# Who is inside in one of two generations only.
_SWITCHED = """
    FROM segment_membership AS here
    LEFT JOIN segment_membership AS there
        ON there.generation = :there
        AND there.segment = here.segment
        AND there.customer_no = here.customer_no
        AND there.until IS NULL
    WHERE here.generation = :here AND here.until IS NULL AND there.customer_no IS NULL
"""

_COUNT_SWITCHED = text(f"SELECT count(*) {_SWITCHED}")

_TELL_SWITCHED = text(
    f"""
    INSERT INTO segment_change (change_no, customer_no, segment, kind, changed_at, cause_kind, cause)
    SELECT
        :first - 1 + row_number() OVER (ORDER BY here.segment, here.customer_no),
        here.customer_no, here.segment, :kind, :now, 'rebuild', :rebuilt
    {_SWITCHED}
    """
)


def tell(conn: Connection, changes: Iterable[SegmentChange], now: int) -> None:
    """Append changes to the feed, those of one call in order of segment and customer; `now` in micros."""
    told = sorted(changes, key=lambda one: (one.segment, one.customer_no, one.entered))
    if not told:
        return
    first = reserve(conn, "segment_change", len(told))
    rows = [
        (
            number,
            one.customer_no,
            one.segment,
            "entered" if one.entered else "left",
            now,
            str(one.cause.kind),
            one.cause.number,
        )
        for number, one in enumerate(told, first)
    ]
    insert_rows(conn, tables.segment_change, _COLUMNS, rows)


def tell_dropped(conn: Connection, generation: int, segments: Iterable[str], now: int) -> None:
    """Tell that everybody left the segments that are not among these; before they are closed."""
    given = {"generation": generation, "segments": list(segments)}
    if count := conn.execute(_COUNT_DROPPED, given).scalar_one():
        first = reserve(conn, "segment_change", count)
        conn.execute(_TELL_DROPPED, {**given, "first": first, "now": now})


def tell_switch(conn: Connection, live: int, rebuilt: int, now: int) -> None:
    """Tell who left and who entered by a rebuild; in the transaction of the switch, before memberships are carried over."""
    for kind, here, there in (("left", live, rebuilt), ("entered", rebuilt, live)):
        if count := conn.execute(_COUNT_SWITCHED, {"here": here, "there": there}).scalar_one():
            first = reserve(conn, "segment_change", count)
            given = {"here": here, "there": there, "rebuilt": rebuilt, "kind": kind}
            conn.execute(_TELL_SWITCHED, {**given, "first": first, "now": now})


def last_change(conn: Connection) -> int:
    """The number of the newest change; 0 before the first."""
    return int(conn.execute(select(func.max(_TABLE.change_no))).scalar_one() or 0)


def changes_since(conn: Connection, since: int, most: int, segment: str | None = None) -> list[ToldChange]:
    """The changes after one, in their order: ask again from the last one for those that follow.

    Args:
        conn: A connection that sees the state store.
        since: The number of the last change that is known already; 0 for all.
        most: How many at most.
        segment: Of this segment alone.
    """
    wanted = select(*(_TABLE[name] for name in _COLUMNS)).where(_TABLE.change_no > since)
    if segment is not None:
        wanted = wanted.where(_TABLE.segment == segment)
    return [
        ToldChange(
            row.change_no,
            row.customer_no,
            row.segment,
            row.kind,
            row.changed_at,
            Cause(CauseKind(row.cause_kind), row.cause),
        )
        for row in conn.execute(wanted.order_by(_TABLE.change_no).limit(most))
    ]


def changes_by_cause(conn: Connection, since: int) -> list[tuple[str, str, str, int]]:
    """How many changes came after one: segment, entered or left, cause, number."""
    columns = (_TABLE.segment, _TABLE.kind, _TABLE.cause_kind)
    rows = conn.execute(
        select(*columns, func.count()).where(_TABLE.change_no > since).group_by(*columns).order_by(*columns)
    )
    return [(segment, kind, cause, count) for segment, kind, cause, count in rows]
