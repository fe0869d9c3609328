"""Taking a merge back: an *apart* that names every member of a customer, living and dead, on one of two sides.

From then on the graph is what it would be had the *apart* stood from the start: clusters, and everything that is folded
over a customer's records. IDs too, except those of deleted records that were inherited while the sides were one;
the preview lists them.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import sqlalchemy as sa

from customer_profiles.identity.decisions.decisions import DecisionError
from customer_profiles.identity.stewardship.references import members_of
from customer_profiles.identity.tables import edge
from customer_profiles.state.bulk import rows_by_key


@dataclass(frozen=True)
class Sides:
    """The two sides of a customer that is to be taken apart, deleted records included.

    Attributes:
        apart: The records to part from the others.
        rest: All other members.
        dead: Those of both that are deleted.
    """

    apart: frozenset[int]
    rest: frozenset[int]
    dead: frozenset[int]


def sides_of(connection: sa.Connection, generation: int, customer_no: int, apart: Collection[int]) -> Sides:
    """Every member of a customer on one of two sides.

    Args:
        connection: Reading the state store.
        generation: The live generation.
        customer_no: The customer.
        apart: The records to part from the others; a deleted one stays with the others unless it is named.

    Raises:
        DecisionError: A record is no member of the customer, or no living record would be left on a side.
    """
    members = members_of(connection, generation, customer_no)
    strangers = sorted(set(apart) - members.records)
    if strangers:
        named = ", ".join(map(str, strangers))
        raise DecisionError(
            f"These records are no members of the customer: {named}. Preview the unmerge without them to see "
            "who its members are."
        )
    sides = Sides(frozenset(apart), members.records - frozenset(apart), members.dead)
    for side in (sides.apart, sides.rest):
        if not side & members.living:
            raise DecisionError(
                "No living record would be left on one side, so there is nothing to take apart: name some of the "
                "customer's living records, not all of them."
            )
    return sides


def leaning_over(connection: sa.Connection, generation: int, sides: Sides) -> frozenset[int]:
    """Living records of the rest that nothing but the parted records holds there, such as visits from their devices.

    Whoever parts two people mostly means these to go along; the *apart* would leave them alone.

    Args:
        connection: Reading the state store.
        generation: The live generation.
        sides: The sides.
    """
    beside: dict[int, set[int]] = {one: set() for one in sides.rest - sides.dead}
    members = sides.apart | sides.rest
    for end in ("left_no", "right_no"):
        keys = [(generation, one) for one in beside]
        for left, right in rows_by_key(connection, edge, ("generation", end), keys, ("left_no", "right_no")):
            for one, other in ((left, right), (right, left)):
                if one in beside and other in members:
                    beside[one].add(other)
    leaning = {one for one, others in beside.items() if others and others <= sides.apart}
    return frozenset(leaning) if len(leaning) < len(beside) else frozenset()
