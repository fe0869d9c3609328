"""Explains why two records, or two customers, are one customer or are not. Reads; never writes.

From Python, without the command line:

    with state.reading() as connection:
        told = explain(connection, live_generation(connection), settings.identity, [12], [345])
    told.sentence       # why, in one sentence
    told.path           # the accepted edges that lead from one to the other
    told.facts.score    # each comparison of the two records, with its weight

It holds numbers of records and customers, weights and names of ours, no value of a person: those are put beside it where
it is shown, masked or not (`record_facts.py`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.identity.clusters.linkage import UNIT
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.explain.links import (
    Link,
    decided_links,
    links_among,
    path_between,
    rulings_taken_in,
)
from customer_profiles.identity.explain.pair import ExplainError, PairFacts, SharedKey, explain_pairs
from customer_profiles.identity.explain.refusal import Turn, aparts_between, turn_of
from customer_profiles.identity.explain.sentence import sentence_of
from customer_profiles.identity.graph.live_graph import LiveGraph
from customer_profiles.identity.linking import linkage_of
from customer_profiles.identity.model.models import model_in_use
from customer_profiles.identity.tables import decision, member
from customer_profiles.settings.identity import IdentitySettings
from customer_profiles.state.bulk import rows_by_key


@dataclass(frozen=True)
class Made:
    """A decision of a steward, without its reason: that may hold anything.

    Attributes:
        decision_id: Its ID.
        kind: together or apart.
        decided_at: When (micros).
        decided_by: Who.
    """

    decision_id: str
    kind: str
    decided_at: int
    decided_by: str


@dataclass(frozen=True)
class Explanation:
    """Why two sides are one customer, or why not.

    Attributes:
        together: Whether they are one customer.
        sentence: Why, in one sentence.
        left: The records of the one side.
        right: Those of the other.
        customers: The customer of the one side and that of the other.
        pair: The two records that are compared below: those that were named, or those with the strongest edge.
        edge: The edge between these two, None where there is none.
        facts: What the two share, and what the model says of them.
        turn: What became of the edge when it was its turn; None without an edge.
        path: The accepted edges and decisions that lead from the one to the other, the fewest.
        edges: Every edge between the two sides, the heaviest first.
        graph: Every edge among the records of the customers concerned.
        members: The records of the customers concerned, by customer.
        decisions: The decisions in force that speak of both sides.
        model: The version of the model.
        edge_threshold: From this weight on a pair is an edge, in 1/1024 bit.
    """

    together: bool
    sentence: str
    left: tuple[int, ...]
    right: tuple[int, ...]
    customers: tuple[int, int]
    pair: tuple[int, int]
    edge: Link | None
    facts: PairFacts
    turn: Turn | None
    path: tuple[Link, ...]
    edges: tuple[Link, ...]
    graph: tuple[Link, ...]
    members: Mapping[int, tuple[int, ...]]
    decisions: tuple[Made, ...]
    model: int
    edge_threshold: int

    @property
    def shared(self) -> tuple[SharedKey, ...]:
        """Identifiers and blocking keys that the two records share."""
        return self.facts.shared


def explain(
    connection: sa.Connection,
    generation: int,
    settings: IdentitySettings,
    left: Collection[int],
    right: Collection[int],
) -> Explanation:
    """Explain why two sides are one customer, or why they are not.

    Args:
        connection: Reading the state store.
        generation: The live generation.
        settings: Identifiers, caps, thresholds: those that the graph was resolved with.
        left: Living records of one customer: a single one, or several.
        right: The same of the other side.

    Raises:
        ExplainError: A side is empty, holds records of several customers, or both sides are the same.
    """
    customers = _customer_of(connection, generation, left), _customer_of(connection, generation, right)
    if set(left) == set(right):
        raise ExplainError(
            "Both sides are the same: name two records, or two customers. "
            "`customer-profiles identity history` tells how one customer came to be."
        )
    use = model_in_use(connection)
    rulings = rulings_taken_in(connection)
    members = members_of_customers(connection, generation, customers)
    graph = links_among(connection, generation, [one for of in members.values() for one in of])
    edges = tuple(link for link in graph if _between(link, set(left), set(right)))
    pair = _pair(left, right, edges)
    facts = explain_pairs(connection, generation, use.bundle, settings, [pair])[pair]
    found = next((link for link in graph if (link.left_no, link.right_no) == pair), None)
    turn = None
    if found is not None:
        turn = _turn(connection, generation, settings, pair, graph, members, rulings)
    together = customers[0] == customers[1]
    path = path_between(left, right, [*graph, *decided_links(rulings)]) if together else ()
    sides = members[customers[0]], members[customers[1]]
    decided = _made(connection, rulings, *((left, right) if together else sides))
    return Explanation(
        together=together,
        sentence=sentence_of(together, pair, found, facts, turn, path, use.bundle, settings),
        left=tuple(sorted(left)),
        right=tuple(sorted(right)),
        customers=customers,
        pair=pair,
        edge=found,
        facts=facts,
        turn=turn,
        path=path,
        edges=edges,
        graph=graph,
        members=members,
        decisions=decided,
        model=use.version,
        edge_threshold=round(use.bundle.edge_threshold * UNIT),
    )


def members_of_customers(
    connection: sa.Connection, generation: int, customers: Iterable[int]
) -> dict[int, tuple[int, ...]]:
    """The living records of customers, rising."""
    keys = [(generation, customer_no) for customer_no in set(customers)]
    rows = rows_by_key(connection, member, ("generation", "customer_no"), keys, ("customer_no", "record_no"))
    members: dict[int, list[int]] = {}
    for customer_no, record_no in sorted(rows):
        members.setdefault(customer_no, []).append(record_no)
    return {customer_no: tuple(records) for customer_no, records in members.items()}


def _customer_of(connection: sa.Connection, generation: int, records: Collection[int]) -> int:
    keys = [(generation, number) for number in records]
    found = rows_by_key(connection, member, ("generation", "record_no"), keys, ("record_no", "customer_no"))
    if not records or len(found) != len(set(records)):
        raise ExplainError(
            "Name records that live: a deleted one belongs to nobody and has nothing to compare."
        )
    customers = {customer_no for _, customer_no in found}
    if len(customers) != 1:
        raise ExplainError(f"A side names records of {len(customers)} customers: name those of one.")
    return int(customers.pop())


def _between(link: Link, left: set[int], right: set[int]) -> bool:
    ends = link.left_no, link.right_no
    return any(
        (one in left and other in right and not (one in right and other in left))
        for one, other in (ends, ends[::-1])
    )


def _pair(left: Collection[int], right: Collection[int], edges: tuple[Link, ...]) -> tuple[int, int]:
    """The two records to compare: the strongest accepted edge, else the strongest, else the first of each side."""
    best = next((link for link in edges if link.accepted), edges[0] if edges else None)
    if best is not None:
        return best.left_no, best.right_no
    one, other = min(left), min(set(right) - {min(left)})
    return min(one, other), max(one, other)


def _turn(
    connection: sa.Connection,
    generation: int,
    settings: IdentitySettings,
    pair: tuple[int, int],
    graph: Iterable[Link],
    members: Mapping[int, tuple[int, ...]],
    rulings: Rulings,
) -> Turn:
    records = [one for of in members.values() for one in of]
    facts = LiveGraph(connection, generation, settings).facts_of(records)
    edges = [(link.weight or 0, link.left_no, link.right_no) for link in graph]
    return turn_of(pair, records, edges, facts, rulings, linkage_of(settings))


def _made(
    connection: sa.Connection, rulings: Rulings, left: Collection[int], right: Collection[int]
) -> tuple[Made, ...]:
    """The decisions in force that name a record of each side on their two sides."""
    one, other = frozenset(left), frozenset(right)
    ids = set(aparts_between(one, other, rulings))
    ids |= {
        together.decision_id
        for together in rulings.togethers
        if (together.side_a & one and together.side_b & other)
        or (together.side_a & other and together.side_b & one)
    }
    columns = ("decided_at", "decision_id", "kind", "decided_by")
    rows = sorted(rows_by_key(connection, decision, "decision_id", ids, columns))
    return tuple(Made(decision_id, kind, at, by) for at, decision_id, kind, by in rows)
