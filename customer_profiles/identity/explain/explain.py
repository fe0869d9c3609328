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
from customer_profiles.identity.clusters.vetoes import Verdict
from customer_profiles.identity.decisions.decisions import read_decisions, rulings_at
from customer_profiles.identity.decisions.rulings import Rulings
from customer_profiles.identity.explain.pair import (
    ExplainError,
    KeyState,
    PairFacts,
    SharedKey,
    explain_pairs,
)
from customer_profiles.identity.explain.refusal import Turn, aparts_between, turn_of
from customer_profiles.identity.graph.live_graph import LiveGraph
from customer_profiles.identity.linking import linkage_of
from customer_profiles.identity.model.bundle import ModelBundle
from customer_profiles.identity.model.models import model_in_use
from customer_profiles.identity.tables import decision, edge, member
from customer_profiles.settings.identity import IdentitySettings, Joins
from customer_profiles.state.bulk import rows_by_key
from customer_profiles.state.cursors import read_cursor
from customer_profiles.state.schema import from_json

DECISION = "decision"
"""The kind of a link that a steward made."""


@dataclass(frozen=True)
class Link:
    """Two records with an edge between them, or that a *together* joined.

    Attributes:
        left_no: The smaller record.
        right_no: The larger one.
        weight: In 1/1024 bit; None for a decision.
        kind: What gives the weight: a kind of identifier, `probabilistic`, or `decision`.
        support: What the two share: kinds of identifiers and blocking rules; of a decision its ID.
        refusal: Why clustering refused it, None where it was accepted.
    """

    left_no: int
    right_no: int
    weight: int | None
    kind: str
    support: tuple[str, ...]
    refusal: str | None

    @property
    def accepted(self) -> bool:
        """Whether clustering took it."""
        return self.refusal is None

    @property
    def bits(self) -> float | None:
        """Its weight in bits."""
        return None if self.weight is None else self.weight / UNIT


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
    rulings = _rulings(connection)
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
        sentence=_sentence(together, pair, found, facts, turn, path, decided, use.bundle, settings),
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


def links_among(
    connection: sa.Connection, generation: int, records: Collection[int], beyond: bool = False
) -> tuple[Link, ...]:
    """Every edge among records, refused ones too, the heaviest first.

    Args:
        connection: Reading the state store.
        generation: The generation.
        records: The records.
        beyond: Whether edges to other records are wanted as well.
    """
    inside = set(records)
    names = ("left_no", "right_no", "weight", "kind", "support", "refusal")
    keys = [(generation, number) for number in inside]
    rows = set(rows_by_key(connection, edge, ("generation", "left_no"), keys, names))
    rows |= set(rows_by_key(connection, edge, ("generation", "right_no"), keys, names))
    links = [
        Link(left, right, weight, kind, tuple(from_json(support)), refusal)
        for left, right, weight, kind, support, refusal in rows
        if beyond or (left in inside and right in inside)
    ]
    return tuple(sorted(links, key=lambda link: (-(link.weight or 0), link.left_no, link.right_no)))


def links_of_customer(
    connection: sa.Connection, generation: int, records: Collection[int], *, beyond: bool
) -> tuple[Link, ...]:
    """Every edge and *together* among the records of a customer.

    Args:
        connection: Reading the state store.
        generation: The generation.
        records: The records of the customer.
        beyond: Whether edges that were refused to records of others are wanted as well.
    """
    inside = set(records)
    decided = (
        link for link in decided_links(_rulings(connection)) if {link.left_no, link.right_no} <= inside
    )
    return (*decided, *links_among(connection, generation, records, beyond))


def decided_links(rulings: Rulings) -> list[Link]:
    """The pairs that *together* decisions in force join."""
    return [
        Link(min(one, other), max(one, other), None, DECISION, (together.decision_id,), None)
        for together in rulings.togethers
        for one in sorted(together.side_a)
        for other in sorted(together.side_b)
        if one != other
    ]


def path_between(left: Collection[int], right: Collection[int], links: Iterable[Link]) -> tuple[Link, ...]:
    """The fewest accepted links that lead from one side to the other; of several such ways the one with the heaviest links.

    Args:
        left: Where to begin.
        right: Where to end.
        links: All links there are; refused ones lead nowhere.
    """
    beside: dict[int, list[Link]] = {}
    for link in links:
        if link.accepted:
            beside.setdefault(link.left_no, []).append(link)
            beside.setdefault(link.right_no, []).append(link)
    # By record how it was reached: how sure that way is, and the link that it ends with.
    reached: dict[int, tuple[float, Link | None]] = dict.fromkeys(left, (float("inf"), None))
    newest = sorted(reached)
    while newest and not set(newest) & set(right):
        found: dict[int, tuple[float, Link]] = {}
        for record in newest:
            for link in beside.get(record, ()):
                other = link.right_no if link.left_no == record else link.left_no
                sure = min(reached[record][0], float("inf") if link.weight is None else link.weight)
                if other not in reached and (other not in found or sure > found[other][0]):
                    found[other] = sure, link
        reached |= found
        newest = sorted(found)
    ends = [record for record in newest if record in set(right)]
    if not ends:
        return ()
    at = max(ends, key=lambda record: (reached[record][0], -record))
    path: list[Link] = []
    while (last := reached[at][1]) is not None:
        path.append(last)
        at = last.right_no if last.left_no == at else last.left_no
    return tuple(reversed(path))


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


