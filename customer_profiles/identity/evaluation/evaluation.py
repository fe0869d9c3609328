"""How good clusters are, against a known truth: pairs of records, and each record's own customer. Pure.

A pair counts as found when both records are in one cluster, and as true when both are of one person. B-cubed
(Bagga and Baldwin 1998) averages over records instead, so that large clusters do not drown the small ones.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


@dataclass(frozen=True)
class PairScores:
    """Pairs of records found, against the true ones.

    Attributes:
        found: Pairs that share a cluster.
        true: Pairs that are one person.
        right: Pairs that are both.
    """

    found: int
    true: int
    right: int

    @property
    def precision(self) -> float:
        """The share of found pairs that are right; 1 when none is found."""
        return self.right / self.found if self.found else 1.0

    @property
    def recall(self) -> float:
        """The share of true pairs that are found; 1 when there is none."""
        return self.right / self.true if self.true else 1.0

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return _harmonic(self.precision, self.recall)


@dataclass(frozen=True)
class BCubed:
    """Precision and recall of each record's own cluster, averaged over records."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        return _harmonic(self.precision, self.recall)


@dataclass(frozen=True)
class Evaluation:
    """Clusters against the truth.

    Attributes:
        records: How many records have a known truth; no other counts.
        pairs: By pairs.
        b_cubed: By records.
        largest: Records of the largest cluster, those without truth included.
    """

    records: int
    pairs: PairScores
    b_cubed: BCubed
    largest: int


def evaluate(labels: Sequence[Hashable], truth: Sequence[Hashable | None]) -> Evaluation:
    """Score clusters.

    Args:
        labels: The cluster of each record.
        truth: The person of each record, None where nobody knows; such a record says nothing for or against.

    Raises:
        ValueError: The two are not of one length.
    """
    if len(labels) != len(truth):
        raise ValueError(f"there are {len(labels)} labels and {len(truth)} records with or without truth")
    clusters, persons = _codes(labels), _codes(truth)
    known = np.fromiter((person is not None for person in truth), dtype=np.bool_, count=len(truth))
    table = _Table.of(clusters[known], persons[known])
    largest = int(np.bincount(clusters).max()) if len(clusters) else 0
    return Evaluation(int(known.sum()), table.pairs(), table.b_cubed(), largest)


def pair_scores(labels: Sequence[Hashable], truth: Sequence[Hashable | None]) -> PairScores:
    """Score clusters by pairs alone; see `evaluate`."""
    return evaluate(labels, truth).pairs


@dataclass(frozen=True)
class _Table:
    """How many records each cluster and each person have, and each combination of the two."""

    clusters: Numbers
    persons: Numbers
    cells: Numbers
    cluster_of_cell: Numbers
    person_of_cell: Numbers

    @classmethod
    def of(cls, clusters: Numbers, persons: Numbers) -> _Table:
        width = int(persons.max(initial=0)) + 1
        combined, cells = np.unique(clusters * width + persons, return_counts=True)
        return cls(
            np.bincount(clusters).astype(np.int64),
            np.bincount(persons).astype(np.int64),
            cells.astype(np.int64),
            combined // width,
            combined % width,
        )

    def pairs(self) -> PairScores:
        return PairScores(_pairs(self.clusters), _pairs(self.persons), _pairs(self.cells))

    def b_cubed(self) -> BCubed:
        records = int(self.cells.sum())
        if not records:
            return BCubed(1.0, 1.0)
        squares = self.cells.astype(np.float64) ** 2
        return BCubed(
            float((squares / self.clusters[self.cluster_of_cell]).sum() / records),
            float((squares / self.persons[self.person_of_cell]).sum() / records),
        )


def _codes(values: Sequence[Hashable]) -> Numbers:
    codes: dict[Hashable, int] = {}
    return np.fromiter(
        (codes.setdefault(value, len(codes)) for value in values), dtype=np.int64, count=len(values)
    )


def _pairs(sizes: Numbers) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def _harmonic(one: float, other: float) -> float:
    return 2 * one * other / (one + other) if one + other else 0.0
