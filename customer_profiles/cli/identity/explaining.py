"""`customer-profiles identity explain | history | as-of`: why records are one customer, how it came to be, what was when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from customer_profiles.cli.identity.applying import UnmaskOption, WhyOption
from customer_profiles.cli.opened import Opened, open_to_read
from customer_profiles.cli.output import JsonOption, moment, out, say, show_json, show_table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from customer_profiles.identity.explain.explain import Explanation, Link
    from customer_profiles.identity.explain.history import CustomerHistory
    from customer_profiles.identity.graph.as_of import Commit, Stay

_SIDE = "A customer ID, SOURCE:KEY or record number; several of one customer with commas between them."
_WHEN = "A commit's number, or a moment in UTC: 2026-11-25 or 2026-11-25T15:00."
_SHOWN = 20
HtmlOption = Annotated[
    Path | None, typer.Option("--html", help="Write it as a page with a picture to this file.")
]
ValuesOption = Annotated[bool, typer.Option("--values", help="Show what the records say, side by side.")]


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


def explain(
    one: Annotated[str, typer.Argument(metavar="A", help=_SIDE)],
    other: Annotated[str, typer.Argument(metavar="B", help=_SIDE)],
    html: HtmlOption = None,
    values: ValuesOption = False,
    unmask: UnmaskOption = False,
    reason: WhyOption = None,
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
            _live(connection),
            opened.settings.identity,
            _living(opened, connection, one),
            _living(opened, connection, other),
        )
        id_of = _ids(opened, connection, told.customers)
        facts = record_facts(connection, [record for of in told.members.values() for record in of], sight)
        compared = compared_records(connection, [told.pair], sight)[told.pair]
    if html is not None:
        _write(html, explain_page(told, id_of, facts, compared, sight))
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
    _next(html, f"customer-profiles identity history {id_of[told.customers[0]]}")


def history(
    customer: Annotated[
        str, typer.Argument(help="The customer: its ID, or SOURCE:KEY or number of one of its records.")
    ],
    as_of: Annotated[str | None, typer.Option("--as-of", metavar="COMMIT", help=_WHEN)] = None,
    html: HtmlOption = None,
    unmask: UnmaskOption = False,
    reason: WhyOption = None,
    json: JsonOption = False,
) -> None:
    """Tell how a customer came to be: which records came and went, commit by commit, and why.

    Examples: customer-profiles identity history 17 --html history.html

    customer-profiles identity history 17 --as-of 1

    Next: `identity explain A B` tells why two of its records are one customer.
    """
    from customer_profiles.identity.explain.explain import links_of_customer
    from customer_profiles.identity.explain.explain_page import history_page
    from customer_profiles.identity.explain.history import history_of
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
        links = links_of_customer(connection, _live(connection), told.members, beyond=commit == latest)
        id_of = _ids(opened, connection, _customers_in(told))
        records = {end for link in links for end in (link.left_no, link.right_no)}
        facts = record_facts(connection, records | set(told.members), sight)
    if html is not None:
        _write(html, history_page(told, id_of, facts, links, sight, latest=commit == latest))
    if json:
        show_json(_history(told, id_of, links))
        return
    _show_history(told, id_of, links)
    _next(html, "customer-profiles identity explain A B")


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
            customer_id = _ids(opened, connection, [customer_no])[customer_no]
        else:
            number, is_claim = record_or_claim(connection, sources, reference)
            stays = stays_in(connection, number) if is_claim else stays_of(connection, [number])
            at = commits(connection, {one for stay in stays for one in (stay.since, stay.until) if one})
            id_of = _ids(opened, connection, {stay.customer_no for stay in stays})
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


def _show_explanation(told: Explanation, id_of: Mapping[int, str], source_of: Mapping[int, str]) -> None:
    from customer_profiles.identity.clusters.linkage import UNIT
    from customer_profiles.identity.explain.explain_page import SHARED_COLUMNS, shared_rows
    from customer_profiles.identity.explain.waterfall import parts_of
    from customer_profiles.identity.explain.words import turn_rows

    left, right = told.pair
    customers = " and ".join(dict.fromkeys(id_of[number] for number in told.customers))
    say((told.sentence, "bold"))
    say(f"Records {left} ({source_of[left]}) and {right} ({source_of[right]}), customer {customers}.")
    _show_links("How they hang together", told.path)
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
    _show_links("Edges between the two sides", told.edges)
    if told.decisions:
        show_table(
            "Decisions in force",
            ("decision", "says", "decided", "by"),
            [(one.decision_id, one.kind, moment(one.decided_at), one.decided_by) for one in told.decisions],
        )


def _show_history(told: CustomerHistory, id_of: Mapping[int, str], links: Sequence[Link]) -> None:
    from customer_profiles.identity.explain.explain_page import history_rows

    commit = told.commit
    say((f"Customer {id_of[told.customer_no]}", "bold"), f" at commit {commit.commit_no}")
    say(f"Records: {', '.join(map(str, told.members))}")
    show_table("How it came to be", ("commit", "when", "what happened", "why"), history_rows(told, id_of))
    _show_links("Edges", links)


def _show_links(title: str, links: Sequence[Link]) -> None:
    from customer_profiles.identity.explain.words import LINK_COLUMNS, link_row

    if links:
        show_table(title, LINK_COLUMNS, [link_row(link) for link in links[:_SHOWN]])
    if len(links) > _SHOWN:
        out.print(f"The first {_SHOWN} of {len(links):,}; all with --json or --html.", style="dim")


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


def _history(told: CustomerHistory, id_of: Mapping[int, str], links: Sequence[Link]) -> dict[str, object]:
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
    }


def _customers_in(told: CustomerHistory) -> set[int]:
    moves = (move for step in told.steps for move in step.moves)
    events = (event for step in told.steps for event in step.events)
    return {
        told.customer_no,
        *(one for move in moves for one in (move.came_from, move.went_to) if one is not None),
        *(one for event in events for one in (event.customer_no, *event.others)),
    }


def _living(opened: Opened, connection: sa.Connection, reference: str) -> frozenset[int]:
    from customer_profiles.identity.stewardship.references import records_named

    return records_named(connection, _live(connection), list(opened.settings.sources), reference).living


def _ids(opened: Opened, connection: sa.Connection, customers: Iterable[int]) -> dict[int, str]:
    from customer_profiles.identity.claims.customer_ids import ids_of
    from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY

    found = ids_of(connection, opened.keys.key(CUSTOMER_ID_KEY), set(customers))
    return {number: str(id_) for number, id_ in found.items()}


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


def _write(path: Path, page: str) -> None:
    """Write a page for its owner's eyes alone: it tells of persons, if by pseudonyms."""
    try:
        path.touch(mode=0o600)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(
            f"{path} cannot be written: {error.strerror}", param_hint="--html"
        ) from error


def _next(html: Path | None, command: str) -> None:
    if html is not None:
        say("As a page: ", str(html))
    say("Next: ", command)


def _live(connection: sa.Connection) -> int:
    from customer_profiles.state.generations import live_generation

    return live_generation(connection)
