"""`customer-profiles identity history | as-of`: how a customer came to be, and who belonged to whom at a commit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
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
from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, moment, out, say, show_json, show_table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from customer_profiles.identity.explain.history import CustomerHistory
    from customer_profiles.identity.explain.links import Link
    from customer_profiles.identity.graph.as_of import Commit, Stay

_WHEN = "A commit's number, or a moment in UTC: 2026-11-25 or 2026-11-25T15:00."


@dataclass(frozen=True)
class ShownStep:
    """One commit of a history, as `--json` prints it.

    Attributes:
        commit: The commit.
        moves: Who moved from where to where, customers by their IDs.
        events: What this was, and why.
    """

    commit: Commit
    moves: tuple[Mapping[str, Any], ...]
    events: tuple[Mapping[str, Any], ...]


def history(
    customer: Annotated[
        str, typer.Argument(help="The customer: its ID, or SOURCE:KEY or number of one of its records.")
    ],
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="COMMIT", help=_WHEN)] = None,
    html: HtmlOption = None,
    unmask: UnmaskOption = False,
    reason: WhyOption = None,
    by: AskedByOption = None,
    json: JsonOption = False,
) -> None:
    """Tell how a customer came to be: which records came and went, commit by commit, and why.

    Examples: customer-profiles identity history 17 --html history.html

    customer-profiles identity history 17 --as-of 1

    Next: `identity explain A B` tells why two of its records are one customer.
    """
    from customer_profiles.identity.explain.explain_page import history_page
    from customer_profiles.identity.explain.history import history_of
    from customer_profiles.identity.explain.links import links_at, links_of_customer
    from customer_profiles.identity.graph.as_of import latest_commit
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.identity.stewardship.record_facts import record_facts
    from customer_profiles.identity.stewardship.references import customer_named_at

    sight = Sight.asked(unmask, reason)
    with open_to_read() as opened, opened.state.reading() as connection:
        latest = latest_commit(connection)
        commit = latest if as_of is None else _commit(connection, as_of)
        sources = list(opened.settings.sources)
        told = history_of(
            connection, customer_named_at(connection, sources, customer, commit.commit_no), commit
        )
        live, left_out = live_generation_of(connection), None
        if commit == latest:
            links = links_of_customer(connection, live, told.members, beyond=True)
        else:
            then = links_at(connection, live, told.members, commit.committed_at)
            links, left_out = then.links, then.left_out
        id_of = ids_shown(opened, connection, _customers_in(told))
        records = {end for link in links for end in (link.left_no, link.right_no)}
        facts = record_facts(connection, records | set(told.members), sight)
    if html is not None:
        write_down(opened.settings, sight, by, "history", facts)
        write_page(html, history_page(told, id_of, facts, links, sight, left_out))
    if json:
        show_json(_history(told, id_of, links, left_out))
        return
    _show_history(told, id_of, links, left_out)
    say_next(html, "customer-profiles identity explain A B")


def as_of(
    reference: Annotated[
        str, typer.Argument(metavar="RECORD|CUSTOMER", help="A record number, SOURCE:KEY, or a customer ID.")
    ],
    commit: Annotated[
        str | None,
        typer.Argument(metavar="[COMMIT]", help=f"{_WHEN} [default: everything since the history began]"),
    ] = None,
    json: JsonOption = False,
) -> None:
    """Tell which customer a record belonged to at a commit, and which records made it up; without one, all that ever was.

    Deleted records and customers that are gone can be asked about too.

    Examples: customer-profiles identity as-of 17

    customer-profiles identity as-of 17 1
    """
    from customer_profiles.identity.graph.as_of import commits, members_at, stays_in, stays_of
    from customer_profiles.identity.stewardship.references import customer_named_at, record_or_claim

    with open_to_read() as opened, opened.state.reading() as connection:
        sources = list(opened.settings.sources)
        if commit is not None:
            then = _commit(connection, commit)
            customer_no = customer_named_at(connection, sources, reference, then.commit_no)
            members = members_at(connection, then.commit_no, customer_no)
            customer_id = ids_shown(opened, connection, [customer_no])[customer_no]
        else:
            number, is_claim = record_or_claim(connection, sources, reference)
            stays = stays_in(connection, number) if is_claim else stays_of(connection, [number])
            at = commits(connection, {one for stay in stays for one in (stay.since, stay.until) if one})
            id_of = ids_shown(opened, connection, {stay.customer_no for stay in stays})
    if commit is None:
        _show_stays(stays, at, id_of, json)
    elif json:
        show_json({"commit": then, "customer_id": customer_id, "records": members})
    else:
        say(
            (f"Commit {then.commit_no}", "bold"),
            f" ({moment(then.committed_at)} UTC): customer {customer_id}",
        )
        say(f"Records: {', '.join(map(str, members))}")


def _show_history(
    told: CustomerHistory, id_of: Mapping[int, str], links: Sequence[Link], left_out: int | None
) -> None:
    from customer_profiles.identity.explain.explain_page import history_rows
    from customer_profiles.identity.explain.words import edges_then

    commit = told.commit
    say((f"Customer {id_of[told.customer_no]}", "bold"), f" at commit {commit.commit_no}")
    say(f"Records: {', '.join(map(str, told.members))}")
    show_table("How it came to be", ("commit", "when", "what happened", "why"), history_rows(told, id_of))
    show_links("Edges", links)
    if left_out is not None:
        out.print(edges_then(left_out), style="dim")


def _show_stays(
    stays: Sequence[Stay], at: Mapping[int, Commit], id_of: Mapping[int, str], json: bool
) -> None:
    if json:
        show_json(
            [
                {
                    "record_no": stay.record_no,
                    "customer_id": id_of[stay.customer_no],
                    "since": at[stay.since],
                    "until": None if stay.until is None else at[stay.until],
                }
                for stay in stays
            ]
        )
        return

    def when(commit_no: int | None) -> str:
        return "" if commit_no is None else f"{commit_no} ({moment(at[commit_no].committed_at)})"

    show_table(
        "Who belonged to whom",
        ("record", "customer", "since commit", "until commit"),
        [
            (str(stay.record_no), id_of[stay.customer_no], when(stay.since), when(stay.until))
            for stay in stays
        ],
    )


def _history(
    told: CustomerHistory, id_of: Mapping[int, str], links: Sequence[Link], left_out: int | None
) -> dict[str, object]:
    """A history as `--json` prints it, customers by their IDs."""
    return {
        "customer_id": id_of[told.customer_no],
        "commit": told.commit,
        "records": told.members,
        "steps": [
            ShownStep(
                step.commit,
                tuple(
                    {
                        "records": move.records,
                        "came_from": id_of.get(move.came_from or 0),
                        "went_to": id_of.get(move.went_to or 0),
                    }
                    for move in step.moves
                ),
                tuple(
                    {
                        "kind": event.kind.value,
                        "customer_id": id_of[event.customer_no],
                        "others": [id_of[number] for number in event.others],
                        "cause_kind": event.cause_kind,
                        "cause": event.cause,
                    }
                    for event in step.events
                ),
            )
            for step in told.steps
        ],
        "links": links,
        "edges_left_out": left_out,
    }


def _customers_in(told: CustomerHistory) -> set[int]:
    moves = (move for step in told.steps for move in step.moves)
    events = (event for step in told.steps for event in step.events)
    return {
        told.customer_no,
        *(one for move in moves for one in (move.came_from, move.went_to) if one is not None),
        *(one for event in events for one in (event.customer_no, *event.others)),
    }


def _commit(connection: sa.Connection, wanted: str) -> Commit:
    """The commit of this number, or the last one at this moment."""
    from customer_profiles.identity.graph.as_of import commit_at, commit_numbered

    if wanted.isdecimal():
        return commit_numbered(connection, int(wanted))
    try:
        when = datetime.fromisoformat(wanted)
    except ValueError:
        raise typer.BadParameter(
            "this is no number of a commit and no moment such as 2026-11-25T15:00", param_hint="COMMIT"
        ) from None
    when = when if when.tzinfo else when.replace(tzinfo=UTC)
    return commit_at(connection, int(when.timestamp() * 1_000_000))
