"""The stage that turns interactions into buckets, purchases and support matters, all kept by record.

It counts whatever the record does, whoever the record turns out to be: identity never changes what is kept
here.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

from sqlalchemy import Connection, text

from customer_profiles.contracts.interaction import MATTER_ID, ORDER_ID, PURCHASE
from customer_profiles.marts import tables
from customer_profiles.marts.buckets import Grain, Interaction, cells, first_kept
from customer_profiles.marts.purchases import Purchase, categories_of
from customer_profiles.marts.stored import purchases_by_order, support_matters_by_id
from customer_profiles.marts.support import NOTHING, Said, SupportMatter
from customer_profiles.monitoring.ledger import StageResult, record_batch
from customer_profiles.state.bulk import rows_by_key, upsert_rows
from customer_profiles.state.cursors import move_cursor, read_cursor
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation
from customer_profiles.state.schema import from_json, to_json
from customer_profiles.state.sequences import reserve

_NEXT = text(
    """
    SELECT interaction_no, record_no, type, channel, occurred_at, received_at, value, currency, properties,
    event_id FROM interaction
    WHERE interaction_no > :position
    ORDER BY interaction_no
    LIMIT :limit
    """
)

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


class AccumulateStage:
    """Folds new interactions into what is kept of their records.

    Late, duplicate and out-of-order interactions give what a recomputation gives: sums do not care for order,
    what is kept of an order or a matter is decided by event time, and an event ID is counted once by ingest.
    """

    name = "accumulate"
    source = ""

    def __init__(self, state: State, generation: int | None = None) -> None:
        """Bind the stage.

        Args:
            state: The state.
            generation: The generation to write; None for the one that is live.
        """
        self._state = state
        self._generation = generation

    def advance(self, limit: int) -> StageResult:
        """Fold up to `limit` interactions, in one transaction with the cursor."""
        started = time.monotonic()
        with self._state.writing() as conn:
            generation = self._generation or live_generation(conn)
            cursor = read_cursor(conn, self.name, str(generation))
            position = cursor.position["interaction_no"] if cursor.position else 0
            rows = conn.execute(_NEXT, {"position": position, "limit": limit}).all()
            watermark = None
            if rows:
                accumulate(conn, generation, [tuple(row) for row in rows])
                move_cursor(conn, cursor, {"interaction_no": rows[-1][0]})
                watermark = max(row.received_at for row in rows)
            result = StageResult(
                stage=self.name,
                source=self.source,
                received=len(rows),
                applied=len(rows),
                watermark=watermark,
                seconds=time.monotonic() - started,
                more=len(rows) == limit,
            )
            if rows:
                record_batch(conn, result)
        return result


Row = tuple[int, int, str, str | None, int, int, int | None, str | None, str | None, str]


def accumulate(conn: Connection, generation: int, rows: Sequence[tuple[object, ...]]) -> None:
    """Fold interactions into the tables of a generation.

    Args:
        conn: A writing connection.
        generation: The generation.
        rows: Interactions that were not folded into it before, with the columns of the query above.
    """
    given: list[Row] = rows  # type: ignore[assignment]
    interactions = [
        Interaction(record_no, kind, channel or "", at, value, "" if value is None else currency or "")
        for _, record_no, kind, channel, at, _, value, currency, _, _ in given
    ]
    activity = _touch_activity(conn, generation, interactions)
    newest = {record_no: one.last_at for record_no, one in activity.items()}
    upsert_rows(
        conn,
        tables.bucket,
        (*_BUCKET_KEY, "count", "value_sum", "last_at"),
        [(generation, *cell) for cell in cells(interactions, newest)],
        key=_BUCKET_KEY,
        add=("count", "value_sum"),
        greatest=("last_at",),
    )
    _write_purchases(conn, generation, _purchases(given))
    _write_matters(conn, generation, _matters(given))


def _touch_activity(
    conn: Connection, generation: int, interactions: Iterable[Interaction]
) -> Mapping[int, _Activity]:
    """Move the records' first and last activity, number the change of each, drop buckets past their keep."""
    touched: dict[int, _Activity] = {}
    for one in interactions:
        held = touched.get(one.record_no)
        at = one.occurred_at
        if held is None:
            touched[one.record_no] = _Activity(at, at)
        elif at > held.last_at or at < held.first_at:
            touched[one.record_no] = _Activity(min(at, held.first_at), max(at, held.last_at))
    keys = [(generation, record_no) for record_no in touched]
    columns = ("record_no", "first_at", "last_at")
    before = {
        record_no: _Activity(first_at, last_at)
        for record_no, first_at, last_at in rows_by_key(
            conn, tables.record_activity, ("generation", "record_no"), keys, columns
        )
    }
    past_keep = []
    for record_no, old in before.items():
        new = _Activity(
            min(old.first_at, touched[record_no].first_at), max(old.last_at, touched[record_no].last_at)
        )
        touched[record_no] = new
        for grain in (Grain.MINUTE, Grain.HOUR):
            first = first_kept(grain, new.last_at)
            if first > first_kept(grain, old.last_at):
                key = {"generation": generation, "record_no": record_no, "grain": str(grain)}
                past_keep.append({**key, "first_kept": first})
    if past_keep:
        conn.execute(_PRUNE, past_keep)
    first_number = reserve(conn, "activity", len(touched))
    upsert_rows(
        conn,
        tables.record_activity,
        ("generation", "record_no", "changed_no", "first_at", "last_at"),
        [
            (generation, record_no, number, one.first_at, one.last_at)
            for number, (record_no, one) in enumerate(sorted(touched.items()), first_number)
        ],
        key=("generation", "record_no"),
        replace=("changed_no", "first_at", "last_at"),
    )
    return touched


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


def _write_purchases(conn: Connection, generation: int, purchases: Iterable[Purchase]) -> None:
    joined: dict[tuple[int, str], Purchase] = {}
    for one in purchases:
        key = (one.record_no, one.order_id)
        joined[key] = joined[key].joined(one) if key in joined else one
    for key, held in purchases_by_order(conn, generation, joined).items():
        joined[key] = joined[key].joined(held)
    columns = ("purchased_at", "stated_at", "value", "currency", "categories")
    upsert_rows(
        conn,
        tables.purchase,
        ("generation", "record_no", "order_id", *columns),
        [(generation, *astuple(one)[:-1], to_json(list(one.categories))) for one in joined.values()],
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


def _write_matters(conn: Connection, generation: int, matters: Iterable[SupportMatter]) -> None:
    joined: dict[tuple[int, str], SupportMatter] = {}
    for one in matters:
        key = (one.record_no, one.matter_id)
        joined[key] = joined[key].joined(one) if key in joined else one
    for key, held in support_matters_by_id(conn, generation, joined).items():
        joined[key] = joined[key].joined(held)
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
            for one in joined.values()
        ],
        key=("generation", "record_no", "matter_id"),
        replace=(*columns, "opened_at", "last_at"),
    )
