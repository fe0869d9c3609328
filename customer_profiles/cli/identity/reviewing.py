"""`customer-profiles identity review`: what a steward should look at, worthiest first."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.identity.unmasking import AskedByOption, UnmaskOption, WhyOption, write_down
from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, out, say, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.identity.stewardship.record_facts import Compared
    from customer_profiles.identity.stewardship.review import ReviewItem


class Kind(StrEnum):
    """What can be asked for."""

    BAND = "band"
    BRIDGE = "bridge"
    CONFLICT = "conflict"
    SAMPLE = "sample"


@dataclass(frozen=True)
class ShownItem:
    """One question, as `--json` prints it.

    Attributes:
        item: The question.
        customer_ids: The customer, or the two.
        sources: The sources of the two records.
        compared: Field by field what the two records say, masked unless asked for.
    """

    item: ReviewItem
    customer_ids: tuple[str, ...]
    sources: tuple[str, str]
    compared: list[Compared]


def review(
    kind: Annotated[
        Kind | None,
        typer.Option(
            "--kind",
            help="band: nearly joined; bridge: one weak match holds two halves together; conflict: a strong match that "
            "a veto refused; sample: accepted matches by chance, to learn how often they are right.",
        ),
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 20,
    skip: Annotated[int, typer.Option(min=0, help="Leave out so many from the start.")] = 0,
    values: Annotated[
        bool, typer.Option("--values", help="Show what the two records say, side by side.")
    ] = False,
    unmask: UnmaskOption = False,
    reason: WhyOption = None,
    by: AskedByOption = None,
    json: JsonOption = False,
) -> None:
    """List the matches that a person should look at, those first whose answer is worth most.

    Worth is the number of pairs of records that an unexpected answer would put right, times its chance. Every fifth
    line is of the sample. What was decided is not asked again.

    Examples: customer-profiles identity review --values

    customer-profiles identity review --kind sample --limit 50

    Next: `identity preview` and `identity decide` with the two record numbers.
    """
    from customer_profiles.identity.claims.customer_ids import ids_of
    from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY
    from customer_profiles.identity.stewardship.labels import reviewed_precision
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.identity.stewardship.record_facts import compared_records, record_facts
    from customer_profiles.identity.stewardship.review import ReviewKind, review_queue
    from customer_profiles.state.generations import live_generation

    sight = Sight.asked(unmask, reason)
    with open_to_read() as opened, opened.state.reading() as connection:
        page = review_queue(
            connection,
            live_generation(connection),
            opened.settings.identity,
            None if kind is None else ReviewKind(kind.value),
            limit,
            skip,
        )
        pairs = [(item.left_no, item.right_no) for item in page.items]
        facts = record_facts(connection, {one for pair in pairs for one in pair}, sight)
        compared = compared_records(connection, pairs, sight)
        customers = {number for item in page.items for number in item.customers}
        id_of = ids_of(connection, opened.keys.key(CUSTOMER_ID_KEY), customers)
        precision = None
        if kind is Kind.SAMPLE:
            precision = reviewed_precision(connection, opened.settings.identity)
    if values or json:
        write_down(opened.settings, sight, by, "review", facts)
    items = [
        ShownItem(
            item,
            tuple(str(id_of[number]) for number in item.customers),
            (facts[pair[0]].source, facts[pair[1]].source),
            compared[pair],
        )
        for item, pair in zip(page.items, pairs, strict=True)
    ]
    if json:
        told: dict[str, object] = {
            "items": items,
            "waiting": {one.value: count for one, count in page.waiting.items()},
        }
        show_json(told if precision is None else {**told, "precision": precision})
        return
    if precision is not None and precision.precision is not None:
        say(
            ("Right so far: ", "bold"),
            f"{precision.right:,} of {precision.decided:,} matches decided from the start of the sample, "
            f"{precision.precision:.1%} (95 % interval {precision.low:.1%} to {precision.high:.1%}).",
        )
    if not items:
        out.print("Nothing waits for review." if not skip else "Nothing more waits for review.")
        return
    show_table(
        "Review",
        ("worth", "kind", "A", "B", "records", "bits", "same", "other"),
        [_row(one) for one in items],
    )
    for one in items if values else ():
        show_table(
            f"{one.item.left_no} of {one.sources[0]}, {one.item.right_no} of {one.sources[1]}",
            ("field", "A", "B", "same"),
            [(field.field, field.left, field.right, field.same) for field in one.compared],
        )
    show_table("Waiting", ("kind", "matches"), [(one.value, count) for one, count in page.waiting.items()])
    first = items[0].item
    if not values:
        say("What the records say: ", "customer-profiles identity review --values")
    say(
        "Look ahead: ",
        f"customer-profiles identity preview {_likely(first)} {first.left_no} {first.right_no}",
    )
    say(
        "Decide: ",
        f"customer-profiles identity decide together|apart {first.left_no} {first.right_no} "
        '--by NAME --reason "…"',
    )


def _row(one: ShownItem) -> tuple[object, ...]:
    item = one.item
    return (
        f"{item.worth:,.2f}",
        f"{item.kind.value}: {item.refusal}" if item.refusal else item.kind.value,
        f"{item.left_no} {one.sources[0]}",
        f"{item.right_no} {one.sources[1]}",
        f"{item.records[0]} in one"
        if item.kind.value == "sample"
        else f"{item.records[0]} + {item.records[1]}",
        f"{item.bits:,.1f}",
        [field.field for field in one.compared if field.same],
        [field.field for field in one.compared if field.same is False],
    )


def _likely(item: ReviewItem) -> str:
    """The answer that would change something."""
    return "together" if item.kind.value in ("band", "conflict") else "apart"
