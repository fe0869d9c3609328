"""`customer-profiles identity explain`: why records are one customer, or why not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from customer_profiles.cli.identity.showing import (
    HtmlOption,
    ids_shown,
    live_generation_of,
    say_next,
    show_links,
    write_page,
)
from customer_profiles.cli.identity.unmasking import AskedByOption, UnmaskOption, WhyOption, write_down
from customer_profiles.cli.opened import Opened, open_to_read
from customer_profiles.cli.output import JsonOption, moment, say, show_json, show_table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from customer_profiles.identity.explain.explain import Explanation

_SIDE = "A customer ID, SOURCE:KEY or record number; several of one customer with commas between them."
ValuesOption = Annotated[bool, typer.Option("--values", help="Show what the records say, side by side.")]


def explain(
    one: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    other: Annotated[str, typer.Argument(metavar="B", help=_SIDE)],
    html: HtmlOption = None,
    values: ValuesOption = False,
    unmask: UnmaskOption = False,
    reason: WhyOption = None,
    by: AskedByOption = None,
    json: JsonOption = False,
) -> None:
    """Explain why A and B are one customer, or why not: edges, weights, what they share, the veto that refused.

    The weights are whole multiples of 1/1024 bit and add up to the score exactly.

    Examples: customer-profiles identity explain 17 18 --html explained.html

    customer-profiles identity explain crm:C00000017 shop:4711 --values --unmask --reason "ticket 4711"

    Next: `identity history` tells how a customer came to be; `identity decide` puts right what is wrong.
    """
    from customer_profiles.identity.explain.explain import explain as explained
    from customer_profiles.identity.explain.explain_page import explain_page
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.identity.stewardship.record_facts import compared_records, record_facts

    sight = Sight.asked(unmask, reason)
    with open_to_read() as opened, opened.state.reading() as connection:
        told = explained(
            connection,
            live_generation_of(connection),
            opened.settings.identity,
            _living(opened, connection, one),
            _living(opened, connection, other),
        )
        id_of = ids_shown(opened, connection, told.customers)
        facts = record_facts(connection, [record for of in told.members.values() for record in of], sight)
        compared = compared_records(connection, [told.pair], sight)[told.pair]
    write_down(opened.settings, sight, by, "explain", told.pair if html is None else facts)
    if html is not None:
        write_page(html, explain_page(told, id_of, facts, compared, sight))
    if json:
        show_json(_explanation(told, id_of, compared))
        return
    _show_explanation(told, id_of, {number: facts[number].source for number in told.pair})
    if values or unmask:
        show_table(
            "What the two say",
            ("field", *map(str, told.pair), "same"),
            [(field.field, field.left, field.right, field.same) for field in compared],
        )
    say_next(html, f"customer-profiles identity history {id_of[told.customers[0]]}")


def _show_explanation(told: Explanation, id_of: Mapping[int, str], source_of: Mapping[int, str]) -> None:
    from customer_profiles.identity.clusters.linkage import UNIT
    from customer_profiles.identity.explain.explain_page import SHARED_COLUMNS, shared_rows
    from customer_profiles.identity.explain.waterfall import parts_of
    from customer_profiles.identity.explain.words import turn_rows

    left, right = told.pair
    customers = " and ".join(dict.fromkeys(id_of[number] for number in told.customers))
    say((told.sentence, "bold"))
    say(f"Records {left} ({source_of[left]}) and {right} ({source_of[right]}), customer {customers}.")
    show_links("How they hang together", told.path)
    show_table(
        f"What the model makes of {left} and {right}",
        ("comparison", "level", "bits", f"1/{UNIT} bit", "sum"),
        [
            (part.name, part.level, part.weight / UNIT, part.weight, part.total / UNIT)
            for part in parts_of(told.facts.score)
        ],
    )
    show_table("What the two share", SHARED_COLUMNS, shared_rows(told))
    if told.turn is not None and not told.turn.joined_before:
        show_table("What became of the edge between them", ("", ""), turn_rows(told.turn))
    show_links("Edges between the two sides", told.edges)
    if told.decisions:
        show_table(
            "Decisions in force",
            ("decision", "says", "decided", "by"),
            [(one.decision_id, one.kind, moment(one.decided_at), one.decided_by) for one in told.decisions],
        )


def _explanation(told: Explanation, id_of: Mapping[int, str], compared: Sequence[Any]) -> dict[str, object]:
    """An explanation as `--json` prints it: numbers of customers by their IDs, weights in 1/1024 bit."""
    from customer_profiles.identity.explain.waterfall import parts_of

    return {
        "together": told.together,
        "sentence": told.sentence,
        "customer_ids": [id_of[number] for number in told.customers],
        "left": told.left,
        "right": told.right,
        "pair": told.pair,
        "weight": told.facts.score.weight,
        "parts": parts_of(told.facts.score),
        "edge_threshold": told.edge_threshold,
        "shared": told.shared,
        "edge": told.edge,
        "turn": told.turn,
        "path": told.path,
        "edges": told.edges,
        "decisions": told.decisions,
        "model": told.model,
        "compared": compared,
    }


def _living(opened: Opened, connection: sa.Connection, reference: str) -> frozenset[int]:
    from customer_profiles.identity.stewardship.references import records_named

    return records_named(
        connection, live_generation_of(connection), list(opened.settings.sources), reference
    ).living
