"""What can be told of the graph's health from the stored tables: shape of the clusters, hubs, accuracy. Reads only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet as pq
import sqlalchemy as sa

from customer_profiles.errors import CustomerProfilesError
from customer_profiles.identity.evaluation.evaluation import Evaluation, evaluate
from customer_profiles.settings.identity import IdentitySettings

_SIZES = sa.text(
    """
    SELECT size, count(*)
    FROM customer
    WHERE generation = :generation AND size > 0
    GROUP BY size
    """
)

_HOLDERS = sa.text(
    """
    SELECT held.kind, held.holders, count(*)
    FROM (SELECT kind, value, count(*) AS holders FROM identifier GROUP BY kind, value) AS held
    GROUP BY held.kind, held.holders
    """
)

_EDGES = sa.text(
    """
    SELECT edge.accepted, edge.refusal, count(*)
    FROM edge
    WHERE edge.generation = :generation
    GROUP BY edge.accepted, edge.refusal
    """
)

_INSIDE = sa.text(
    """
    SELECT count(*)
    FROM edge
    JOIN member AS one ON one.generation = edge.generation AND one.record_no = edge.left_no
    JOIN member AS other ON other.generation = edge.generation AND other.record_no = edge.right_no
    WHERE edge.generation = :generation AND one.customer_no = other.customer_no
    """
)

_MEMBERS = sa.text(
    """
    SELECT record.source, record.source_key, member.customer_no
    FROM member
    JOIN record ON record.record_no = member.record_no
    WHERE member.generation = :generation
    """
)


class TruthError(CustomerProfilesError):
    """The file that says who is whom cannot be used."""


@dataclass(frozen=True)
class ClusterShape:
    """The customers by how many records they have.

    Attributes:
        sizes: By number of records, how many customers have so many.
        pairs: Pairs of records of one customer.
        edges_inside: How many of these have an edge; the rest hang together through others.
        refusals: Edges that the clustering refused, by reason.
    """

    sizes: Mapping[int, int]
    pairs: int
    edges_inside: int
    refusals: Mapping[str, int]

    @property
    def customers(self) -> int:
        """How many customers there are."""
        return sum(self.sizes.values())

    @property
    def records(self) -> int:
        """How many records they have."""
        return sum(size * customers for size, customers in self.sizes.items())

    @property
    def largest(self) -> int:
        """Records of the largest customer."""
        return max(self.sizes, default=0)

    @property
    def singleton_share(self) -> float:
        """The share of customers with one record only."""
        return self.sizes.get(1, 0) / self.customers if self.customers else 0.0

    @property
    def density(self) -> float:
        """The share of pairs inside customers that have an edge; 1 when there is no pair."""
        return self.edges_inside / self.pairs if self.pairs else 1.0


@dataclass(frozen=True)
class HubShare:
    """Values of one kind of identifier that more records hold than its cap.

    Attributes:
        kind: The kind of identifier.
        values: How many different values records hold.
        hubs: How many of them are held by more records than the cap.
        most_holders: Records that hold the most held value.
    """

    kind: str
    values: int
    hubs: int
    most_holders: int

    @property
    def share(self) -> float:
        """The share of values that are hubs."""
        return self.hubs / self.values if self.values else 0.0


def cluster_shape(connection: sa.Connection, generation: int) -> ClusterShape:
    """The shape of a generation's customers."""
    wanted = {"generation": generation}
    sizes = {int(size): int(customers) for size, customers in connection.execute(_SIZES, wanted)}
    refusals: dict[str, int] = {}
    for accepted, refusal, edges in connection.execute(_EDGES, wanted):
        if not accepted:
            refusals[refusal] = refusals.get(refusal, 0) + edges
    return ClusterShape(
        sizes=sizes,
        pairs=sum(size * (size - 1) // 2 * customers for size, customers in sizes.items()),
        edges_inside=int(connection.execute(_INSIDE, wanted).scalar_one()),
        refusals=refusals,
    )


def hub_shares(connection: sa.Connection, settings: IdentitySettings) -> list[HubShare]:
    """How many values of each kind of identifier are held by more records than the kind's cap."""
    counted: dict[str, list[tuple[int, int]]] = {}
    for kind, holders, values in connection.execute(_HOLDERS):
        counted.setdefault(kind, []).append((holders, values))
    return [
        HubShare(
            kind=kind,
            values=sum(values for _, values in of_kind),
            hubs=sum(values for holders, values in of_kind if holders > settings.identifiers[kind].cap),
            most_holders=max(holders for holders, _ in of_kind),
        )
        for kind, of_kind in sorted(counted.items())
        if kind in settings.identifiers
    ]


def accuracy(connection: sa.Connection, generation: int, truth: Path) -> Evaluation:
    """A generation's customers against the truth, as far as it is known.

    Args:
        connection: Reading the state store.
        generation: The generation.
        truth: A Parquet file of source, source_key, person.

    Raises:
        TruthError: The file is not there, or lacks one of its columns.
    """
    person_of = read_truth(truth)
    labels, persons = [], []
    for source, source_key, customer_no in connection.execute(_MEMBERS, {"generation": generation}):
        labels.append(customer_no)
        persons.append(person_of.get((source, source_key)))
    return evaluate(labels, persons)


def read_truth(truth: Path) -> dict[tuple[str, str], str]:
    """The person of each record that the truth knows, by source and source key.

    Raises:
        TruthError: The file is not there, or lacks one of its columns.
    """
    if not truth.exists():
        raise TruthError(
            f"There is no file {truth} (identity.truth): name another, or leave the setting out."
        )
    names = ["source", "source_key", "person"]
    missing = sorted(set(names) - set(pq.read_schema(truth).names))
    if missing:
        raise TruthError(f"{truth.name} (identity.truth) lacks the columns {', '.join(missing)}: add them.")
    table = pq.read_table(truth, columns=names)
    sources, keys, persons = (table[name].to_pylist() for name in names)
    return {
        (source, str(key)): str(person) for source, key, person in zip(sources, keys, persons, strict=True)
    }
