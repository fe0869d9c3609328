"""An explanation, and the history of a customer, as pages of HTML that need nothing else. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from customer_profiles.identity.clusters.linkage import UNIT
from customer_profiles.identity.explain.explain import Explanation
from customer_profiles.identity.explain.graph_picture import LARGEST, Node, graph_picture
from customer_profiles.identity.explain.history import CustomerHistory
from customer_profiles.identity.explain.links import Link
from customer_profiles.identity.explain.waterfall import parts_of, waterfall
from customer_profiles.identity.explain.words import (
    LINK_COLUMNS,
    cause_words,
    edges_then,
    link_row,
    move_words,
    turn_rows,
)
from customer_profiles.identity.page import heading, moment, page, paragraph, table
from customer_profiles.identity.stewardship.masking import Sight
from customer_profiles.identity.stewardship.record_facts import Compared, RecordFacts

_NAMED = ("given_name", "family_name", "full_name")


def explain_page(
    told: Explanation,
    id_of: Mapping[int, str],
    facts: Mapping[int, RecordFacts],
    compared: Sequence[Compared],
    sight: Sight,
) -> str:
    """Why two sides are one customer or are not.

    Args:
        told: The explanation.
        id_of: The IDs of its customers.
        facts: Its records, as they may be shown.
        compared: What the two compared records say, as it may be shown.
        sight: How that is.
    """
    left, right = told.pair
    one, other = (id_of[number] for number in told.customers)
    score = told.facts.score
    members = [record for of in told.members.values() for record in of]
    return page(
        f"Records {left} and {right}",
        [
            paragraph(told.sentence, "told"),
            paragraph(f"Customer {one}." if told.together else f"Customers {one} and {other}."),
            *_links("How they hang together", told.path),
            heading("What the model makes of the two"),
            waterfall(score, told.edge_threshold),
            table(
                ("comparison", "level", "bits", f"1/{UNIT} bit", "sum in bits"),
                [
                    (part.name, part.level, part.weight / UNIT, part.weight, part.total / UNIT)
                    for part in parts_of(score)
                ],
            ),
            heading("What the two share"),
            shared_table(told),
            *_turn(told),
            *_links("Edges between the two sides", told.edges),
            *_decisions(told),
            heading("What the two say"),
            _compared(told, compared),
            _sight(sight),
            heading("The customer" if told.together else "The two customers"),
            *_picture(members, told.graph, facts, {*told.left, *told.right}, sight),
        ],
    )


def history_page(
    told: CustomerHistory,
    id_of: Mapping[int, str],
    facts: Mapping[int, RecordFacts],
    links: Sequence[Link],
    sight: Sight,
    left_out: int | None,
) -> str:
    """How a customer came to be.

    Args:
        told: Its history.
        id_of: The IDs of every customer in it.
        facts: Every record in it, and at the far end of links, as they may be shown.
        links: Edges and decisions among its members, and edges that were refused to records of others.
        sight: How values are shown.
        left_out: Of a past commit, how many edges of today may be newer; None when it is told up to today.
    """
    when = f"commit {told.commit.commit_no} ({moment(told.commit.committed_at)} UTC)"
    remark = (
        "Pale records are of other customers, at the far end of refused edges."
        if left_out is None
        else edges_then(left_out)
    )
    return page(
        f"Customer {id_of[told.customer_no]}",
        [
            paragraph(f"{len(told.members)} records at {when}.", "told"),
            *_picture(told.members, links, facts, (), sight),
            paragraph(remark, "aside"),
            heading("How it came to be"),
            table(("commit", "when (UTC)", "what happened", "why"), history_rows(told, id_of)),
            heading("Its records"),
            table(
                ("record", "source", "what it says"),
                [(str(one), facts[one].source, "; ".join(facts[one].shown.values())) for one in told.members],
            ),
            _sight(sight),
            *_links("Edges", links),
        ],
    )


def shared_table(told: Explanation) -> str:
    """What the two compared records share."""
    if not told.shared:
        return paragraph("No identifier and no blocking key.")
    return table(SHARED_COLUMNS, shared_rows(told))


SHARED_COLUMNS = ("shared", "as", "how many", "holders", "cap", "")


def shared_rows(told: Explanation) -> list[tuple[str, str, int, int, int, str]]:
    """What the two compared records share, line by line: of several keys of a rule the holders of the rarest."""
    return [
        (
            one.name,
            "identifier" if one.identifier else "blocking key",
            one.keys,
            one.holders,
            one.cap,
            one.state.value,
        )
        for one in told.shared
    ]


def history_rows(told: CustomerHistory, id_of: Mapping[int, str]) -> list[tuple[str, str, str, str]]:
    """A history line by line: commit, moment, what happened, why."""
    return [
        (
            str(step.commit.commit_no),
            moment(step.commit.committed_at),
            "; ".join(move_words(move, id_of) for move in step.moves),
            "; ".join(dict.fromkeys(f"{event.kind.value}: {cause_words(event)}" for event in step.events)),
        )
        for step in told.steps
    ]


def _links(title: str, links: Sequence[Link]) -> Iterable[str]:
    if links:
        yield heading(title)
        yield table(LINK_COLUMNS, [link_row(link) for link in links])


def _turn(told: Explanation) -> Iterable[str]:
    if told.turn is not None and not told.turn.joined_before:
        yield heading("What became of the edge between them")
        yield table(("", ""), [(name, _number(value)) for name, value in turn_rows(told.turn)])


def _decisions(told: Explanation) -> Iterable[str]:
    if told.decisions:
        yield heading("Decisions in force")
        yield table(
            ("decision", "says", "decided (UTC)", "by"),
            [(one.decision_id, one.kind, moment(one.decided_at), one.decided_by) for one in told.decisions],
        )


def _compared(told: Explanation, compared: Sequence[Compared]) -> str:
    same = {True: "yes", False: "no", None: ""}
    return table(
        ("field", *map(str, told.pair), "same"),
        [(one.field, one.left, one.right, same[one.same]) for one in compared],
    )


def _picture(
    members: Collection[int],
    links: Sequence[Link],
    facts: Mapping[int, RecordFacts],
    named: Collection[int],
    sight: Sight,
) -> Iterable[str]:
    inside = set(members)
    beyond = {end for link in links for end in (link.left_no, link.right_no)} - inside
    if len(inside) + len(beyond) > LARGEST:
        yield paragraph(
            f"{len(inside) + len(beyond):,} records are too many for a picture of up to {LARGEST}."
        )
        return
    nodes = [
        Node(
            record_no=number,
            source=facts[number].source,
            label=" ".join(facts[number].shown[field] for field in _NAMED if field in facts[number].shown)
            if sight.clear
            else "",
            within=number in inside,
            named=number in named,
        )
        for number in sorted(inside | beyond)
    ]
    yield graph_picture(nodes, links)


def _sight(sight: Sight) -> str:
    if sight.clear:
        return paragraph(f"Values of persons are shown in clear, for this reason: {sight.reason}", "aside")
    return paragraph(
        "Values are masked; whether they are the same was told from the values themselves.", "aside"
    )


def _number(value: str | float | None) -> str:
    return f"{value:,.4f}" if isinstance(value, float) else str(value or "")
