"""`customer-profiles segments`: who is in which segment, and the feed of who entered and left."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, err, moment, out, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.marts.segment_changes import Cause

app = typer.Typer(help="Segments: how many are inside, and who entered and left.", no_args_is_help=True)


@app.command("list")
def list_(json: JsonOption = False) -> None:
    """Show the segments of the settings and how many customers are inside each now.

    Example: customer-profiles segments list

    Next: customer-profiles segments changes
    """
    from customer_profiles.pipeline.overview import segment_sizes

    with open_to_read() as opened:
        sizes = segment_sizes(opened.state)
        rows = [
            (name, sizes.get(name, 0), segment.description, segment.when)
            for name, segment in sorted(opened.settings.segments.items())
        ]
    columns = ("segment", "customers", "description", "when")
    if json:
        show_json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    show_table("", columns, rows)


@app.command()
def changes(
    since: Annotated[int, typer.Option(min=0, help="Only changes after the one of this number.")] = 0,
    segment: Annotated[str | None, typer.Option(help="Only this segment.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many changes.")] = 100,
    json: JsonOption = False,
) -> None:
    """Show who entered and who left segments, when and why, in the order in which it was noticed.

    Examples: customer-profiles segments changes --segment big_spender

    customer-profiles segments changes --since 100 --json

    Read it as a feed: ask again from the last number. A customer is named by its number, which is `customer_no` in every
    table, and by the ID that it is looked up by.
    """
    from customer_profiles.identity.claims.customer_ids import ids_of
    from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY
    from customer_profiles.marts.segment_changes import changes_since

    with open_to_read() as opened, opened.state.reading() as connection:
        told = changes_since(connection, since, limit + 1, segment)
        more, told = len(told) > limit, told[:limit]
        ids = ids_of(connection, opened.keys.key(CUSTOMER_ID_KEY), {one.customer_no for one in told})
    if more:
        err.print(
            f"Only the first {limit:,} changes are shown; those after them: --since {told[-1].change_no}",
            style="dim",
        )
    if json:
        show_json(
            [
                {
                    "change_no": one.change_no,
                    "customer_no": one.customer_no,
                    "customer_id": str(ids[one.customer_no]) if one.customer_no in ids else None,
                    "segment": one.segment,
                    "kind": one.kind,
                    "changed_at": one.changed_at,
                    "cause_kind": str(one.cause.kind),
                    "cause": one.cause.number,
                }
                for one in told
            ]
        )
        return
    show_table(
        "",
        ("no", "when (UTC)", "customer", "what", "segment", "why"),
        [
            (
                one.change_no,
                moment(one.changed_at),
                str(ids.get(one.customer_no, "")),
                one.kind,
                one.segment,
                _why(one.cause),
            )
            for one in told
        ],
        separated=False,
    )
    out.print(f"{len(told):,} change{'s' * (len(told) != 1)}", style="dim")


def _why(cause: Cause) -> str:
    from customer_profiles.marts.segment_changes import CauseKind

    return {
        CauseKind.RULES: "the rules changed",
        CauseKind.TIME: f"time passed: due since {moment(cause.number)}",
        CauseKind.INTERACTION: f"record {cause.number} did something",
        CauseKind.RECORD: f"record {cause.number} says something else"
        if cause.number
        else "its records changed",
        CauseKind.IDENTITY: f"identity event {cause.number}",
        CauseKind.REBUILD: f"rebuild, generation {cause.number}",
    }[cause.kind]