def _rulings(connection: sa.Connection) -> Rulings:
    """The decisions that the graph has taken in."""
    position = read_cursor(connection, "resolve").position
    return rulings_at(read_decisions(connection), position["change_no"] if position else 0)


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


def _sentence(
    together: bool,
    pair: tuple[int, int],
    found: Link | None,
    facts: PairFacts,
    turn: Turn | None,
    path: tuple[Link, ...],
    decided: tuple[Made, ...],
    bundle: ModelBundle,
    settings: IdentitySettings,
) -> str:
    if together:
        return _why(pair, path)
    if found is not None and turn is not None:
        return f"They are two customers: {_refused(found, turn)}"
    return f"They are two customers: {_no_edge(facts, bundle, settings)}"


def _why(pair: tuple[int, int], path: tuple[Link, ...]) -> str:
    if not path:
        return "They are one customer as it stands; the edges have changed since, and the next run decides again."
    if len(path) == 1 and path[0].kind == DECISION:
        return "They are one customer: a steward put them together."
    if len(path) == 1:
        return f"They are one customer: {_edge_words(path[0])} joins them."
    return (
        f"They are one customer: {len(path)} links lead from one to the other, the weakest of which is "
        + (
            _edge_words(min(path, key=lambda link: float("inf") if link.weight is None else link.weight))
            + "."
        )
    )


def _edge_words(link: Link) -> str:
    if link.kind == DECISION:
        return "a decision"
    what = "the model's score" if link.kind == "probabilistic" else f"a shared {link.kind}"
    return f"{what} of {link.bits:.2f} bits"


def _refused(found: Link, turn: Turn) -> str:
    words = f"{_edge_words(found)} between {found.left_no} and {found.right_no}"
    if turn.verdict is Verdict.LINKAGE and turn.linkage is not None:
        numbers = turn.linkage
        return (
            f"{words} was refused, for the sides of {len(turn.left_side)} and {len(turn.right_side)} records do not hang "
            f"together: strongest {numbers.strongest / UNIT:.2f}, mean {numbers.mean / UNIT:.2f} bits with "
            f"{numbers.missing} of {numbers.missing + numbers.edges} pairs missing, which makes {numbers.mixed / UNIT:.2f}, "
            f"below the threshold of {numbers.threshold / UNIT:.2f}."
        )
    if turn.verdict is Verdict.APART:
        return f"{words} was refused, for a steward ruled that they stay apart."
    if turn.verdict is Verdict.EXCLUSIVE:
        return f"{words} was refused, for each side has another {' and another '.join(turn.exclusive)}."
    if turn.verdict is Verdict.NAMES:
        return f"{words} was refused, for they plainly differ in first name and in birth date."
    return f"{words} counts, but the graph was not brought up to date since: run `customer-profiles run`."


def _no_edge(facts: PairFacts, bundle: ModelBundle, settings: IdentitySettings) -> str:
    score = facts.score.weight / UNIT
    joining = [
        key.name
        for key in facts.shared
        if key.identifier
        and key.state is KeyState.LIVE
        and settings.identifiers[key.name].joins is Joins.UNLESS_NAMES_CONFLICT
    ]
    live = [key for key in facts.shared if key.state is KeyState.LIVE]
    if not facts.shared:
        return (
            "they share no identifier and no blocking key, so they were never compared; "
            f"compared, they would have {score:.2f} bits."
        )
    if not live:
        dead = ", ".join(sorted({f"{key.name} ({key.state.value})" for key in facts.shared}))
        return f"all that they share counts as nothing: {dead}; compared, they would have {score:.2f} bits."
    if score >= bundle.edge_threshold:
        return (
            f"compared they have {score:.2f} bits and no edge: of many copies of one content only the first few "
            "are held against others."
        )
    names = (
        f" The shared {', '.join(joining)} does not join them, for their first names differ."
        if joining
        else ""
    )
    review = ", which waits for review" if score >= bundle.review_floor else ""
    return f"compared they have {score:.2f} bits{review}, below the {bundle.edge_threshold:.2f} that make an edge.{names}"
