"""What stewards' decisions say of the graph: its precision on the random sample, with its interval. Reads only.

A decision on a match of the sample is a label: *together* says that the match was right, *apart* that it was wrong. Two
things would flatter or slander the graph, and are kept out:

- A decision makes its own match come true. So each label counts only where the graph alone, without the decisions on
  that pair, would have accepted the match.
- Stewards decide what looks doubtful. So the sample is counted from its start, in the order of its hash, for as long as
  nine in ten are decided, and no further.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from customer_profiles.identity.clusters.region import recluster
from customer_profiles.identity.clusters.vetoes import Verdict
from customer_profiles.identity.decisions.decisions import Decision, DecisionKind, read_decisions, rulings_at
from customer_profiles.identity.graph.graph_store import read_columns
from customer_profiles.identity.graph.live_graph import LiveGraph
from customer_profiles.identity.linking import linkage_of
from customer_profiles.identity.stewardship.review import END_OF_LOG, among_pairs, decided_pairs, sample_order
from customer_profiles.identity.tables import edge
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.generations import live_generation

DECIDED_IN_TEN = 9
"""So many of ten matches in the counted part of the sample must be decided."""
_95_PERCENT = 1.959964
Pair = tuple[int, int]


@dataclass(frozen=True)
class ReviewedPrecision:
    """How often the accepted matches of the sample are right.

    Attributes:
        right: Matches that stewards found right.
        decided: Matches that they decided on.
        undecided: Matches among these that nobody decided on.
        low: Lower end of the 95 % interval (Wilson 1927).
        high: Its upper end.
    """

    right: int
    decided: int
    undecided: int
    low: float
    high: float

    @property
    def precision(self) -> float | None:
        """The share of decided matches that are right; None while none is decided."""
        return self.right / self.decided if self.decided else None


def reviewed_precision(
    connection: sa.Connection, settings: IdentitySettings, generation: int | None = None
) -> ReviewedPrecision:
    """The precision of accepted matches, as far as stewards went through the sample.

    Args:
        connection: Reading the state store.
        settings: Identifiers, caps, thresholds.
        generation: The generation; None for the live one.
    """
    number = live_generation(connection) if generation is None else generation
    decisions = [one for one in read_decisions(connection) if one.in_force(END_OF_LOG)]
    right = decided = undecided = 0
    best = (0, 0, 0)
    for label in _labels(connection, number, settings, decisions):
        right += label is DecisionKind.TOGETHER
        decided += label is not None
        undecided += label is None
        if label is not None and 10 * decided >= DECIDED_IN_TEN * (decided + undecided):
            best = (right, decided, undecided)
    return ReviewedPrecision(*best, *wilson_interval(*best[:2]))


def wilson_interval(right: int, decided: int, z: float = _95_PERCENT) -> tuple[float, float]:
    """The interval of a share (Wilson 1927), which is honest for few and for all; from 0 to 1 for none.

    Args:
        right: How many are right.
        decided: Of how many.
        z: How many standard errors wide, to each side.
    """
    if not decided:
        return 0.0, 1.0
    share, spread = right / decided, z * z / decided
    middle = (share + spread / 2) / (1 + spread)
    half = z / (1 + spread) * math.sqrt(share * (1 - share) / decided + spread / (4 * decided))
    return max(0.0, middle - half), min(1.0, middle + half)


def _labels(
    connection: sa.Connection, generation: int, settings: IdentitySettings, decisions: list[Decision]
) -> Iterator[DecisionKind | None]:
    """The labels of the sample in its order, None where nobody decided; as far as they can matter."""
    said = decided_pairs(decisions)
    if not said:
        return
    columns = [edge.c.left_no, edge.c.right_no, edge.c.accepted]
    left, right, accepted = read_columns(
        connection, sa.select(*columns).where(edge.c.generation == generation)
    )
    answered = among_pairs(left, right, said)
    at = np.flatnonzero((accepted == 1) | answered)
    at = at[sample_order(left[at], right[at])]
    most = int(answered.sum()) * (10 - DECIDED_IN_TEN) // DECIDED_IN_TEN
    undecided = 0
    for i in at.tolist():
        pair = (int(left[i]), int(right[i]))
        if not answered[i]:
            undecided += 1
            if undecided > most:
                return
            yield None
        elif _accepted_without(connection, generation, settings, decisions, pair):
            yield said[pair]


def _accepted_without(
    connection: sa.Connection,
    generation: int,
    settings: IdentitySettings,
    decisions: list[Decision],
    pair: Pair,
) -> bool:
    """Whether the graph would accept a match if nobody had decided on it."""
    about = [one for one in decisions if pair in decided_pairs([one])]
    rulings = rulings_at([one for one in decisions if one not in about], END_OF_LOG)
    named = {record for one in about for record in one.records}
    region = recluster(
        LiveGraph(connection, generation, settings), {*named, *pair}, rulings, linkage_of(settings)
    )
    return region.verdicts.get(pair) is Verdict.ACCEPTED
