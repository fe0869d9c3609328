"""The numbers of a model, estimated in a workbench: u from random pairs, m and the share of matches from
candidates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from customer_profiles.identity.edges.comparisons import FieldComparison, splink_comparison, splink_model
from customer_profiles.identity.edges.scoring import CompiledScoring, load_levels
from customer_profiles.identity.edges.workbench import Workbench
from customer_profiles.identity.model.expectation import Floats, Patterns, in_order, maximise

RANDOM_PAIRS = 400_000
PRIOR_STRENGTH = 5.0
"""How many matches the starting values of m are worth: enough to speak where there is no data, no more."""
GARBLED = 0.02
"""Of the values of one person, so many are no better than a stranger's: the wrong line, a default, a joke."""
SHARED_HOMES = 0.02
"""Before any is seen: so many of the records share a home with a record of somebody else."""
UNSEEN_HOMES = 1.0
"""Where no relatives are seen to share homes, so many pairs of strangers who do are still taken for granted."""
ENOUGH_PAIRS = 30.0
"""Levels seen in so many pairs on both sides stand in whatever order the data gave them."""


@dataclass(frozen=True)
class Shares:
    """How often levels are reached, by comparison and level (0 is no agreement).

    Attributes:
        m: among matches.
        u: among non-matches.
        seen: how many random pairs reached the level; infinite where u was counted and not sampled.
        match_share: the probability that two contents taken at random are the same person.
        rounds: how many rounds the estimate took.
    """

    m: tuple[Floats, ...]
    u: tuple[Floats, ...]
    seen: tuple[Floats, ...]
    match_share: float = 1e-4
    rounds: int = 0

    def model(self, comparisons: Sequence[FieldComparison], floors: dict[str, float]) -> dict[str, Any]:
        """Splink's model JSON with these numbers."""
        return splink_model(
            [
                splink_comparison(comparison, list(m[::-1]), list(u[::-1]), floors)
                for comparison, m, u in zip(comparisons, self.m, self.u, strict=True)
            ],
            self.match_share,
        )


def first_guess(comparisons: Sequence[FieldComparison]) -> Shares:
    """Where estimation starts without anything better: agreement is likely among matches, all levels are
    alike else.
    """
    m, u = [], []
    for comparison in comparisons:
        levels = len(comparison.levels) + 1
        matching = np.ones(levels)
        matching[-1] = 4.0
        m.append(np.asarray(matching / matching.sum()))
        u.append(np.full(levels, 1.0 / levels))
    return Shares(tuple(m), tuple(u), tuple(np.zeros(len(shares)) for shares in u))


def among_strangers(
    bench: Workbench,
    scoring: CompiledScoring,
    comparisons: Sequence[FieldComparison],
    start: Shares,
    contents: int,
    seed: int,
    pairs: int = RANDOM_PAIRS,
    relatives: bool = True,
) -> Shares:
    """Estimate u from random pairs; random pairs are hardly ever matches. `relatives` as in `among_matches`."""
    _load_random_pairs(bench, contents, seed, pairs)
    # Nobody looks at these pairs again: their levels are counted without writing them down.
    patterns, counts = _counted(bench, scoring, scoring.patterns)
    shares, seen = [], []
    for column, comparison in enumerate(comparisons):
        level = patterns[:, column]
        known = level >= 0
        found = np.bincount(level[known], weights=counts[known], minlength=len(comparison.levels) + 1)
        share = (found + 0.3) / (found.sum() + 0.3 * len(found))
        # Random pairs are too few to see rare agreement; the same value in full can be counted instead.
        rare = comparison.levels[0].rare
        counted = _chance_of_the_same(bench, rare) if rare else None
        if counted is not None:
            share[-1] = counted
            share[:-1] *= (1 - counted) / share[:-1].sum()
            found[-1] = np.inf
        for place, entry in enumerate(reversed(comparison.levels), start=1):
            if relatives and entry.assumed and entry.assumed[1] is not None:
                share[place], found[place] = entry.assumed[1], np.inf
        shares.append(share)
        seen.append(found.astype(np.float64))
    return Shares(start.m, tuple(shares), tuple(seen), start.match_share)


