"""`customer-profiles identity decide | undo | preview | unmerge | decisions`: stewards put the graph right."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.identity.applying import (
    ApplyOption,
    ByOption,
    ReasonOption,
    ShownPreview,
    bring_up_to_date,
    show_preview,
    shown_preview,
    write,
)
from customer_profiles.cli.identity.unmasking import AskedByOption, UnmaskOption, WhyOption, write_down
from customer_profiles.cli.opened import Opened, open_to_read
from customer_profiles.cli.output import JsonOption, moment, out, say, show_json, show_table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from customer_profiles.identity.decisions.decisions import DecisionKind
    from customer_profiles.identity.stewardship.references import Named


class Said(StrEnum):
    """What a steward can say of two sides."""

    TOGETHER = "together"
    APART = "apart"


class Previewed(StrEnum):
    """What can be previewed."""

    TOGETHER = "together"
    APART = "apart"
    UNDO = "undo"


_SIDE = "A customer ID, SOURCE:KEY or record number; several with commas between them."
OneSide = Annotated[str, typer.Argument(metavar="A", help=_SIDE)]
OtherSide = Annotated[str, typer.Argument(metavar="B", help=_SIDE)]


@dataclass(frozen=True)
class Decided:
    """What `decide`, `undo` and `unmerge` print with `--json`.

    Attributes:
        decision_id: The decision that was made or taken back.
        preview: What it changes.
        applied: Whether customers and profiles are up to date with it.
    """

    decision_id: str
    preview: ShownPreview
    applied: bool


@dataclass(frozen=True)
class Parted:
    """What `unmerge --dry-run` prints with `--json`.

    Attributes:
        parted: The records on the one side.
        others: Every other member of the customer.
        deleted: Those of both that are deleted.
        held_by_parted_only: Living ones of the others that nothing but parted ones holds.
        preview: What it changes.
    """

    parted: tuple[int, ...]
    others: tuple[int, ...]
    deleted: tuple[int, ...]
    held_by_parted_only: tuple[int, ...]
    preview: ShownPreview


def decide(
    kind: Annotated[Said, typer.Argument(help="Whether A and B are the same person.")],
    one: OneSide,
    other: OtherSide,
    by: ByOption,
    reason: ReasonOption,
    apply: ApplyOption = True,
    json: JsonOption = False,
) -> None:
    """Say that A and B are the same person, or that they are not. No model ever overrides it.

    A customer stands for all its records. Of contradicting decisions *apart* counts while it is in force.

    Examples: customer-profiles identity decide apart crm:C00000017 shop:4711 --by ann --reason "father and son"

    customer-profiles identity decide together 17,18 230 --by ann --reason "same loyalty card"

    Look first with `identity preview`; take it back with `identity undo`.
    """
    from customer_profiles.identity.decisions.decisions import DecisionKind
    from customer_profiles.identity.decisions.decisions import decide as write_decision
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.identity.stewardship.preview import preview_decision

    decision_kind = DecisionKind(kind.value)
    with open_to_read() as opened, opened.state.reading() as connection:
        sides = _sides(opened, connection, decision_kind, one, other)
        preview = preview_decision(
            connection, _live(connection), opened.settings.identity, decision_kind, *sides
        )
        shown = shown_preview(connection, opened.keys, preview)
        if not json:
            show_preview(connection, shown, Sight())
    decision_id = write(
        opened.settings,
        lambda connection: write_decision(connection, decision_kind, *sides, by=by, reason=reason),
    )
    if not json:
        say(("Decided ", "bold"), f"{decision_id}: {kind.value}, by {by}.")
    _finish(opened, decision_id, shown, apply, json)
    if not json:
        say("To take it back: ", f'customer-profiles identity undo {decision_id[:8]} --by NAME --reason "…"')


def undo(
    decision: Annotated[str, typer.Argument(help="The decision's ID, or its first characters.")],
    by: ByOption,
    reason: ReasonOption,
    apply: ApplyOption = True,
    json: JsonOption = False,
) -> None:
    """Take a decision back: everything is as if it had not been made, and it stays in the list with who and why.

    Example: customer-profiles identity undo 3f2a8c41 --by ann --reason "other father"

    The IDs of decisions: customer-profiles identity decisions
    """
    from customer_profiles.identity.decisions.decisions import undo as write_undo
    from customer_profiles.identity.decisions.log import decision_named
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.identity.stewardship.preview import preview_undo

    with open_to_read() as opened, opened.state.reading() as connection:
        decision_id = decision_named(connection, decision)
        preview = preview_undo(connection, _live(connection), opened.settings.identity, decision_id)
        shown = shown_preview(connection, opened.keys, preview)
        if not json:
            show_preview(connection, shown, Sight())

    def take_back(connection: sa.Connection) -> str:
        write_undo(connection, decision_id, by=by, reason=reason)
        return decision_id

    write(opened.settings, take_back)
    if not json:
        say(("Undone ", "bold"), f"{decision_id}, by {by}.")
    _finish(opened, decision_id, shown, apply, json)
    if not json:
        say("Next: customer-profiles identity review")


def preview(
    kind: Annotated[Previewed, typer.Argument(help="What to look ahead at.")],
    one: Annotated[str, typer.Argument(metavar="A", help=f"{_SIDE} With undo, the decision's ID.")],
    other: Annotated[str | None, typer.Argument(metavar="[B]", help=_SIDE)] = None,
    unmask: UnmaskOption = False,
    reason: WhyOption = None,
    by: AskedByOption = None,
    json: JsonOption = False,
) -> None:
    """Show exactly what a decision, or taking one back, would change. Nothing is decided.

    Examples: customer-profiles identity preview apart crm:C00000017 shop:4711

    customer-profiles identity preview undo 3f2a8c41

    Next: the same with `identity decide`, or `identity undo`.
    """
    from customer_profiles.identity.decisions.decisions import DecisionKind
    from customer_profiles.identity.decisions.log import decision_named
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.identity.stewardship.preview import preview_decision, preview_undo

    if (other is None) != (kind is Previewed.UNDO):
        raise typer.BadParameter(
            "name two sides for together or apart, and one decision for undo", param_hint="A B"
        )
    sight = Sight.asked(unmask, reason)
    with open_to_read() as opened, opened.state.reading() as connection:
        generation, settings = _live(connection), opened.settings.identity
        if other is None:
            found = preview_undo(connection, generation, settings, decision_named(connection, one))
        else:
            decision_kind = DecisionKind(kind.value)
            sides = _sides(opened, connection, decision_kind, one, other)
            found = preview_decision(connection, generation, settings, decision_kind, *sides)
        shown = shown_preview(connection, opened.keys, found)
        if json:
            show_json(shown)
            return
        write_down(opened.settings, sight, by, "preview", shown.records)
        show_preview(connection, shown, sight)
    say("Nothing was decided.")
    command = f"undo {one}" if other is None else f"decide {kind.value} {one} {other}"
    say("Next: ", f'customer-profiles identity {command} --by NAME --reason "…"')


def unmerge(
    customer: Annotated[
        str, typer.Argument(help="The customer: its ID, or SOURCE:KEY or number of one of its records.")
    ],
    apart: Annotated[
        list[str],
        typer.Option(
            "--apart", help="A record to part from the others: SOURCE:KEY or record number. Repeat for more."
        ),
    ],
    by: ByOption,
    reason: ReasonOption,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would change, and stop.")] = False,
    unmask: Annotated[
        bool, typer.Option("--unmask", help="Show values of persons in clear, for the reason given.")
    ] = False,
    apply: ApplyOption = True,
    json: JsonOption = False,
) -> None:
    """Take a merge back: the records named go one way, every other member of the customer, deleted ones too, the other.

    From then on all is as if the two sides had never been one: customers, traits, windows, purchases, consent. IDs
    too, except those inherited from deleted records while they were one, which the preview lists.

    Example: customer-profiles identity unmerge shop:4711 --apart shop:4711 --by ann --reason "two people"

    To take it back: customer-profiles identity undo DECISION
    """
    from customer_profiles.identity.decisions.decisions import DecisionKind
    from customer_profiles.identity.decisions.decisions import decide as write_decision
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.identity.stewardship.preview import preview_decision
    from customer_profiles.identity.stewardship.references import customer_named
    from customer_profiles.identity.stewardship.unmerge import leaning_over, sides_of

    if json and not (yes or dry_run):
        raise typer.BadParameter("with --json nobody is asked: give --yes or --dry-run", param_hint="--json")
    with open_to_read() as opened, opened.state.reading() as connection:
        generation, sources = _live(connection), list(opened.settings.sources)
        customer_no = customer_named(connection, generation, sources, customer)
        named = [_named(opened, connection, one) for one in apart]
        sides = sides_of(
            connection, generation, customer_no, frozenset().union(*(one.records for one in named))
        )
        found = preview_decision(
            connection, generation, opened.settings.identity, DecisionKind.APART, sides.apart, sides.rest
        )
        shown = Parted(
            parted=tuple(sorted(sides.apart)),
            others=tuple(sorted(sides.rest)),
            deleted=tuple(sorted(sides.dead)),
            held_by_parted_only=tuple(sorted(leaning_over(connection, generation, sides))),
            preview=shown_preview(connection, opened.keys, found),
        )
        if not json:
            sight = Sight.asked(unmask, reason)
            write_down(opened.settings, sight, by, "unmerge", shown.preview.records)
            _show_parted(shown)
            show_preview(connection, shown.preview, sight)
    if dry_run:
        if json:
            show_json(shown)
        else:
            say("Nothing was decided.")
        return
    if not yes and not typer.confirm("Take the customer apart?"):
        say("Nothing was decided.")
        raise typer.Exit(1)
    decision_id = write(
        opened.settings,
        lambda connection: write_decision(
            connection, DecisionKind.APART, sides.apart, sides.rest, by=by, reason=reason
        ),
    )
    if not json:
        say(("Decided ", "bold"), f"{decision_id}: apart, by {by}.")
    _finish(opened, decision_id, shown.preview, apply, json)
    if not json:
        say("To take it back: ", f'customer-profiles identity undo {decision_id[:8]} --by NAME --reason "…"')


def decisions(
    in_force: Annotated[bool, typer.Option("--in-force", help="Leave out what was taken back.")] = False,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 50,
    unmask: Annotated[
        bool, typer.Option("--unmask", help="Show the reasons that stewards wrote; needs --reason.")
    ] = False,
    reason: WhyOption = None,
    by: AskedByOption = None,
    json: JsonOption = False,
) -> None:
    """List what stewards decided, the newest first. Their reasons are free text and may name persons: see --unmask.

    Example: customer-profiles identity decisions --in-force

    Next: customer-profiles identity undo DECISION takes one back.
    """
    from customer_profiles.identity.decisions.log import logged_decisions
    from customer_profiles.identity.stewardship.masking import Sight

    sight = Sight.asked(unmask, reason)
    with open_to_read() as opened, opened.state.reading() as connection:
        found = logged_decisions(connection, undone=not in_force, limit=limit)
    named = {record_no for one in found for record_no in (*one.side_a, *one.side_b)}
    write_down(opened.settings, sight, by, "decisions", named)
    if json:
        hidden = () if sight.clear else ("reason", "undone_reason")
        show_json(
            [{name: value for name, value in asdict(one).items() if name not in hidden} for one in found]
        )
        return
    if not found:
        out.print("Nobody decided anything so far. See what waits: customer-profiles identity review")
        return
    columns = ["decision", "says", "A", "B", "decided", "by", "undone", "by"]
    show_table(
        "Decisions",
        [*columns, "why", "why undone"] if sight.clear else columns,
        [
            (
                one.decision_id[:8] if len(one.decision_id) == _UUID else one.decision_id,
                one.kind.value,
                _numbers(one.side_a),
                _numbers(one.side_b),
                moment(one.decided_at),
                one.decided_by,
                moment(one.undone_at),
                one.undone_by,
                *([one.reason, one.undone_reason] if sight.clear else []),
            )
            for one in found
        ],
    )
    if len(found) == limit:
        out.print(f"The newest {limit:,}; more with --limit.", style="dim")
    say('To take one back: customer-profiles identity undo DECISION --by NAME --reason "…"')


_UUID = 36
_NAMED = 6


def _numbers(records: tuple[int, ...]) -> str:
    told = ", ".join(map(str, records[:_NAMED]))
    return told if len(records) <= _NAMED else f"{told}, … ({len(records):,})"


def _show_parted(shown: Parted) -> None:
    """Print every member of a customer on its side."""
    for title, side in (("Parted", shown.parted), ("The others", shown.others)):
        told = (f"{one} (deleted)" if one in shown.deleted else str(one) for one in side)
        say((f"{title}: ", "bold"), ", ".join(told))
    if shown.held_by_parted_only:
        say(
            ("Only the parted records hold these: ", "yellow"),
            f"{', '.join(map(str, shown.held_by_parted_only))}. To let them go along: ",
            " ".join(f"--apart {one}" for one in shown.held_by_parted_only),
        )


def _finish(opened: Opened, decision_id: str, shown: ShownPreview, apply: bool, json: bool) -> None:
    if apply:
        bring_up_to_date(opened.settings)
    if json:
        show_json(Decided(decision_id, shown, apply))
    elif apply:
        say("Customers and profiles are up to date.")
    else:
        say("It takes effect with the next run: ", "customer-profiles run")


def _sides(
    opened: Opened, connection: sa.Connection, kind: DecisionKind, one: str, other: str
) -> tuple[frozenset[int], frozenset[int]]:
    """The records that a decision names on its two sides."""
    return (
        _named(opened, connection, one).side_of(kind),
        _named(opened, connection, other).side_of(kind),
    )


def _named(opened: Opened, connection: sa.Connection, reference: str) -> Named:
    from customer_profiles.identity.stewardship.references import records_named

    return records_named(connection, _live(connection), list(opened.settings.sources), reference)


def _live(connection: sa.Connection) -> int:
    from customer_profiles.state.generations import live_generation

    return live_generation(connection)
