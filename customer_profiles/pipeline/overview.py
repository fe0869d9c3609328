"""Where the house stands, in numbers: what checks, metadata and the end of a run show. Reads; never writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow.parquet as pq
import sqlalchemy as sa

from customer_profiles.identity.evaluation import Evaluation, evaluate
from customer_profiles.monitoring.ledger import LedgerCheck, ledger_check
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation


@dataclass(frozen=True)
class ClusterShape:
    """How many records customers have.

    Attributes:
        sizes: Number of records -> number of customers with so many.
    """

    sizes: Mapping[int, int]

    @property
    def customers(self) -> int:
        """How many customers there are."""
        return sum(self.sizes.values())

    @property
    def largest(self) -> int:
        """Records of the customer that has most."""
        return max(self.sizes, default=0)

    @property
    def singleton_share(self) -> float:
        """Share of the customers that have one record."""
        return self.sizes.get(1, 0) / self.customers if self.customers else 0.0


@dataclass(frozen=True)
class HubShare:
    """How many values of one kind of identifier are held by more records than their cap."""

    kind: str
    values: int
    hubs: int

    @property
    def share(self) -> float:
        """Share of the values that are hubs."""
        return self.hubs / self.values if self.values else 0.0


@dataclass(frozen=True)
class Accuracy:
    """Clusters against a known truth: over pairs of records, and over records (B-cubed).

    Attributes:
        records: How many records have a known truth.
        precision: Share of the pairs put together that belong together.
        recall: Share of the pairs that belong together that were put together.
        f1: Their harmonic mean.
        b_cubed_precision: Mean over records of the share of its customer that is its person.
        b_cubed_recall: Mean over records of the share of its person that is in its customer.
        b_cubed_f1: Their harmonic mean.
        largest: Records of the largest customer.
    """

    records: int
    precision: float
    recall: float
    f1: float
    b_cubed_precision: float
    b_cubed_recall: float
    b_cubed_f1: float
    largest: int

    @classmethod
    def of(cls, found: Evaluation) -> Accuracy:
        """An evaluation, as reports and checks show it."""
        pairs, cubed = found.pairs, found.b_cubed
        return cls(
            found.records,
            pairs.precision,
            pairs.recall,
            pairs.f1,
            cubed.precision,
            cubed.recall,
            cubed.f1,
            found.largest,
        )


@dataclass(frozen=True)
class Summary:
    """Totals since the beginning.

    Attributes:
        received: Envelopes taken in from the sources.
        applied: Of these, those that changed something.
        unchanged: Said what was known.
        duplicate: Came before.
        quarantined: Broke their contract when they came.
        ledger_adds_up: Whether every batch of every stage is accounted for.
        records: Live records.
        interactions: Interactions kept.
        customers: Customers.
        accuracy: Pairs of records against the known truth, where there is one.
    """

    received: int
    applied: int
    unchanged: int
    duplicate: int
    quarantined: int
    ledger_adds_up: bool
    records: int
    interactions: int
    customers: int
    accuracy: Accuracy | None


_SIZES = sa.text(
    """
    SELECT size, count(*)
    FROM (SELECT customer_no, count(*) AS size FROM member WHERE generation = :generation GROUP BY customer_no) AS c
    GROUP BY size
    """
)

_HOLDERS = sa.text(
    """
    SELECT kind, holders, count(*)
    FROM (SELECT kind, value, count(*) AS holders FROM identifier GROUP BY kind, value) AS v
    GROUP BY kind, holders
    """
)

_SEGMENTS = sa.text(
    """
    SELECT segment, count(*)
    FROM segment_membership
    WHERE generation = :generation AND until IS NULL
    GROUP BY segment
    """
)

_CUSTOMER_OF = sa.text(
    """
    SELECT record.source, record.source_key, member.customer_no
    FROM member
    JOIN record ON record.record_no = member.record_no
    WHERE member.generation = :generation
    """
)

_INGESTED = sa.text(
    """
    SELECT coalesce(sum(received), 0), coalesce(sum(applied), 0), coalesce(sum(unchanged), 0),
        coalesce(sum(duplicate), 0), coalesce(sum(quarantined), 0)
    FROM ledger
    WHERE source <> ''
    """
)

_BEST_CONNECTED = sa.text(
    """
    SELECT record.source, record.source_key
    FROM member
    JOIN record ON record.record_no = member.record_no
    WHERE member.generation = :generation AND member.customer_no = (
        SELECT member.customer_no
        FROM member
        JOIN record ON record.record_no = member.record_no
        WHERE member.generation = :generation
        GROUP BY member.customer_no
        ORDER BY count(DISTINCT record.source) DESC, member.customer_no
        LIMIT 1
    )
    ORDER BY record.record_no
    LIMIT 1
    """
)


def rows_in(state: State, table: str, source: str | None = None) -> int:
    """How many rows a table holds: of one source where one is named, of the live generation where it has any.

    Args:
        state: The open state.
        table: A table of any store; its name comes from the code, never from a user.
        source: Only the rows of this source.
    """
    with state.everything() as connection:
        shown = connection.execute(sa.select(sa.text("*")).select_from(sa.table(table)).limit(0))
        columns = set(shown.keys())
        query = sa.select(sa.func.count()).select_from(sa.table(table))
        if source is not None:
            query = query.where(sa.column("source") == source)
        if source is None and "generation" in columns:
            query = query.where(sa.column("generation") == live_generation(connection))
        return int(connection.execute(query).scalar_one())


def cluster_shape(state: State) -> ClusterShape:
    """How many records the customers of the live generation have."""
    with state.reading() as connection:
        rows = connection.execute(_SIZES, {"generation": live_generation(connection)}).all()
    return ClusterShape({int(size): int(customers) for size, customers in rows})


def hub_shares(state: State, settings: Settings) -> list[HubShare]:
    """By kind of identifier, how many values are over its cap."""
    values: dict[str, int] = {}
    hubs: dict[str, int] = {}
    with state.reading() as connection:
        for kind, holders, count in connection.execute(_HOLDERS):
            rule = settings.identity.identifiers.get(kind)
            values[kind] = values.get(kind, 0) + int(count)
            over = rule is not None and int(holders) > rule.cap
            hubs[kind] = hubs.get(kind, 0) + (int(count) if over else 0)
    return [HubShare(kind, values[kind], hubs[kind]) for kind in sorted(values)]


def segment_sizes(state: State) -> dict[str, int]:
    """How many customers are in each segment now."""
    with state.reading() as connection:
        rows = connection.execute(_SEGMENTS, {"generation": live_generation(connection)}).all()
    return {str(segment): int(count) for segment, count in rows}


def accuracy(state: State, settings: Settings) -> Accuracy | None:
    """Pairs of records against the known truth; None where the settings name none, or it is not there."""
    path = settings.identity.truth
    if path is None or not path.exists():
        return None
    truth = pq.read_table(path, columns=["source", "source_key", "person"]).to_pydict()
    person_of = dict(
        zip(zip(truth["source"], truth["source_key"], strict=True), truth["person"], strict=True)
    )
    labels: list[int] = []
    persons: list[object] = []
    with state.reading() as connection:
        for source, source_key, customer_no in connection.execute(
            _CUSTOMER_OF, {"generation": live_generation(connection)}
        ):
            person = person_of.get((source, source_key))
            if person is not None:
                labels.append(int(customer_no))
                persons.append(person)
    return Accuracy.of(evaluate(labels, persons))


def account(state: State, source: str, contract: str) -> LedgerCheck:
    """Whether the ledger of one ingest stage adds up, and its totals."""
    with state.reading() as connection:
        return ledger_check(connection, f"ingest_{contract}", source)


def summary(state: State, settings: Settings) -> Summary:
    """Totals since the beginning."""
    with state.reading() as connection:
        ingested = [int(value) for value in connection.execute(_INGESTED).one()]
        adds_up = ledger_check(connection).adds_up
    received, applied, unchanged, duplicate, quarantined = ingested
    return Summary(
        received=received,
        applied=applied,
        unchanged=unchanged,
        duplicate=duplicate,
        quarantined=quarantined,
        ledger_adds_up=adds_up,
        records=rows_in(state, "member"),
        interactions=rows_in(state, "interaction"),
        customers=cluster_shape(state).customers,
        accuracy=accuracy(state, settings),
    )


def best_connected(state: State) -> str | None:
    """An identifier of the customer whose records come from most sources, as `source:key`; None without customers."""
    with state.reading() as connection:
        row = connection.execute(_BEST_CONNECTED, {"generation": live_generation(connection)}).one_or_none()
    return None if row is None else f"{row[0]}:{row[1]}"
