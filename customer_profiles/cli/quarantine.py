"""`customer-profiles quarantine`: rows that broke their contract, and a second chance for them."""

from __future__ import annotations

from typing import Annotated

import typer

from customer_profiles.cli.output import JsonOption, err, moment, out, show_json, show_table

app = typer.Typer(
    help="Rows that broke their contract: kept, with every reason, never dropped.", no_args_is_help=True
)


@app.command("list")
def list_rows(
    source: Annotated[str | None, typer.Option(help="Only rows of this source.")] = None,
    reason: Annotated[
        str | None, typer.Option(help="Only rows with this reason, for example bad_date.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many rows.")] = 50,
    json: JsonOption = False,
) -> None:
    """List what waits in the quarantine, oldest first, with every reason; no value of a person is shown.

    Example: customer-profiles quarantine list --source crm --reason bad_date
    """
    from customer_profiles.cleaning import quarantine
    from customer_profiles.pipeline.build import open_state
    from customer_profiles.settings import load_settings

    with open_state(load_settings()) as state, state.reading() as connection:
        rows = quarantine.list_rows(connection, source, reason, limit)
        counts = quarantine.counts_by_reason(connection)
    if json:
        show_json({"rows": rows, "counts_by_reason": counts})
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
                moment(row.received_at),
            )
            for row in rows
        ],
    )
    show_table("By reason", ("reason", "rows"), sorted(counts.items()))
    if rows:
        out.print(
            "Look at one: customer-profiles quarantine show NO. After mending the settings: quarantine retry."
        )


@app.command()
def show(
    number: Annotated[int, typer.Argument(help="The row's number in the list.")],
    json: JsonOption = False,
) -> None:
    """Show one row as it was received. This prints personal data."""
    from customer_profiles.cleaning import quarantine
    from customer_profiles.encryption.aead import Aead
    from customer_profiles.encryption.keys import open_keys
    from customer_profiles.pipeline.build import open_state
    from customer_profiles.settings import load_settings

    settings = load_settings()
    aead = Aead(open_keys(settings.state.key, settings.folder).key(quarantine.QUARANTINE_KEY))
    with open_state(settings) as state, state.reading() as connection:
        row, content = quarantine.show(connection, aead, number)
    if json:
        show_json({"row": row, "content": content})
        return
    show_table("Reasons", ("reason",), [(reason,) for reason in row.reasons])
    received = content["payload"] if "payload" in content else {"text": content["text"]}
    show_table("As received", ("column", "value"), [(name, str(value)) for name, value in received.items()])


@app.command()
def retry(
    numbers: Annotated[
        list[int] | None, typer.Argument(help="Numbers of rows in the list. [default: all rows]")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Take rows through cleaning again, by the settings as they are now; what passes leaves the quarantine.

    For after a mapping was mended. A row that the source itself mended comes again by itself.
    """
    from customer_profiles.cleaning.retry import retry as retry_rows
    from customer_profiles.pipeline.build import open_pipeline
    from customer_profiles.settings import load_settings

    settings = load_settings()
    with err.status("Trying rows again …"), open_pipeline(settings) as house:
        result = retry_rows(house.state, settings, house.keys, numbers)
    if json:
        show_json(result)
        return
    out.print(f"{result.retried:,} tried: {result.released:,} passed and were applied, {result.kept:,} stay.")
    if result.released:
        out.print("Next: customer-profiles run, to bring their profiles up to date.")
