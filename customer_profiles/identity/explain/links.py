"""The links of the graph, as explanations show them: edges, refused ones too, and *together* decisions. Reads; never writes."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.cleaning.tables import record
from customer_profiles.identity.clusters.linkage import UNIT
from customer_profiles.identity.decisions.decisions import DecisionKind, read_decisions, rulings_at
from customer_profiles.identity.decisions.log import logged_decisions
from customer_profiles.identity.decisions.rulings import Rulings, Together
from customer_profiles.identity.tables import edge
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
        link
        for link in decided_links(rulings_taken_in(connection))
        if {link.left_no, link.right_no} <= inside
    )
    return (*decided, *links_among(connection, generation, records, beyond))


@dataclass(frozen=True)
class LinksThen:
    """What is known today of the links at a past commit.

    Attributes:
        links: The *together* decisions in force then, and the edges of today that no change of a record made since.
        left_out: How many edges of today may be newer than the commit, for a record at their end changed after it.
    """

    links: tuple[Link, ...]
    left_out: int


def links_at(
    connection: sa.Connection, generation: int, records: Collection[int], committed_at: int
) -> LinksThen:
    """The links among the records of a customer at a past commit, as far as they can be known.

    Decisions are kept with their times; of edges no history is kept, only those of today are there.

    Args:
        connection: Reading the state store.
        generation: The live generation.
        records: The records of the customer at the commit.
        committed_at: When that was (micros).
    """
    inside = set(records)
    of_record = rows_by_key(connection, record, "record_no", inside, ("record_no", "received_at"))
    changed = {record_no for record_no, received_at in of_record if received_at > committed_at}
    edges = links_among(connection, generation, records)
    kept = tuple(link for link in edges if not {link.left_no, link.right_no} & changed)
    in_force = Rulings(
        tuple(
            Together(one.decision_id, one.decided_at, frozenset(one.side_a), frozenset(one.side_b))
            for one in logged_decisions(connection)
            if one.kind is DecisionKind.TOGETHER
            and one.decided_at <= committed_at
            and (one.undone_at is None or one.undone_at > committed_at)
        ),
        (),
    )
    decided = (link for link in decided_links(in_force) if {link.left_no, link.right_no} <= inside)
    return LinksThen((*decided, *kept), len(edges) - len(kept))


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
        for at in newest:
            for link in beside.get(at, ()):
                other = link.right_no if link.left_no == at else link.left_no
                sure = min(reached[at][0], float("inf") if link.weight is None else link.weight)
                if other not in reached and (other not in found or sure > found[other][0]):
                    found[other] = sure, link
        reached |= found
        newest = sorted(found)
    ends = [one for one in newest if one in set(right)]
    if not ends:
        return ()
    at = max(ends, key=lambda one: (reached[one][0], -one))
    path: list[Link] = []
    while (last := reached[at][1]) is not None:
        path.append(last)
        at = last.right_no if last.left_no == at else last.left_no
    return tuple(reversed(path))


def rulings_taken_in(connection: sa.Connection) -> Rulings:
    """The decisions that the graph has taken in."""
    position = read_cursor(connection, "resolve").position
    return rulings_at(read_decisions(connection), position["change_no"] if position else 0)
