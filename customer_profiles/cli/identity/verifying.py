"""`customer-profiles identity verify`: whether the live graph is what a rebuild would give."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, err, say, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.identity.evaluation.verify import Tell, Verification

_SAMPLE = 200
_SHOWN = 20


def verify(
    sample: Annotated[
        int | None, typer.Option("--sample", min=1, help=f"So many records by chance. [default: {_SAMPLE}]")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Compute everything anew, in memory.")] = False,
    json: JsonOption = False,
) -> None:
    """Compare the live graph with what a rebuild of the same records, decisions and model gives. Writes nothing.

    Records and their contents, keys, edges, review pairs, verdicts and members. What differs is told by record number,
    never by value, and ends with exit code 1. While changes wait to be resolved it refuses, with exit code 2.

    Examples: customer-profiles identity verify

    customer-profiles identity verify --all

    Next: where something differs, `customer-profiles rebuild` puts it right; please report it.
    """
    from customer_profiles.identity.evaluation.verify import verify_all
    from customer_profiles.identity.evaluation.verify_sample import verify_sample

    if everything and sample is not None:
        raise typer.BadParameter("--all looks at every record: leave out --sample, or --all")
    with open_to_read() as opened, opened.state.reading() as connection, _progress() as tell:
        settings = opened.settings.identity
        found = (
            verify_all(connection, settings, tell)
            if everything
            else verify_sample(connection, settings, sample or _SAMPLE, tell)
        )
    if json:
        show_json(found)
    else:
        _show(found)
    if not found.holds:
        raise typer.Exit(1)


def _show(found: Verification) -> None:
    show_table(
        "",
        ("", "compared", "differ"),
        [
            (part.value, found.compared.get(part, 0), found.differing.get(part, 0))
            for part in {**found.compared, **found.differing}
        ],
    )
    if found.holds:
        say(f"Generation {found.generation} is what a rebuild gives, around {found.records:,} records.")
        return
    show_table(
        "What differs",
        ("", "", "of records", "in"),
        [
            (one.part.value, one.fault.value, " ".join(map(str, one.records)), ", ".join(one.columns))
            for one in found.differences[:_SHOWN]
        ],
    )
    if len(found.differences) > _SHOWN:
        say(f"{len(found.differences) - _SHOWN:,} more are listed with --json.")
    say("A rebuild puts it right: ", ("customer-profiles rebuild", "bold"))


@contextmanager
def _progress() -> Iterator[Tell]:
    from rich.progress import Progress

    with Progress(console=err, transient=True) as progress:
        task = progress.add_task("", total=1.0)
        yield lambda doing, share: progress.update(task, description=doing, completed=share)