def among_matches(
    bench: Workbench,
    scoring: CompiledScoring,
    comparisons: Sequence[FieldComparison],
    start: Shares,
    pairs: float,
    contents: float,
    strength: float = PRIOR_STRENGTH,
    relatives: bool = True,
) -> Shares:
    """Estimate m and the share of matches from the candidates of the workbench.

    Args:
        bench: a workbench whose table `candidate` has all candidates, or a random sample of left
            contents.
        scoring: the comparisons, compiled.
        comparisons: the comparisons.
        start: u, and the m to start from.
        pairs: how many pairs of contents there are in all, in proportion to the sample.
        contents: how many left contents the candidates come from.
        strength: how many matches the starting m is worth.
        relatives: whether relatives may share homes here: then what is assumed of them holds, and some are taken for
            granted.
    """
    load_levels(bench, scoring)
    patterns, counts = level_patterns(bench, scoring)
    expected_homes = max(SHARED_HOMES * contents * relatives, UNSEEN_HOMES)
    homes = [
        np.array([0.0, *(expected_homes * level.shared_home for level in reversed(comparison.levels))])
        for comparison in comparisons
    ]
    assumed = [
        np.array(
            [
                np.nan,
                *(
                    level.assumed[0] if relatives and level.assumed else np.nan
                    for level in reversed(comparison.levels)
                ),
            ]
        )
        for comparison in comparisons
    ]
    found = maximise(
        patterns,
        counts,
        max(pairs, 1.0),
        start.u,
        start.m,
        start.match_share,
        strength,
        GARBLED,
        homes,
        assumed,
    )
    mended = [
        in_order(m, u, matches, seen, ENOUGH_PAIRS)
        for m, u, matches, seen in zip(found.m, found.u, found.matches, start.seen, strict=True)
    ]
    return Shares(
        tuple(m for m, _ in mended), tuple(u for _, u in mended), start.seen, found.match_share, found.rounds
    )


def level_patterns(bench: Workbench, scoring: CompiledScoring) -> tuple[Patterns, Floats]:
    """The distinct patterns of levels among the pairs just compared, and how many pairs show each."""
    columns = ", ".join(scoring.gammas)
    return _counted(
        bench,
        scoring,
        f"select {columns}, count(*) as pairs from __splink__df_comparison_vectors "
        f"where content_no_l <> content_no_r group by {columns} order by {columns}",
    )


def _counted(bench: Workbench, scoring: CompiledScoring, query: str) -> tuple[Patterns, Floats]:
    rows = bench.arrays(query)
    patterns = np.column_stack([np.asarray(rows[name], dtype=np.int64) for name in scoring.gammas])
    return patterns, np.asarray(rows["pairs"], dtype=np.float64)


def _load_random_pairs(bench: Workbench, contents: int, seed: int, pairs: int) -> None:
    wanted = min(pairs, 4 * contents * contents)
    rng = np.random.default_rng(seed)
    one, other = (rng.integers(0, max(contents, 1), wanted, dtype=np.int64) for _ in range(2))
    drawn = np.unique((np.minimum(one, other) * contents + np.maximum(one, other))[one != other])
    sides = pa.table({"left_no": drawn // max(contents, 1), "right_no": drawn % max(contents, 1)})
    with bench.given("drawn", sides):
        bench.make(
            "candidate",
            "select left_no::integer as left_no, right_no::integer as right_no, 0::bigint as support from drawn",
        )


def _chance_of_the_same(bench: Workbench, column: str) -> float | None:
    """The probability that two contents that know the column have the same value; None when that never
    happens.
    """
    same, known = bench.execute(
        f"select sum(n * (n - 1))::double, sum(n)::double from (select count(*) as n from content "
        f"where {column} is not null group by {column})"
    ).fetchall()[0]
    return float(same) / (float(known) * (float(known) - 1.0)) if same else None
