"""Training: from unlabelled records to a model bundle. The truth, where it is known, is never seen here.

The shares among non-matches (u) come from random pairs and, for the same value in full, from the
frequencies of values. The shares among matches (m) come from expectation maximisation over the candidates,
with u fixed and the share of matches on the scale of all pairs. A first model then clusters once, strictly;
that teaches the names that stand for each other, and the model that is published is estimated again with
them. Splink's own comparison SQL gives the levels, and the result is written into Splink's model JSON.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from customer_profiles.identity.clusters.clusters import cluster
from customer_profiles.identity.clusters.linkage import Linkage, units
from customer_profiles.identity.clusters.vetoes import FactColumns
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.edges.blocking import BlockingRule, blocking_rules, load_candidates
from customer_profiles.identity.edges.comparisons import FieldComparison, comparisons_for, rare_columns
from customer_profiles.identity.edges.features import extra_columns, extra_field
from customer_profiles.identity.edges.frequencies import (
    Frequencies,
    blended,
    count_frequencies,
    load_features,
)
from customer_profiles.identity.edges.identifiers import evidence_column, evidence_kinds
from customer_profiles.identity.edges.preparation import (
    compared_lists,
    distinct_values,
    prepare,
    prepare_keys,
)
from customer_profiles.identity.edges.scoring import LEVELS, CompiledScoring, compile_scoring, load_weights
from customer_profiles.identity.edges.workbench import Workbench, workbench
from customer_profiles.identity.model.aliases import both, learned_aliases, nicknames
from customer_profiles.identity.model.bundle import ModelBundle, Origin, shipped_priors
from customer_profiles.identity.model.estimation import (
    RANDOM_PAIRS,
    Shares,
    among_matches,
    among_strangers,
    first_guess,
)
from customer_profiles.identity.model.households import relatives_share_homes
from customer_profiles.identity.model.rule_choice import choose_rules
from customer_profiles.settings.identity import IdentitySettings

LEFT_CONTENTS = 60_000
"""Of more contents than this a sample is taken as the left side of the candidates."""
TELLING_VALUES = 20
"""An extra attribute with fewer different values makes no blocking key worth building."""
STRICT_LINKAGE = 2.0
PRIOR_RECORDS = 2_000
"""How many records the frequencies of the shipped priors are worth."""
CERTAIN = 1e9


def train(records: pa.Table, settings: IdentitySettings, seed: int) -> ModelBundle:
    """Train a model on records, or fit the shipped priors to them when there are too few.

    Args:
        records: identity records, one row a live record.
        settings: comparisons, caps, thresholds, how many records are enough.
        seed: of the random pairs.

    Returns:
        The bundle; `origin` says whether it was trained.
    """
    enough = records.num_rows >= settings.training.min_records
    return train_from(records, settings, seed, shipped_priors(), enough)


def train_from(
    records: pa.Table, settings: IdentitySettings, seed: int, priors: ModelBundle | None, enough: bool
) -> ModelBundle:
    """Train a model that starts from priors.

    Args:
        records: identity records, one row a live record.
        settings: comparisons, caps, thresholds.
        seed: of the random pairs.
        priors: where to start, and what speaks for records too few; None to start from scratch.
        enough: whether the records are enough to learn from.
    """
    started = time.perf_counter()
    extras = extra_columns(records)
    with workbench() as bench:
        kinds = prepare(bench, records, extras, settings)
        distinct = distinct_values(bench, extras, settings)
        comparisons = comparisons_for(distinct, [evidence_column(kind) for kind in evidence_kinds(settings)])
        rules = _rules(distinct, extras)
        prepare_keys(bench, kinds, rules, settings)
        frequencies = count_frequencies(bench, rare_columns(comparisons))
        # What fitting does not read would stand beside it in memory.
        bench.drop("held", "holder", "atom")
        if not enough and priors is not None:
            frequencies = blended(frequencies, priors.frequencies, PRIOR_RECORDS)
        model, aliases, relatives, metrics = _fit(
            bench, comparisons, frequencies, settings, seed, priors, enough
        )
        if enough and "left_contents" in metrics:
            # The levels of the candidates are there: estimating looked at them last.
            load_weights(bench, compile_scoring(model))
            rules = choose_rules(bench, rules, len(kinds), metrics["left_contents"])
    metrics |= {"records": records.num_rows, "seconds": round(time.perf_counter() - started, 3)}
    return ModelBundle(
        model=model,
        extras=extras,
        rules=rules,
        frequencies=frequencies,
        aliases=aliases,
        edge_threshold=settings.edge_threshold,
        review_floor=settings.review_floor,
        conflict_veto=relatives,
        origin=Origin.TRAINED if enough else Origin.PRIORS,
        metrics=metrics,
    )


def _fit(
    bench: Workbench,
    comparisons: Sequence[FieldComparison],
    frequencies: Frequencies,
    settings: IdentitySettings,
    seed: int,
    priors: ModelBundle | None,
    enough: bool,
) -> tuple[dict[str, Any], pa.Table, bool, dict[str, float]]:
    """The model, the aliases, whether relatives share homes, and what was measured, from a prepared workbench."""
    contents = int(bench.execute("select count(*) from content").fetchall()[0][0])
    sample = min(1.0, LEFT_CONTENTS / max(contents, 1))
    pairs = contents * (contents - 1) / 2
    aliases, relatives = nicknames(), True
    shares = replace(first_guess(comparisons), match_share=2.0 / max(contents, 4))
    if priors is not None:
        shares = from_priors(comparisons, shares, priors)
    scoring = compile_scoring(shares.model(comparisons, frequencies.floors))

    def fit(start: Shares, random_pairs: int = RANDOM_PAIRS) -> tuple[Shares, int]:
        # What an earlier fit left would stand in memory beside what takes its place.
        for table in ("feature", "candidate", "scored", LEVELS):
            bench.execute(f"drop table if exists {table}")
        load_features(bench, frequencies, aliases, rare_columns(comparisons), compared_lists(settings))
        if enough:
            start = among_strangers(
                bench, scoring, comparisons, start, contents, seed, random_pairs, relatives
            )
        candidates = load_candidates(bench, 0, 1, sample)
        strength = {} if enough else {"strength": CERTAIN}
        found = among_matches(
            bench,
            scoring,
            comparisons,
            start,
            sample * pairs,
            sample * contents,
            **strength,
            relatives=relatives,
        )
        return found, candidates

    if not comparisons or contents < 2:
        load_features(bench, frequencies, aliases, rare_columns(comparisons), compared_lists(settings))
        return shares.model(comparisons, frequencies.floors), aliases, relatives, {"contents": contents}
    # The first model only has to find people whose records surely belong together.
    shares, candidates = fit(shares, RANDOM_PAIRS // 4)
    if enough:
        relatives = relatives_share_homes(bench)
        _load_groups(
            bench, compile_scoring(shares.model(comparisons, frequencies.floors)), settings, contents
        )
        learned = learned_aliases(bench)
        aliases = both(aliases, learned) if learned.num_rows else aliases
        shares, candidates = fit(shares)
    metrics: dict[str, float] = {
        "contents": contents,
        "left_contents": round(sample * contents, 1),
        "candidates": candidates,
        "aliases": aliases.num_rows,
        "rounds": shares.rounds,
        "expected_matches": round(shares.match_share * pairs, 1),
    }
    return shares.model(comparisons, frequencies.floors), aliases, relatives, metrics


def from_priors(comparisons: Sequence[FieldComparison], guess: Shares, priors: ModelBundle) -> Shares:
    """The shares that the priors know, by the names of comparisons and levels; the guess for all others."""
    known = {comparison["output_column_name"]: comparison for comparison in priors.model["comparisons"]}
    m, u = list(guess.m), list(guess.u)
    for column, comparison in enumerate(comparisons):
        levels = known.get(comparison.name, {}).get("comparison_levels", [])[:0:-1]
        labels = ["different", *(level.label for level in reversed(comparison.levels))]
        if [level["label_for_charts"] for level in levels] == labels:
            m[column] = np.array([level["m_probability"] for level in levels])
            u[column] = np.array([level["u_probability"] for level in levels])
        elif len(labels) <= len(_ATTRIBUTE_M):
            m[column], u[column] = _ATTRIBUTE_M[-len(labels) :], _ATTRIBUTE_U[-len(labels) :]
            m[column] = m[column] / m[column].sum()
            u[column] = u[column] / u[column].sum()
    return replace(guess, m=tuple(m), u=tuple(u))


_ATTRIBUTE_M = np.array([0.15, 0.05, 0.8])
_ATTRIBUTE_U = np.array([0.88, 0.02, 0.1])


def _rules(distinct: dict[str, int], extras: Collection[str]) -> tuple[BlockingRule, ...]:
    fields = [name for name, count in distinct.items() if count > 1]
    telling = [name for name in map(extra_field, extras) if distinct.get(name, 0) >= TELLING_VALUES]
    return blocking_rules(fields, sorted(telling, key=lambda name: (-distinct[name], name)))


def _load_groups(
    bench: Workbench, scoring: CompiledScoring, settings: IdentitySettings, contents: int
) -> None:
    """Write the table `person_group` (content_no, group_no): contents that are surely one person, two or
    more each.
    """
    # The levels of the candidates are there: estimating looked at them last, and no share changes a level.
    load_weights(bench, scoring)
    rows = bench.arrays(
        "select left_no, right_no, weight from scored where left_no <> right_no and weight >= 0"
    )
    nobody = np.full(contents, -1, dtype=np.int32)
    clustering = cluster(
        np.asarray(rows["left_no"], dtype=np.int64),
        np.asarray(rows["right_no"], dtype=np.int64),
        np.asarray(rows["weight"], dtype=np.int64),
        FactColumns(np.arange(contents, dtype=np.int64), nobody, nobody, [], [], {}),
        Rulings(),
        Linkage(units(STRICT_LINKAGE), units(settings.missing_edge), round(settings.strongest_share * 1024)),
    )
    labelled = pa.table({"content_no": clustering.records, "group_no": clustering.labels})
    with bench.given("labelled", labelled):
        bench.make(
            "person_group",
            "select content_no::integer as content_no, group_no from labelled "
            "qualify count(*) over (partition by group_no) > 1",
        )
