"""Who was of the same customer when a record was deleted, for deletions in the middle of a batch.

A batch must give what its envelopes give one by one, so each deletion needs the clusters of its own moment.
Computing the graph for each would cost a graph a deletion. It is shared where that changes nothing: over a
stretch of the log, count holders once with every version that ever lives in it, and once with only those that
live throughout. A value or key whose count is on the same side of its cap both times is there all the time,
so an edge between two records that hold no other ones is there, with one weight, whenever both live.
Deletions that such edges alone can reach are answered from one graph; for the others the stretch is halved.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from customer_profiles.identity.bundle import ModelBundle
from customer_profiles.identity.circumstances import circumstances, unsteady
from customer_profiles.identity.edges import find_edges
from customer_profiles.identity.greedy import greedy
from customer_profiles.identity.linking import linkage_of
from customer_profiles.identity.records import facts_of, together
from customer_profiles.identity.rulings import Rulings
from customer_profiles.identity.vetoes import Facts
from customer_profiles.settings.identity import IdentitySettings

_VERSIONS = 1 << 20
"""A version goes by its record's number times this, plus its own: versions sort as their records do."""


@dataclass(frozen=True)
class Step:
    """One envelope of the log.

    Attributes:
        position: Its log position.
        record_no: The record that it changes.
        version: The place of the new version among the versions, None for a deletion.
    """

    position: int
    record_no: int
    version: int | None


@dataclass(frozen=True)
class _Life:
    """The moments at which a version lives; moment i is just before step i."""

    place: int
    first: int
    last: int


@dataclass(frozen=True)
class Stretch:
    """A batch's part of the log, with every version that matters.

    Attributes:
        steady: Identity records that live before the first step and that no step changes.
        versions: Identity records: the versions of changed records, those from before the first step too.
        before: By changed record that lives before the first step, the place of its version.
        steps: The envelopes, in order.
        rulings_at: The decisions in force at a log position.
    """

    steady: pa.Table
    versions: pa.Table
    before: Mapping[int, int]
    steps: Sequence[Step]
    rulings_at: Callable[[int], Rulings]

    @cached_property
    def lives(self) -> dict[int, list[_Life]]:
        """By changed record the lives of its versions, in order."""
        lives: dict[int, list[_Life]] = {}
        now = {record_no: (place, 0) for record_no, place in self.before.items()}

        def end(record_no: int, moment: int) -> None:
            if record_no in now:
                place, first = now.pop(record_no)
                lives.setdefault(record_no, []).append(_Life(place, first, moment))

        for moment, step in enumerate(self.steps):
            lives.setdefault(step.record_no, [])
            end(step.record_no, moment)
            if step.version is not None:
                now[step.record_no] = (step.version, moment + 1)
        for record_no in list(now):
            end(record_no, len(self.steps))
        return lives

    def living(self, first: int, last: int, throughout: bool) -> list[tuple[int, int]]:
        """Changed records with the places of versions that live at any moment of a range, or throughout it."""
        return sorted(
            (record_no, life.place)
            for record_no, of_record in self.lives.items()
            for life in of_record
            if (
                life.first <= first and last <= life.last
                if throughout
                else life.first <= last and first <= life.last
            )
        )

    def number_at(self, record_no: int, moment: int) -> int | None:
        """The number of the version in which a record lives at a moment, None when it does not."""
        of_record = self.lives.get(record_no)
        if of_record is None:
            return record_no * _VERSIONS
        alive = (life.place for life in of_record if life.first <= moment <= life.last)
        return next((_number(record_no, place) for place in alive), None)


@dataclass(frozen=True)
class _Graph:
    """Edges between versions, as a mapping from each to its neighbours."""

    neighbours: Mapping[int, Mapping[int, int]]
    facts: Mapping[int, Facts]
    unsteady: frozenset[int]


