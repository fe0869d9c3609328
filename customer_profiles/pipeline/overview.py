"""Where the house stands, in numbers: what checks, metadata and the end of a run show. Reads; never writes."""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.identity import checks
from customer_profiles.identity.evaluation.evaluation import Evaluation
from customer_profiles.identity.explain.recent_events import ExplainedEvent, recent_events
from customer_profiles.identity.graph.events import events_by_cause, last_event
from customer_profiles.identity.model.models import model_in_use
from customer_profiles.identity.model.report import ModelReport, model_report
from customer_profiles.identity.stewardship import labels
from customer_profiles.marts.segment_changes import changes_by_cause, last_change
from customer_profiles.monitoring.ledger import LedgerCheck, ledger_check
from customer_profiles.settings import Settings
from customer_profiles.state.engine import State
from customer_profiles.state.generations import live_generation
from customer_profiles.state.history.manifest import totals
from customer_profiles.state.schema import from_json


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
        interactions: Interactions kept, those in the history too.
        customers: Customers.
        accuracy: Pairs of records against the known truth, where there is one that can be read.
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


_SEGMENTS = sa.text(
    """
    SELECT segment, count(*)
    FROM segment_membership
    WHERE generation = :generation AND until IS NULL
    GROUP BY segment
    """
)

_INGESTED = sa.text(
    """
    SELECT coalesce(sum(received), 0), coalesce(sum(applied), 0), coalesce(sum(unchanged), 0),
        coalesce(sum(duplicate), 0), coalesce(sum(quarantined), 0)
    FROM (
        SELECT stage, received, applied, unchanged, duplicate, quarantined FROM ledger
        UNION ALL
        SELECT stage, received, applied, unchanged, duplicate, quarantined FROM ledger_total
    ) AS everything
    WHERE stage LIKE 'ingest_%'
    """
)

_LATE_BATCHES = sa.text(
    """
    SELECT facts
    FROM ledger
    WHERE stage = 'resolve'
    ORDER BY batch_no DESC
    LIMIT 1000
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


def cluster_shape(state: State) -> checks.ClusterShape:
    """The shape of the customers of the live generation."""
    with state.reading() as connection:
        return checks.cluster_shape(connection, live_generation(connection))


def largest_region(state: State) -> int:
    """The most records that one of the last thousand batches had to look at to cluster its region again."""
    with state.reading() as connection:
        facts = [from_json(text) for (text,) in connection.execute(_LATE_BATCHES)]
    return max((int(one.get("region_loaded", 0)) for one in facts), default=0)


def match_weights(state: State) -> list[tuple[str, str, float]]:
    """Comparison, level and weight in bits of the model in use."""
    with state.reading() as connection:
        return model_in_use(connection).bundle.match_weights()


@dataclass(frozen=True)
class EventsTold:
    """What happened to customers since an event.

    Attributes:
        counts: Kind, cause, number of events.
        newest: The newest merges and splits, with why.
    """

    counts: list[tuple[str, str, int]]
    newest: list[ExplainedEvent]


def last_identity_event(state: State) -> int:
    """The number of the newest identity event; 0 before the first."""
    with state.reading() as connection:
        return last_event(connection)


def identity_events(state: State, settings: Settings, since: int, most: int = 10) -> EventsTold:
    """What happened to customers after an event, the newest merges and splits explained.

    Args:
        state: The open state.
        settings: The settings.
        since: The number of that event.
        most: How many are explained at most.
    """
    with state.reading() as connection:
        live = live_generation(connection)
        return EventsTold(
            events_by_cause(connection, since),
            recent_events(connection, live, settings.identity, since, most),
        )


def hub_shares(state: State, settings: Settings) -> list[checks.HubShare]:
    """By kind of identifier, how many values are over its cap."""
    with state.reading() as connection:
        return checks.hub_shares(connection, settings.identity)


def segment_sizes(state: State) -> dict[str, int]:
    """How many customers are in each segment now."""
    with state.reading() as connection:
        rows = connection.execute(_SEGMENTS, {"generation": live_generation(connection)}).all()
    return {str(segment): int(count) for segment, count in rows}


def last_segment_change(state: State) -> int:
    """The number of the newest entry or exit of a segment; 0 before the first."""
    with state.reading() as connection:
        return last_change(connection)


def segment_changes(state: State, since: int) -> list[tuple[str, str, str, int]]:
    """How many customers entered and left segments after a change: segment, entered or left, cause, number."""
    with state.reading() as connection:
        return changes_by_cause(connection, since)


def accuracy(state: State, settings: Settings) -> Accuracy | None:
    """Pairs of records against the known truth; None where the settings name none.

    Raises:
        TruthError: The file is not there, or lacks one of its columns.
    """
    if settings.identity.truth is None:
        return None
    with state.reading() as connection:
        return Accuracy.of(checks.accuracy(connection, live_generation(connection), settings.identity.truth))


def reviewed_precision(state: State, settings: Settings) -> labels.ReviewedPrecision:
    """How often the accepted matches of the random sample are right, from what stewards decided."""
    with state.reading() as connection:
        return labels.reviewed_precision(connection, settings.identity)


def report_on_model(state: State, settings: Settings, version: int) -> ModelReport:
    """What a model is like, measured on the records of today; without the truth where that cannot be read.

    Raises:
        BundleError: Its bundle cannot be read.
        ModelError: There is no such version.
    """
    with state.reading() as connection:
        try:
            return model_report(connection, version, settings.identity)
        except checks.TruthError:  # the check on the graph says so; a report goes on without it
            return model_report(connection, version, settings.identity.model_copy(update={"truth": None}))


def account(state: State, stage: str, source: str | None = None) -> LedgerCheck:
    """Whether the ledger of one stage adds up, and its totals; of one source where one is named."""
    with state.reading() as connection:
        return ledger_check(connection, stage, source)


def summary(state: State, settings: Settings) -> Summary:
    """Totals since the beginning."""
    with state.reading() as connection:
        ingested = [int(value) for value in connection.execute(_INGESTED).one()]
        adds_up = ledger_check(connection).adds_up
        sealed = totals(connection).rows
    received, applied, unchanged, duplicate, quarantined = ingested
    return Summary(
        received=received,
        applied=applied,
        unchanged=unchanged,
        duplicate=duplicate,
        quarantined=quarantined,
        ledger_adds_up=adds_up,
        records=rows_in(state, "member"),
        interactions=rows_in(state, "interaction") + sealed,
        customers=cluster_shape(state).customers,
        accuracy=_accuracy_if_known(state, settings),
    )


def _accuracy_if_known(state: State, settings: Settings) -> Accuracy | None:
    try:
        return accuracy(state, settings)
    except checks.TruthError:  # the check on the graph says so; a summary goes on without it
        return None


def best_connected(state: State) -> str | None:
    """An identifier of the customer whose records come from most sources, as `source:key`; None without customers."""
    with state.reading() as connection:
        row = connection.execute(_BEST_CONNECTED, {"generation": live_generation(connection)}).one_or_none()
    return None if row is None else f"{row[0]}:{row[1]}"
