"""What a model is like: its weights, what it cannot link, how common values are, how right it is, how far it drifted.

No value of a person is in it. Common values are told by their share alone, for a fingerprint could be guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa
from numpy.typing import NDArray

from customer_profiles.cleaning.tables import record
from customer_profiles.identity.checks import read_truth
from customer_profiles.identity.clusters.clusters import Clustering
from customer_profiles.identity.decisions.decisions import DecisionKind, read_decisions
from customer_profiles.identity.edges.blocking import load_candidates
from customer_profiles.identity.edges.frequencies import Frequencies, load_features
from customer_profiles.identity.edges.preparation import compared_lists, prepare, prepare_keys
from customer_profiles.identity.edges.scoring import UNITS_A_BIT, compile_scoring, load_levels, load_weights
from customer_profiles.identity.edges.workbench import workbench
from customer_profiles.identity.evaluation.evaluation import Evaluation, evaluate
from customer_profiles.identity.graph.records import identity_records
from customer_profiles.identity.linking import link
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.identity.model.drift import (
    Level,
    LevelShift,
    level_shifts,
    levels_of,
    population_stability,
)
from customer_profiles.identity.model.models import model_in_use, read_model, stored_models
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import rows_by_key

SAMPLE = 20_000
"""Of more records than this only so many are scored for a report, the same ones every time."""
BINS = (-20.0, -15.0, -10.0, -5.0, 0.0, 5.0, 10.0, 15.0, 20.0)
"""Where the distribution of scores is cut, in bits."""
_COMMONEST = 5
_MIX = 0x9E3779B97F4A7C15


@dataclass(frozen=True)
class Unlinkables:
    """Records that say too little: even beside itself such a record would not be taken for the same person.

    Attributes:
        records: How many were looked at.
        unlinkable: How many score below the threshold beside themselves.
        threshold: The linkage threshold, in bits.
    """

    records: int
    unlinkable: int
    threshold: float

    @property
    def share(self) -> float:
        """The share of records that the model cannot link; an identifier still can."""
        return self.unlinkable / self.records if self.records else 0.0


@dataclass(frozen=True)
class Common:
    """How common the values of one field are.

    Attributes:
        field: The field; token is a word of a name.
        repeated: How many values at least two contents have.
        commonest: The shares of the most common ones, falling.
        rarest: The share of a value that is not listed.
    """

    field: str
    repeated: int
    commonest: tuple[float, ...]
    rarest: float


@dataclass(frozen=True)
class Decided:
    """The model alone, without decisions, beside what stewards decided.

    Attributes:
        together: Pairs of records ruled together.
        together_found: How many of them it puts together.
        apart: Pairs ruled apart.
        apart_found: How many of them it keeps apart.
    """

    together: int
    together_found: int
    apart: int
    apart_found: int


@dataclass(frozen=True)
class Measured:
    """What was found out with the records of today.

    Attributes:
        unlinkables: Records that say too little.
        scores: How many candidates score in each bin of `BINS`.
        truth: All records clustered, against the known truth; None where none is known.
        decided: Against what stewards decided; None where nothing was.
    """

    unlinkables: Unlinkables
    scores: tuple[int, ...]
    truth: Evaluation | None
    decided: Decided | None


@dataclass(frozen=True)
class Drift:
    """A model beside the one in use.

    Attributes:
        against: The version in use; 0 for the priors.
        shifts: Levels that both know, the one whose weight changed most first.
        stability: Population stability of the scores of today's candidates; None where it was not measured.
    """

    against: int
    shifts: tuple[LevelShift, ...]
    stability: float | None


@dataclass(frozen=True)
class ModelReport:
    """Everything that is told about a model.

    Attributes:
        version: Its number; 0 for the priors.
        status: candidate, promoted, retired, or priors.
        origin: trained or priors.
        splink_version: The Splink that it was made for.
        created_at: When it was trained (micros); None for the priors.
        metrics: What training measured.
        conflict_veto: Whether other first name and other birth date together forbid.
        levels: m, u and weight of every level.
        common: How common values are, field by field.
        measured: With the records of today; None where that was not asked for.
        drift: Beside the model in use; None for that one itself.
    """

    version: int
    status: str
    origin: str
    splink_version: str
    created_at: int | None
    metrics: Mapping[str, float]
    conflict_veto: bool
    levels: tuple[Level, ...]
    common: tuple[Common, ...]
    measured: Measured | None
    drift: Drift | None


def model_report(
    connection: sa.Connection, version: int, settings: IdentitySettings, *, measure: bool = True
) -> ModelReport:
    """Report on one model.

    Args:
        connection: Reading the state store.
        version: Its number; 0 for the priors.
        settings: Identifiers, caps, thresholds, and where the truth is.
        measure: Whether to score and cluster the records of today, which takes as long as a rebuild of the graph.

    Raises:
        BundleError: Its bundle, or that of the model in use, cannot be read.
        ModelError: There is no such version.
        TruthError: The settings name a truth that cannot be read.
    """
    bundle = read_model(connection, version).bundle
    in_use = model_in_use(connection)
    stored = {one.version: one for one in stored_models(connection)}.get(version)
    measured = stability = None
    if measure:
        records = identity_records(connection)
        measured = _measured(connection, records, bundle, settings)
        if in_use.version != version:
            before = _scores(_sampled(records), in_use.bundle, settings)
            stability = population_stability(before, measured.scores)
    drift = None
    if in_use.version != version:
        drift = Drift(in_use.version, tuple(level_shifts(bundle, in_use.bundle)), stability)
    return ModelReport(
        version=version,
        status=stored.status if stored else "priors",
        origin=str(bundle.origin),
        splink_version=bundle.splink_version,
        created_at=stored.created_at if stored else None,
        metrics=stored.metrics if stored else bundle.metrics,
        conflict_veto=bundle.conflict_veto,
        levels=tuple(levels_of(bundle)),
        common=_common(bundle.frequencies),
        measured=measured,
        drift=drift,
    )


def unlinkables(records: pa.Table, bundle: ModelBundle, settings: IdentitySettings) -> Unlinkables:
    """Score every record beside itself, and count those that say too little to be known again.

    Args:
        records: Identity records.
        bundle: The model.
        settings: `cluster_threshold` is what a pair of single records has to reach.
    """
    with workbench() as connection:
        prepare(connection, records, bundle.extras, settings)
        load_features(
            connection, bundle.frequencies, bundle.aliases, bundle.rare_columns(), compared_lists(settings)
        )
        connection.make(
            "candidate",
            "select content_no as left_no, content_no as right_no, 0::bigint as support from content",
        )
        scoring = compile_scoring(bundle.model)
        load_levels(connection, scoring)
        load_weights(connection, scoring)
        known, least = connection.execute(
            "select count(*), count(*) filter (where weight < ?) "
            "from scored join member on member.content_no = scored.left_no",
            [round(settings.cluster_threshold * UNITS_A_BIT)],
        ).fetchall()[0]
    return Unlinkables(int(known), int(least), settings.cluster_threshold)


def _measured(
    connection: sa.Connection, records: pa.Table, bundle: ModelBundle, settings: IdentitySettings
) -> Measured:
    sample = _sampled(records)
    decisions = [one for one in read_decisions(connection) if one.undone_change_no is None]
    truth = decided = None
    if settings.truth is not None or decisions:
        clustering = link(records, bundle, settings).clustering
        if settings.truth is not None:
            truth = _against_truth(connection, clustering, settings.truth)
        if decisions:
            pairs = [
                (one.kind is DecisionKind.TOGETHER, a, b)
                for one in decisions
                for a in one.side_a
                for b in one.side_b
            ]
            decided = _against_decisions(clustering, pairs)
    return Measured(unlinkables(sample, bundle, settings), _scores(sample, bundle, settings), truth, decided)


def _against_truth(connection: sa.Connection, clustering: Clustering, truth: Path) -> Evaluation:
    person_of = read_truth(truth)
    numbers = clustering.records.tolist()
    columns = ("record_no", "source", "source_key")
    names = {
        number: (source, key)
        for number, source, key in rows_by_key(connection, record, "record_no", numbers, columns)
    }
    return evaluate(clustering.labels.tolist(), [person_of.get(names[number]) for number in numbers])


def _against_decisions(clustering: Clustering, pairs: list[tuple[bool, int, int]]) -> Decided:
    label_of = dict(zip(clustering.records.tolist(), clustering.labels.tolist(), strict=True))
    alive = [
        (together, label_of[a] == label_of[b]) for together, a, b in pairs if a in label_of and b in label_of
    ]
    return Decided(
        together=sum(together for together, _ in alive),
        together_found=sum(together and joined for together, joined in alive),
        apart=sum(not together for together, _ in alive),
        apart_found=sum(not together and not joined for together, joined in alive),
    )


def _scores(records: pa.Table, bundle: ModelBundle, settings: IdentitySettings) -> tuple[int, ...]:
    """How many of the candidates that a model finds among records score in each bin."""
    with workbench() as connection:
        kinds = prepare(connection, records, bundle.extras, settings)
        load_features(
            connection, bundle.frequencies, bundle.aliases, bundle.rare_columns(), compared_lists(settings)
        )
        prepare_keys(connection, kinds, bundle.rules, settings)
        load_candidates(connection, 0, 1)
        scoring = compile_scoring(bundle.model)
        load_levels(connection, scoring)
        load_weights(connection, scoring)
        found = connection.arrays("select weight from scored where left_no <> right_no")
    weights = np.asarray(found["weight"], dtype=np.float64) / UNITS_A_BIT
    counts: NDArray[np.int64] = np.bincount(np.digitize(weights, BINS), minlength=len(BINS) + 1)
    return tuple(counts.tolist())


def _sampled(records: pa.Table) -> pa.Table:
    """The same sample of records every time, whatever their order."""
    if records.num_rows <= SAMPLE:
        return records
    mixed = records["record_no"].to_numpy().astype(np.uint64) * np.uint64(_MIX)
    chosen = np.sort(np.argsort(mixed, kind="stable")[:SAMPLE])
    return records.take(chosen)


def _common(frequencies: Frequencies) -> tuple[Common, ...]:
    common = []
    for field, rarest in sorted(frequencies.floors.items()):
        of_field = frequencies.values.filter(pc.equal(frequencies.values["field"], field))
        shares = sorted(of_field["share"].to_pylist(), reverse=True)
        common.append(Common(field, len(shares), tuple(shares[:_COMMONEST]), rarest))
    return tuple(common)
