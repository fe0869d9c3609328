"""What the explanations of identity say in words: links, vetoes, causes. Names of ours and numbers, never a value of a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from customer_profiles.identity.clusters.linkage import UNIT
from customer_profiles.identity.explain.history import Move
from customer_profiles.identity.explain.links import DECISION, Link
from customer_profiles.identity.explain.refusal import Turn
from customer_profiles.identity.graph.events import IdentityEvent

Row = tuple[str, str | float | None]
_SPELT_OUT, _SUPPORT = 8, 4
_WHOLE = {
    "model": "another model came into use",
    "settings": "the identity settings changed",
    "rebuild": "the graph was rebuilt",
}


def link_row(link: Link) -> tuple[str, str, float | None, str, str]:
    """A link for a table: its records, kind, weight in bits, what supports it, what became of it."""
    support = link.support[0][:8] if link.kind == DECISION else _first(link.support, _SUPPORT)
    became = "accepted" if link.accepted else f"refused: {link.refusal}"
    return f"{link.left_no} – {link.right_no}", link.kind, link.bits, support, became


LINK_COLUMNS = ("records", "kind", "bits", "supported by", "")


def turn_rows(turn: Turn) -> list[Row]:
    """The numbers that decided what became of an edge at its turn, each with its name."""
    rows: list[Row] = [
        ("side of the smaller record", numbers(turn.left_side)),
        ("side of the larger record", numbers(turn.right_side)),
    ]
    if turn.linkage is not None:
        linkage = turn.linkage
        pairs = linkage.edges + linkage.missing
        rows += [
            ("strongest edge across, bits", linkage.strongest / UNIT),
            (f"mean of {pairs:,} pairs across, bits", linkage.mean / UNIT),
            (
                f"of which without an edge, at {linkage.missing_weight / UNIT:g} bits each",
                f"{linkage.missing:,}",
            ),
            ("linkage, bits", linkage.mixed / UNIT),
            ("threshold, bits", linkage.threshold / UNIT),
        ]
    if turn.apart:
        rows.append(("kept apart by decision", ", ".join(one[:8] for one in turn.apart)))
    if turn.exclusive:
        rows.append(("one value a customer, and they differ", ", ".join(turn.exclusive)))
    if any(turn.between):
        rows.append(("the veto is between", " and ".join(numbers(side) for side in turn.between)))
    return rows


def move_words(move: Move, id_of: Mapping[int, str]) -> str:
    """One move in words, customers by their IDs."""
    many = len(move.records) > 1
    what = f"{'records' if many else 'record'} {numbers(move.records)}"
    if move.came_from is None:
        return f"{what} came to {_called(move.went_to, id_of)}"
    if move.went_to is None:
        return f"{what} {'were' if many else 'was'} deleted from {_called(move.came_from, id_of)}"
    return f"{what} went from {_called(move.came_from, id_of)} to {_called(move.went_to, id_of)}"


def cause_words(event: IdentityEvent) -> str:
    """Why an event happened, in words."""
    if event.cause_kind == "decision":
        return f"decision {event.cause['decision_id'][:8]}"
    because = _WHOLE.get(event.cause_kind, "edges changed")
    if event.cause_kind == "record":
        because = f"{numbers(event.cause['record_nos'])} came, changed or went"
    if "edge" in event.cause:
        one, other = event.cause["edge"]
        because += f"; an edge of {event.cause['weight'] / UNIT:.2f} bits between {one} and {other}"
    return because


def edges_then(left_out: int) -> str:
    """What has to be said beside the edges of a past commit.

    Args:
        left_out: How many edges of today are not shown, since a record of theirs changed later.
    """
    said = (
        "No history of edges is kept: these are today's, between records that have not changed since. Who belonged to "
        "the customer and what stewards had put together is as of the commit."
    )
    if left_out:
        many = "edges are" if left_out > 1 else "edge is"
        said += f" {left_out:,} {many} left out, for a record at an end changed after it."
    return said


def numbers(records: Sequence[int]) -> str:
    """Record numbers, the first few of many."""
    return _first(records, _SPELT_OUT)


def _first(values: Sequence[object], most: int) -> str:
    told = ", ".join(map(str, values[:most]))
    return told if len(values) <= most else f"{told}, … ({len(values):,})"


def _called(customer_no: int | None, id_of: Mapping[int, str]) -> str:
    return "nobody" if customer_no is None else id_of.get(customer_no, f"customer {customer_no}")
