"""Folds interactions into what is kept of their records: activity, buckets, purchases, support matters."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

from sqlalchemy import Connection, text

from customer_profiles.contracts.interaction import MATTER_ID, ORDER_ID, PURCHASE
from customer_profiles.marts import tables
from customer_profiles.marts.buckets import Cell, Counting, Grain, Interaction, cells
from customer_profiles.marts.facts import counted_properties
from customer_profiles.marts.purchases import Purchase, categories_of
from customer_profiles.marts.stored import purchases_by_order, support_matters_by_id
from customer_profiles.marts.support import NOTHING, Said, SupportMatter
from customer_profiles.state.bulk import rows_by_key, upsert_rows
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve

COLUMNS = (
    "interaction_no",
    "record_no",
    "type",
    "channel",
    "occurred_at",
    "received_at",
    "value",
    "currency",
    "properties",
    "event_id",
)
"""The columns of an interaction that are folded, in the order of :data:`Row`."""

_PRUNE = text(
    """
    DELETE FROM bucket
    WHERE generation = :generation AND record_no = :record_no AND grain = :grain AND start < :first_kept
    """
)

_BUCKET_KEY = ("generation", "record_no", "grain", "start", "type", "channel", "currency", "property")


@dataclass(frozen=True, slots=True)
class _Activity:
    first_at: int
    last_at: int


Row = tuple[int, int, str, str | None, int, int, int | None, str | None, str | None, str]
"""An interaction as it is kept."""


@dataclass(frozen=True, slots=True)
class Folded:
    """What becomes of the tables of a generation with some interactions; nothing of it is written yet.

    Attributes:
        activity: By record its first and last activity.
        past_keep: By grain and record, the start of the oldest bucket that stays, where some go.
        cells: What buckets grow by.
        purchases: By record and order, as they are then. ``matters``: by record and support matter, likewise.
    """

    activity: Mapping[int, _Activity]
    past_keep: Mapping[Grain, Mapping[int, int]]
    cells: Sequence[Cell]
    purchases: Mapping[tuple[int, str], Purchase]
    matters: Mapping[tuple[int, str], SupportMatter]


def fold(conn: Connection, generation: int, rows: Sequence[Row], counting: Counting) -> None:
    """Fold interactions into the tables of a generation.

    Args:
        conn: A writing connection.
        generation: The generation.
        rows: Interactions that were not folded into it before.
        counting: What is counted.
    """
    write_folded(conn, generation, folded(conn, generation, rows, counting))


def folded(conn: Connection, generation: int, rows: Sequence[Row], counting: Counting) -> Folded:
    """What `fold` writes; it stays true until somebody else folds into the generation."""
    interactions = counted(rows, counting)
    activity, past_keep = _activity(conn, generation, interactions, counting)
    newest = {record_no: one.last_at for record_no, one in activity.items()}
    return Folded(
        activity,
        past_keep,
        cells(interactions, newest, counting),
        _joined_purchases(conn, generation, _purchases(rows)),
        _joined_matters(conn, generation, _matters(rows)),
    )


def write_folded(conn: Connection, generation: int, found: Folded) -> None:
    """The second half of `fold`."""
    for grain, first_kept in found.past_keep.items():
        drop_buckets(conn, generation, grain, first_kept)
    _write_activity(conn, generation, found.activity)
    _write_cells(conn, generation, found.cells)
    _write_purchases(conn, generation, found.purchases.values())
    _write_matters(conn, generation, found.matters.values())


def counted(rows: Iterable[Row], counting: Counting) -> list[Interaction]:
    """What buckets need of interactions."""
    names = counting.properties
    return [
        Interaction(
            record_no,
            kind,
            channel or "",
            at,
            value,
            "" if value is None else currency or "",
            counted_properties(from_json(properties), names) if names and properties else (),
        )
        for _, record_no, kind, channel, at, _, value, currency, properties, _ in rows
    ]


def count(
    conn: Connection,
    generation: int,
    interactions: Iterable[Interaction],
    newest: Mapping[int, int],
    counting: Counting,
) -> None:
    """Add interactions to the buckets of their records.

    Args:
        conn: A writing connection.
        generation: The generation.
        interactions: Those that are in no bucket yet.
        newest: By record, when its newest interaction happened, these included (micros).
        counting: What is counted.
    """
    _write_cells(conn, generation, cells(interactions, newest, counting))


def _write_cells(conn: Connection, generation: int, grown: Iterable[Cell]) -> None:
    upsert_rows(
        conn,
        tables.bucket,
        (*_BUCKET_KEY, "count", "value_sum", "last_at"),
        [(generation, *cell) for cell in grown],
        key=_BUCKET_KEY,
        add=("count", "value_sum"),
        greatest=("last_at",),
    )


def drop_buckets(conn: Connection, generation: int, grain: Grain, first_kept: Mapping[int, int]) -> int:
    """Delete the oldest buckets of records.

    Args:
        conn: A writing connection.
        generation: The generation.
        grain: Of this grain alone.
        first_kept: By record, the start of the oldest bucket that stays (micros).

    Returns:
        How many buckets went.
    """
    key = {"generation": generation, "grain": str(grain)}
    dropped = [
        {**key, "record_no": record_no, "first_kept": start}
        for record_no, start in sorted(first_kept.items())
    ]
    return int(conn.execute(_PRUNE, dropped).rowcount) if dropped else 0


def _activity(
    conn: Connection, generation: int, interactions: Iterable[Interaction], counting: Counting
) -> tuple[Mapping[int, _Activity], Mapping[Grain, Mapping[int, int]]]:
    """The records' first and last activity, and from where on buckets stay, where some are past their keep now."""
    touched: dict[int, _Activity] = {}
    for one in interactions:
        held = touched.get(one.record_no)
        at = one.occurred_at
        if held is None:
            touched[one.record_no] = _Activity(at, at)
        elif at > held.last_at or at < held.first_at:
            touched[one.record_no] = _Activity(min(at, held.first_at), max(at, held.last_at))
    columns = ("record_no", "first_at", "last_at")
    before = {
        record_no: _Activity(first_at, last_at)
        for record_no, first_at, last_at in rows_by_key(
            conn, tables.record_activity, "record_no", touched, columns, within={"generation": generation}
        )
        if last_at is not None
    }
    past_keep: dict[Grain, dict[int, int]] = {grain: {} for grain in counting.kept}
    for record_no, old in before.items():
        new = _Activity(
            min(old.first_at, touched[record_no].first_at), max(old.last_at, touched[record_no].last_at)
        )
        touched[record_no] = new
        for grain in counting.kept:
            first = counting.first_kept(grain, new.last_at)
            if first > counting.first_kept(grain, old.last_at):
                past_keep[grain][record_no] = first
    return touched, past_keep


