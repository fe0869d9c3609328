"""`customer-profiles quarantine`: rows that broke their contract, and a second chance for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, err, moment, out, say, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.settings import Settings

app = typer.Typer(
    help="Rows that broke their contract: kept, with every reason, never dropped.", no_args_is_help=True
)

SourceOption = Annotated[str | None, typer.Option(help="Only rows of this source.")]
ReasonOption = Annotated[
    str | None, typer.Option(help="Only rows with this reason, for example bad_date or bad_date:birth_date.")
]


@dataclass(frozen=True)
class Retried:
    """What `quarantine retry --json` prints.

    Attributes:
        retried: Rows that were asked for.
        applied: Of these, the ones that passed and left the quarantine.
        kept: Of these, the ones that stay.
        reasons: Why rows stay, and how many with each reason; a row with two counts twice.
        cut: Of those that stay, the ones that can never pass: a value was too long to keep whole.
    """

    retried: int
    applied: int
    kept: int
    reasons: Mapping[str, int]
    cut: int


@app.command("list")
def list_rows(
    source: SourceOption = None,
    reason: ReasonOption = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many rows.")] = 50,
    json: JsonOption = False,
) -> None:
    """List what waits in the quarantine, oldest first, with every reason; no value of a person is shown.

    Example: customer-profiles quarantine list --source crm --reason bad_date

    Next: look at one with `quarantine show NO`; mend the source or its mapping; then `quarantine retry`.
    """
    from customer_profiles.cleaning import quarantine

    with open_to_read() as opened, opened.state.reading() as connection:
        rows = quarantine.list_rows(connection, source, reason, limit)
        counts = quarantine.counts_by_reason(connection)
        if not rows:
            _refuse_unknown(opened.settings, source, reason)
    if json:
        show_json({"rows": rows, "counts_by_reason": counts})
        return
    if not rows:
        out.print("No such row is in the quarantine." if counts else "The quarantine is empty.")
        return
    show_table(
        "Quarantine",
        ("no", "source", "feed", "position", "reasons", "received"),
        [
            (
                str(row.quarantine_no),
                row.source,
                row.feed,
                row.position,
                list(row.reasons),
                moment(row.received_at)[:10],
            )
            for row in rows
        ],
    )
    if len(rows) == limit:
        out.print(f"The first {limit:,}; more with --limit.", style="dim")
    show_table("All rows, by reason", ("reason", "rows"), sorted(counts.items()))
    say("Look at one: customer-profiles quarantine show ", str(rows[0].quarantine_no))
    say("After mending a mapping: customer-profiles quarantine retry")


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="The row's number in the list.")],
    json: JsonOption = False,
) -> None:
    """Show one row as it was received. This prints personal data.

    Example: customer-profiles quarantine show 12

    Next: mend its source or its mapping in the settings; then `quarantine retry 12`.
    """
    from customer_profiles.cleaning import quarantine
    from customer_profiles.encryption.aead import Aead

    with open_to_read() as opened, opened.state.reading() as connection:
        aead = Aead(opened.keys.key(quarantine.QUARANTINE_KEY))
        row, content = quarantine.show(connection, aead, number)
    if json:
        show_json({"row": row, "content": content})
        return
    say(
        f"Row {row.quarantine_no} of {row.source}.{row.feed} at {row.position}, received {moment(row.received_at)}"
    )
    show_table("What is wrong", ("reason",), [(reason,) for reason in row.reasons])
    received = content["payload"] if "payload" in content else {"text": content["text"]}
    show_table(
        "As received", ("column", "value"), [(name, _shortened(value)) for name, value in received.items()]
    )


@app.command()
def retry(
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Numbers of rows in the list. [default: all rows]")
    ] = None,
    source: SourceOption = None,
    reason: ReasonOption = None,
    json: JsonOption = False,
) -> None:
    """Take rows through cleaning again, by the settings as they are now; what passes is applied and leaves.

    For after a mapping was mended. A row that the source itself mended comes again by itself.

    Examples: customer-profiles quarantine retry

    customer-profiles quarantine retry --source crm --reason bad_date

    Next: customer-profiles run, which brings the profiles of what passed up to date.
    """
    from customer_profiles.cleaning import quarantine
    from customer_profiles.cleaning.retry import retry as retry_rows
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.settings import load_settings

    if numbers and (source or reason):
        raise typer.BadParameter("give numbers, or --source and --reason, not both", param_hint="NUMBERS")
    settings = load_settings()
    with err.status("Trying rows again …"), open_pipeline(settings) as house:
        chosen = numbers or None
        if source or reason:
            with house.state.reading() as connection:
                chosen = [row.quarantine_no for row in quarantine.list_rows(connection, source, reason)]
            if not chosen:
                _refuse_unknown(settings, source, reason)
        result = retry_rows(house.state, settings, house.keys, chosen)
        with house.state.reading() as connection:
            left = [
                row
                for row in quarantine.list_rows(connection)
                if chosen is None or row.quarantine_no in set(chosen)
            ]
    reasons = Counter(reason for row in left for reason in row.reasons)
    done = Retried(
        result.retried,
        result.released,
        result.kept,
        dict(sorted(reasons.items())),
        sum(row.cut for row in left),
    )
    if json:
        show_json(done)
    else:
        _print(done)


def _print(done: Retried) -> None:
    if not done.retried:
        out.print("Nothing to try again: no such row is in the quarantine.")
        return
    out.print(f"{done.retried:,} tried again: {done.applied:,} passed and were applied, {done.kept:,} stay.")
    if done.reasons:
        show_table("Why rows stay", ("reason", "rows"), done.reasons.items())
    if done.cut:
        out.print(
            f"{done.cut:,} of them were too large to keep whole: only their source can send them again."
        )
    if done.applied:
        say("Next: customer-profiles run, which brings their profiles up to date.")
    elif done.kept:
        say("Next: customer-profiles quarantine list, then mend the source or its mapping in the settings.")


def _refuse_unknown(settings: Settings, source: str | None, reason: str | None) -> None:
    """Nothing was found: say so when that is because a name is wrong."""
    from customer_profiles.cleaning.reasons import Reason
    from customer_profiles.settings.nearest import nearest

    codes = [one.value for one in Reason]
    for option, what, name, known in (
        ("--source", "source", source, list(settings.sources)),
        ("--reason", "reason", reason and reason.split(":")[0], codes),
    ):
        if name and name not in known:
            close = nearest(name, known)
            hint = f"did you mean {close}?" if close else f"there are: {', '.join(sorted(known))}"
            raise typer.BadParameter(f"there is no {what} {name!r}: {hint}", param_hint=option)


def _shortened(value: object) -> str:
    told = "" if value is None else str(value)
    return (
        told if len(told) <= _LONGEST else f"{told[:_LONGEST]} … ({len(told):,} characters; all with --json)"
    )


_LONGEST = 500
"""Characters of one value on a screen: some rows are here because a field had five megabytes."""
