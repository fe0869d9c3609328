"""`customer-profiles profile`: one customer, for one purpose, as a chatbot would get it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from customer_profiles.cli.opened import Opened, open_to_read
from customer_profiles.cli.output import JsonOption, cell, moment, out, say, show_json, show_table

if TYPE_CHECKING:
    from customer_profiles.encryption.keys import KeyProvider
    from customer_profiles.marts.windows import WindowTotals
    from customer_profiles.serving.served import ServedProfile
    from customer_profiles.serving.timeline import ServedInteraction
    from customer_profiles.settings import Settings
    from customer_profiles.state.engine import State

app = typer.Typer(help="Profiles, as they are served: field by field, for a purpose.", no_args_is_help=True)


@app.callback()
def _family() -> None:
    """Keep `show` a subcommand, so that later ones can stand beside it."""


@app.command()
def show(
    identifier: Annotated[
        str,
        typer.Argument(
            help="A customer ID, KIND:VALUE (email:…, phone:…, user_id:…), SOURCE:KEY (crm:…), "
            "or just an email address or phone number."
        ),
    ],
    purpose: Annotated[
        str | None,
        typer.Option(
            "--purpose", "-p", help="What the profile is read for. [default: serving.default_purpose]"
        ),
    ] = None,
    history: Annotated[
        bool, typer.Option("--history", help="Show what the customer did too, the newest first.")
    ] = False,
    limit: Annotated[
        int, typer.Option("--limit", min=1, help="With --history: at most so many interactions.")
    ] = 20,
    json: JsonOption = False,
) -> None:
    """Show one customer's profile, for one purpose: what it may see, where each value comes from, what is withheld.

    Examples: customer-profiles profile show ann@example.org

    customer-profiles profile show crm:C00000017 --purpose marketing

    customer-profiles profile show crm:C00000017 --history --limit 50

    Next: what a purpose may see is declared in the settings, in `purposes` and in each trait.
    """
    with open_to_read() as opened:
        profile = read_one(opened.state, opened.settings, opened.keys, identifier, purpose)
        did = _timeline(opened, identifier, profile, limit) if history else []
    if json:
        show_json({**profile.to_json(), "history": did} if history else profile.to_json())
        return
    show_profile(profile)
    if history and profile.allowed:
        _show_timeline(did)


def _timeline(opened: Opened, identifier: str, profile: ServedProfile, limit: int) -> list[ServedInteraction]:
    from customer_profiles.serving.timeline import read_timeline

    return read_timeline(opened.state, opened.settings, identifier, profile.purpose, profile.read_at, limit)


def _show_timeline(did: list[ServedInteraction]) -> None:
    show_table(
        "History",
        ("when", "type", "channel", "value", "about", "source"),
        [
            (
                moment(one.occurred_at),
                one.type,
                one.channel,
                "" if one.value is None else _money(one.value, one.currency or ""),
                one.properties.get("category") or one.properties.get("topic"),
                one.source,
            )
            for one in did
        ],
    )


def read_one(
    state: State, settings: Settings, keys: KeyProvider, identifier: str, purpose: str | None = None
) -> ServedProfile:
    """The profile of one customer as it is now, for the default purpose when none is named.

    A purpose that nobody declared would get an empty profile; here, where a person typed it, it is refused.
    """
    from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY
    from customer_profiles.serving.profile import read_profile

    wanted = purpose or settings.serving.default_purpose
    if wanted not in settings.purposes:
        there_are = ", ".join(settings.purposes)
        raise typer.BadParameter(
            f"there is no purpose {wanted!r}; there are: {there_are}", param_hint="--purpose"
        )
    return read_profile(
        state, settings, identifier, wanted, time.time_ns() // 1000, keys.key(CUSTOMER_ID_KEY)
    )


def show_profile(profile: ServedProfile) -> None:
    """Print one profile for a person to read."""
    say((f"Customer {profile.customer_id}", "bold"), " for the purpose ", (profile.purpose, "bold"))
    if not profile.allowed:
        say(("Nothing is given: ", "yellow"), profile.sentence)
        return
    table = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("trait", "value", "source", "observed"):
        table.add_column(column, overflow="fold")
    for field in profile.fields:
        table.add_row(*map(cell, (field.name, field.value, field.source, moment(field.observed_at)[:10])))
    out.print(table)
    facts = Table(box=None, show_header=False, pad_edge=False)
    facts.add_column(style="dim")
    facts.add_column()
    for name, told in _behaviour(profile):
        facts.add_row(name, cell(told))
    if profile.withheld:
        facts.add_row("withheld", cell(sorted({held.name for held in profile.withheld})), style="yellow")
    out.print(facts)


def _behaviour(profile: ServedProfile) -> list[tuple[str, str]]:
    lines = []
    if profile.purchases is not None and profile.purchases.count:
        bought = profile.purchases
        values = ", ".join(_money(value, currency) for currency, value in bought.values)
        favourites = ", ".join(bought.favourite_categories)
        most = f"; most: {favourites}" if favourites else ""
        lines.append(("purchases", f"{bought.count} for {values}, last {moment(bought.last_at)[:10]}{most}"))
    if profile.channels:
        lines.append(("channels", ", ".join(f"{use.channel} ({use.count})" for use in profile.channels)))
    lines += _windows(profile.windows)
    if profile.open_matters:
        lines.append(("waiting", ", ".join(matter.topic or "a matter" for matter in profile.open_matters)))
    if profile.segments:
        lines.append(("segments", ", ".join(segment.name for segment in profile.segments)))
    lines.append(("folded from", f"{profile.records} record{'s' * (profile.records != 1)}"))
    return lines


def _money(value: int, currency: str) -> str:
    from customer_profiles.contracts.currencies import MINOR_UNIT_DECIMALS

    decimals = MINOR_UNIT_DECIMALS.get(currency, 2)
    return f"{value / 10**decimals:,.{decimals}f} {currency}"


def _windows(windows: tuple[WindowTotals, ...]) -> list[tuple[str, str]]:
    """How much the customer did in each window that has anything, and what of by each property that is counted."""
    totals: dict[str, int] = {}
    by_property: dict[str, dict[str, int]] = {}
    longest = windows[-1].window if windows else ""
    for one in windows:
        if not one.property:
            totals[one.window] = totals.get(one.window, 0) + one.count
        elif one.window == longest:
            name, _, value = one.property.partition("=")
            counts = by_property.setdefault(name, {})
            counts[value] = counts.get(value, 0) + one.count
    lines = (
        [("activity", ", ".join(f"{count} in {name}" for name, count in totals.items()))] if totals else []
    )
    for name, counts in sorted(by_property.items()):
        most = sorted(counts, key=lambda value: (-counts[value], value))[:5]
        told = ", ".join(f"{value} ({counts[value]})" for value in most)
        lines.append((f"by {name}", f"{told} in {longest}"))
    return lines
