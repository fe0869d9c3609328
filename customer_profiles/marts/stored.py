"""What the marts keep, read back as their own types by index. Writes nothing, decides nothing."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table

from customer_profiles.marts import tables
from customer_profiles.marts.buckets import Bucket, Grain
from customer_profiles.marts.purchases import Purchase
from customer_profiles.marts.support import SupportMatter
from customer_profiles.marts.survivorship import Observed, Trait
from customer_profiles.state.bulk import rows_by_key
from customer_profiles.state.schema import from_json, to_json

BUCKET = (
    "record_no",
    "grain",
    "start",
    "type",
    "channel",
    "currency",
    "property",
    "count",
    "value_sum",
    "last_at",
)
"""The fields of :class:`Bucket`, in order."""
EVERYTHING: Mapping[Grain, int] = dict.fromkeys(Grain, 0)
"""Every grain from the beginning."""
_PURCHASE = ("record_no", "order_id", "purchased_at", "stated_at", "value", "currency", "categories")
_MATTER = (
    "record_no",
    "matter_id",
    "channel_at",
    "channel",
    "status_at",
    "status",
    "topic_at",
    "topic",
    "sentiment_at",
    "sentiment",
    "opened_at",
    "last_at",
)


def bucket_rows(
    conn: Connection,
    generation: int,
    record_nos: Collection[int],
    since: Mapping[Grain, int] = EVERYTHING,
    of_property: str | None = None,
    columns: Sequence[str] = BUCKET,
) -> list[tuple[Any, ...]]:
    """Rows of the records' buckets.

    Args:
        conn: A connection that sees the state store.
        generation: The generation.
        record_nos: The records.
        since: The grains that are wanted, and the earliest start of each (micros).
        of_property: Only buckets of this value of a property, or with the empty text those of all; None for both kinds.
        columns: Fields of :class:`Bucket`.

    Returns:
        The values of those fields.
    """
    of = {} if of_property is None else {"property": of_property}
    return [
        row
        for grain, start in since.items()
        for row in rows_by_key(
            conn,
            tables.bucket,
            "record_no",
            record_nos,
            columns,
            within={"generation": generation, "grain": str(grain), **of},
            least={"start": start},
        )
    ]


def buckets_of(conn: Connection, generation: int, record_nos: Collection[int]) -> list[Bucket]:
    """All buckets of the records."""
    return [Bucket(row[0], Grain(row[1]), *row[2:]) for row in bucket_rows(conn, generation, record_nos)]


def purchases_of(conn: Connection, generation: int, record_nos: Iterable[int]) -> list[Purchase]:
    """The orders of the records."""
    return [_purchase(row) for row in _of_records(conn, tables.purchase, generation, record_nos, _PURCHASE)]


def purchases_by_order(
    conn: Connection, generation: int, orders: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], Purchase]:
    """The orders that are already kept, of those asked for by record and order ID."""
    keys = [(generation, *order) for order in orders]
    rows = rows_by_key(conn, tables.purchase, ("generation", "record_no", "order_id"), keys, _PURCHASE)
    return {(one.record_no, one.order_id): one for one in map(_purchase, rows)}


def support_matters_of(conn: Connection, generation: int, record_nos: Iterable[int]) -> list[SupportMatter]:
    """The support matters of the records."""
    return [_matter(row) for row in _of_records(conn, tables.support_matter, generation, record_nos, _MATTER)]


def support_matters_by_id(
    conn: Connection, generation: int, matters: Iterable[tuple[int, str]]
) -> dict[tuple[int, str], SupportMatter]:
    """The matters that are already kept, of those asked for by record and matter ID."""
    keys = [(generation, *matter) for matter in matters]
    rows = rows_by_key(conn, tables.support_matter, ("generation", "record_no", "matter_id"), keys, _MATTER)
    return {(one.record_no, one.matter_id): one for one in map(_matter, rows)}


def traits_of(conn: Connection, generation: int, customer_nos: Iterable[int]) -> dict[int, dict[str, Trait]]:
    """The traits of the customers, by customer and name."""
    return {
        customer_no: {name: trait_of(name, row) for name, row in rows.items()}
        for customer_no, rows in trait_rows_of(conn, generation, customer_nos).items()
    }


TraitRow = tuple[str, str, int, int, str]
"""A trait as its table has it: value, source, record_no, observed_at, losing."""


def trait_rows_of(
    conn: Connection, generation: int, customer_nos: Iterable[int]
) -> dict[int, dict[str, TraitRow]]:
    """The traits of the customers as they are stored, by customer and name."""
    columns = ("customer_no", "name", "value", "source", "record_no", "observed_at", "losing")
    found: dict[int, dict[str, TraitRow]] = {}
    for customer_no, name, *row in rows_by_key(
        conn, tables.trait, "customer_no", customer_nos, columns, within={"generation": generation}
    ):
        found.setdefault(customer_no, {})[name] = tuple(row)
    return found


def trait_of(name: str, row: TraitRow) -> Trait:
    """A stored trait, read."""
    value, source, record_no, observed_at, losing = row
    lost = tuple(Observed(*one) for one in from_json(losing))
    return Trait(name, from_json(value), source, record_no, observed_at, lost)


def trait_row(trait: Trait) -> TraitRow:
    """A trait as it is stored: equal for equal traits."""
    losing = to_json([list(one) for one in trait.losing]) if trait.losing else "[]"
    return (to_json(trait.value), trait.source, trait.record_no, trait.observed_at, losing)


def _of_records(
    conn: Connection, table: Table, generation: int, record_nos: Iterable[int], columns: tuple[str, ...]
) -> list[tuple[Any, ...]]:
    return rows_by_key(conn, table, "record_no", record_nos, columns, within={"generation": generation})


def _purchase(row: tuple[Any, ...]) -> Purchase:
    record_no, order_id, purchased_at, stated_at, value, currency, categories = row
    names = tuple(from_json(categories))
    return Purchase(record_no, order_id, purchased_at, stated_at, value, currency, names)


def _matter(row: tuple[Any, ...]) -> SupportMatter:
    record_no, matter_id, *said, opened_at, last_at = row
    channel, status, topic, sentiment = zip(said[::2], said[1::2], strict=True)
    return SupportMatter(record_no, matter_id, channel, status, topic, sentiment, opened_at, last_at)
