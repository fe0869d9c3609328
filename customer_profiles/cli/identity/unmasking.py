"""Values in clear on the command line: who asks and why is written down before they are shown, and `identity unmaskings` lists it."""

from __future__ import annotations

import getpass
from collections.abc import Iterable
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, moment, out, say, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.settings import Settings

UnmaskOption = Annotated[
    bool,
    typer.Option(
        "--unmask", help="Show values of persons in clear; needs --reason. Who asked and why is kept."
    ),
]
WhyOption = Annotated[
    str | None,
    typer.Option("--reason", help="Why values are shown in clear, with --unmask: a sentence that is kept."),
]
AskedByOption = Annotated[
    str | None,
    typer.Option(
        "--by",
        envvar="CUSTOMER_PROFILES_STEWARD",
        help="Who asks, with --unmask: a name that is kept. [default: the account that runs this]",
    ),
]
_NAMED = 6


def write_down(
    settings: Settings, sight: Sight, by: str | None, command: str, record_nos: Iterable[int]
) -> None:
    """Keep that values are shown in clear, in a transaction of its own; to be called before anything is shown.

    Args:
        settings: The settings.
        sight: How values are shown; nothing is kept where they are masked.
        by: Who asks; None for the account that runs this.
        command: What shows them.
        record_nos: Whose values they are.

    Raises:
        MaskingError: It cannot be told who asks.
        StateError: It cannot be written: then nothing is to be shown.
    """
    if sight.reason is None:
        return
    from customer_profiles.identity.stewardship.unmasking import keep_unmasking
    from customer_profiles.pipeline.build import open_pipeline

    with open_pipeline(settings) as house, house.state.writing() as connection:
        keep_unmasking(
            connection,
            by=by or _account(),
            command=command,
            record_nos=set(record_nos),
            reason=sight.reason,
        )


def unmaskings(
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many.")] = 50,
    unmask: Annotated[
        bool,
        typer.Option("--unmask", help="Show the reasons that were given; needs --reason, which is kept too."),
    ] = False,
    reason: WhyOption = None,
    by: AskedByOption = None,
    json: JsonOption = False,
) -> None:
    """List who was shown values of persons in clear, when and of which records, the newest first.

    The reasons are free text and may name persons: see --unmask.

    Example: customer-profiles identity unmaskings

    customer-profiles identity unmaskings --unmask --reason "quarterly review of access"
    """
    from customer_profiles.identity.stewardship.masking import Sight
    from customer_profiles.identity.stewardship.unmasking import kept_unmaskings

    sight = Sight.asked(unmask, reason)
    with open_to_read() as opened, opened.state.reading() as connection:
        found = kept_unmaskings(connection, limit)
    write_down(opened.settings, sight, by, "unmaskings", {one for kept in found for one in kept.record_nos})
    if json:
        hidden = () if sight.clear else ("reason",)
        show_json(
            [{name: value for name, value in asdict(one).items() if name not in hidden} for one in found]
        )
        return
    if not found:
        out.print("Nobody was shown values in clear so far.")
        return
    columns = ["", "asked", "by", "with", "records"]
    show_table(
        "Shown in clear",
        [*columns, "why"] if sight.clear else columns,
        [
            (
                one.unmasking_no,
                moment(one.asked_at),
                one.asked_by,
                f"identity {one.command}",
                _numbers(one.record_nos),
                *([one.reason] if sight.clear else []),
            )
            for one in found
        ],
    )
    if len(found) == limit:
        out.print(f"The newest {limit:,}; more with --limit.", style="dim")
    if not sight.clear:
        say("Why: ", 'customer-profiles identity unmaskings --unmask --reason "…"')


def _account() -> str:
    from customer_profiles.identity.stewardship.masking import MaskingError

    try:
        return getpass.getuser()
    except (OSError, KeyError) as error:
        raise MaskingError(
            "It cannot be told which account runs this: say who asks with --by NAME, or set CUSTOMER_PROFILES_STEWARD."
        ) from error


def _numbers(records: tuple[int, ...]) -> str:
    told = ", ".join(map(str, records[:_NAMED]))
    return told if len(records) <= _NAMED else f"{told}, … ({len(records):,})"