def co_members(
    stretch: Stretch, wanted: Sequence[int], bundle: ModelBundle, settings: IdentitySettings
) -> dict[int, tuple[int, ...]]:
    """The other records of a deleted record's customer, just before it was deleted.

    Args:
        stretch: The part of the log.
        wanted: The places of the deletions among the steps, rising; each of a record that lives then.
        bundle: The model.
        settings: Identifiers, caps, thresholds.

    Returns:
        By place of the deletion the record numbers, rising.
    """
    if not wanted:
        return {}
    first, last = wanted[0], wanted[-1]
    graph = _graph(stretch, first, last, bundle, settings)
    answers: dict[int, tuple[int, ...]] = {}
    for place in wanted:
        answer = _answer(stretch, place, graph, settings)
        if answer is not None:
            answers[place] = answer
    left = [place for place in wanted if place not in answers]
    middle = (first + last + 1) // 2
    answers |= co_members(stretch, [place for place in left if place < middle], bundle, settings)
    answers |= co_members(stretch, [place for place in left if place >= middle], bundle, settings)
    return answers


def _graph(
    stretch: Stretch, first: int, last: int, bundle: ModelBundle, settings: IdentitySettings
) -> _Graph | None:
    """The edges between all versions that live at any moment of a stretch; None when no edge can be relied on."""
    most = _numbered(stretch, stretch.living(first, last, throughout=False))
    least = _numbered(stretch, stretch.living(first, last, throughout=True))
    holders: frozenset[int] | None = frozenset()
    if first != last:
        holders = unsteady(
            circumstances(most, bundle, settings), circumstances(least, bundle, settings), bundle, settings
        )
    if holders is None:
        return None
    edges = find_edges(most, bundle, settings)
    neighbours: dict[int, dict[int, int]] = {}
    pairs = edges.pairs
    each = zip(pairs.left.tolist(), pairs.right.tolist(), pairs.weight.tolist(), strict=True)
    for left, right, weight in each:
        neighbours.setdefault(left, {})[right] = weight
        neighbours.setdefault(right, {})[left] = weight
    return _Graph(neighbours, facts_of(most, edges.hubs, settings, bundle.conflict_veto), holders)


def _numbered(stretch: Stretch, versions: Sequence[tuple[int, int]]) -> pa.Table:
    """Steady records and these versions, each by a number of its own."""
    steady = _renumber(stretch.steady, stretch.steady["record_no"].to_numpy() * _VERSIONS)
    numbers = np.array([_number(*version) for version in versions], dtype=np.int64)
    places = pa.array([place for _, place in versions], pa.int64())
    table = together([steady, _renumber(stretch.versions.take(places), numbers)])
    return table.take(pc.sort_indices(table["record_no"]))


def _renumber(table: pa.Table, numbers: NDArray[np.int64]) -> pa.Table:
    return table.set_column(0, "record_no", pa.array(numbers, pa.int64()))


def _number(record_no: int, place: int) -> int:
    return record_no * _VERSIONS + place + 1


def _answer(
    stretch: Stretch, place: int, graph: _Graph | None, settings: IdentitySettings
) -> tuple[int, ...] | None:
    """The co-members at one deletion, or None when the graph cannot tell."""
    if graph is None:
        return None
    gone = stretch.steps[place].record_no
    rulings = stretch.rulings_at(stretch.steps[place].position)
    start = stretch.number_at(gone, place)
    assert start is not None, "only a living record can be deleted"
    component, waiting = {start}, [start]
    edges: list[tuple[int, int, int]] = []
    while waiting:
        version = waiting.pop()
        if version in graph.unsteady:
            return None
        record_no = version // _VERSIONS
        beside = {
            neighbour: weight
            for neighbour, weight in graph.neighbours.get(version, {}).items()
            if stretch.number_at(neighbour // _VERSIONS, place) == neighbour
        }
        edges += [
            (-weight, record_no, neighbour // _VERSIONS)
            for neighbour, weight in beside.items()
            if version < neighbour
        ]
        partners = [stretch.number_at(one, place) for one in rulings.partners.get(record_no, frozenset())]
        alive = (partner for partner in partners if partner is not None and partner in graph.facts)
        reached = {*beside, *alive} - component
        component |= reached
        waiting += reached
    facts = {version // _VERSIONS: graph.facts[version] for version in component}
    in_turn = [(-weight, left, right) for weight, left, right in sorted(edges)]
    labels, _ = greedy(sorted(facts), in_turn, facts, rulings, linkage_of(settings))
    return tuple(sorted(other for other in labels if other != gone and labels[other] == labels[gone]))
