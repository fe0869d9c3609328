"""`customer-profiles history`: old interactions, sealed in encrypted files beside the state."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.opened import open_to_read
from customer_profiles.cli.output import JsonOption, err, moment, out, say, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.pipeline.history import HistoryStatus

app = typer.Typer(
    help="Old interactions: sealed in encrypted files beside the state, and still part of everything.",
    no_args_is_help=True,
)


@app.command()
def status(
    deep: Annotated[bool, typer.Option("--deep", help="Read every byte of every segment too.")] = False,
    json: JsonOption = False,
) -> None:
    """Say how many interactions are sealed, how many are due, and whether every segment is there as it was written.

    Examples: customer-profiles history status

    customer-profiles history status --deep --json

    Ends with 1 when a segment is missing, was cut or changed, and names it.

    Next: customer-profiles history seal
    """
    from customer_profiles.pipeline.history import history_status

    with open_to_read() as opened:
        assert opened.state.history is not None
        found = history_status(
            opened.state, opened.state.history, opened.settings.history.after_days, deep=deep
        )
    if json:
        show_json(found)
    else:
        _show(found)
    if not found.well:
        raise typer.Exit(1)


@app.command()
def seal(json: JsonOption = False) -> None:
    """Move interactions that are old enough from the database to the history, and merge its small segments.

    Does what the job `keep_history` does in Dagster every night. Killed anywhere, the next call goes on. How old is old enough
    is `history.after_days` in the settings.

    Example: customer-profiles history seal

    Next: customer-profiles history status
    """
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.settings import load_settings

    with err.status("Sealing …"), open_pipeline(load_settings()) as house:
        kept = house.keep_history()
    if json:
        show_json(kept)
        return
    done, merged = kept.sealed, kept.compacted
    if kept.orphans:
        out.print(f"{kept.orphans:,} files that a killed process left were removed.")
    if not done.applied:
        out.print("Nothing was old enough to be sealed.")
    else:
        size = int(str(done.facts.get("bytes", 0)))
        out.print(
            f"{done.applied:,} interactions were sealed in {done.seconds:.1f} s, {size / done.applied:.0f} bytes each."
        )
    if merged.merged:
        out.print(f"{merged.merged:,} segments were merged into {merged.into:,}.")


@app.command()
def compact(json: JsonOption = False) -> None:
    """Merge small segments into larger ones, and remove files that a killed process left; seals nothing.

    Example: customer-profiles history compact
    """
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.settings import load_settings

    with err.status("Merging …"), open_pipeline(load_settings()) as house:
        house.history.remove_orphans(house.state)
        merged = house.history.compact(house.state)
    if json:
        show_json(merged)
        return
    if merged.merged:
        out.print(
            f"{merged.merged:,} segments were merged into {merged.into:,}, {merged.rows:,} interactions."
        )
    else:
        out.print("There is nothing to merge.")


def _show(found: HistoryStatus) -> None:
    show_table(
        "",
        ("", "interactions", "bytes", "segments", "oldest", "newest"),
        [
            (
                "sealed",
                found.interactions,
                found.bytes,
                found.segments,
                moment(found.first_at)[:10],
                moment(found.last_at)[:10],
            ),
            ("in the database", found.in_database, "", "", "", ""),
        ],
    )
    say(f"{found.due:,} are older than {found.after_days} days and due to be sealed in {found.folder}.")
    for problem in found.problems:
        say((problem, "red"))
    if found.well:
        out.print("Well.")