def _write_activity(conn: Connection, generation: int, touched: Mapping[int, _Activity]) -> None:
    """Move the records' first and last activity, and number the change of each."""
    first_number = reserve(conn, "activity", len(touched))
    # In the order of time, so that those that are quiet first are first in the order of changes too.
    in_order = sorted(touched.items(), key=lambda item: (item[1].last_at, item[0]))
    upsert_rows(
        conn,
        tables.record_activity,
        ("generation", "record_no", "changed_no", "first_at", "last_at"),
        [
            (generation, record_no, number, one.first_at, one.last_at)
            for number, (record_no, one) in enumerate(in_order, first_number)
        ],
        key=("generation", "record_no"),
        replace=("changed_no", "first_at", "last_at"),
    )


def _purchases(rows: Iterable[Row]) -> list[Purchase]:
    found = []
    for _, record_no, kind, _, at, _, value, currency, properties, event_id in rows:
        if kind == PURCHASE.type:
            said = from_json(properties) if properties else {}
            order_id = str(said.get(ORDER_ID.name) or event_id)
            found.append(
                Purchase(record_no, order_id, at, at, value or 0, currency or "", categories_of(said))
            )
    return found


def _joined_purchases(
    conn: Connection, generation: int, purchases: Iterable[Purchase]
) -> Mapping[tuple[int, str], Purchase]:
    """Purchases together with what is kept of the same orders."""
    joined: dict[tuple[int, str], Purchase] = {}
    for one in purchases:
        key = (one.record_no, one.order_id)
        joined[key] = joined[key].joined(one) if key in joined else one
    for key, held in purchases_by_order(conn, generation, joined).items():
        joined[key] = joined[key].joined(held)
    return joined


def _write_purchases(conn: Connection, generation: int, purchases: Iterable[Purchase]) -> None:
    columns = ("purchased_at", "stated_at", "value", "currency", "categories")
    upsert_rows(
        conn,
        tables.purchase,
        ("generation", "record_no", "order_id", *columns),
        [(generation, *astuple(one)[:-1], to_json(list(one.categories))) for one in purchases],
        key=("generation", "record_no", "order_id"),
        replace=columns,
    )


def _matters(rows: Iterable[Row]) -> list[SupportMatter]:
    found = []
    for _, record_no, _, channel, at, _, _, _, properties, _ in rows:
        if not properties or MATTER_ID.name not in properties:
            continue
        said = from_json(properties)
        if matter_id := said.get(MATTER_ID.name):
            status, topic, sentiment = (
                _said(said.get(name), at) for name in ("status", "topic", "sentiment")
            )
            found.append(
                SupportMatter(
                    record_no,
                    str(matter_id),
                    _said(channel, at),
                    status,
                    topic,
                    sentiment,
                    opened_at=at,
                    last_at=at,
                )
            )
    return found


def _said(value: object, at: int) -> Said:
    return (at, str(value)) if value else NOTHING


def _joined_matters(
    conn: Connection, generation: int, matters: Iterable[SupportMatter]
) -> Mapping[tuple[int, str], SupportMatter]:
    """Support matters together with what is kept of them."""
    joined: dict[tuple[int, str], SupportMatter] = {}
    for one in matters:
        key = (one.record_no, one.matter_id)
        joined[key] = joined[key].joined(one) if key in joined else one
    for key, held in support_matters_by_id(conn, generation, joined).items():
        joined[key] = joined[key].joined(held)
    return joined


def _write_matters(conn: Connection, generation: int, matters: Iterable[SupportMatter]) -> None:
    said = ("channel", "status", "topic", "sentiment")
    columns = tuple(column for name in said for column in (f"{name}_at", name))
    upsert_rows(
        conn,
        tables.support_matter,
        ("generation", "record_no", "matter_id", *columns, "opened_at", "last_at"),
        [
            (
                generation,
                one.record_no,
                one.matter_id,
                *one.channel,
                *one.status,
                *one.topic,
                *one.sentiment,
                one.opened_at,
                one.last_at,
            )
            for one in matters
        ],
        key=("generation", "record_no", "matter_id"),
        replace=(*columns, "opened_at", "last_at"),
    )
