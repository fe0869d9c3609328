"""What `identity explain`, `history` and `as-of` show alike: customers by their IDs, links, pages."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from customer_profiles.cli.opened import Opened
from customer_profiles.cli.output import out, say, show_table

if TYPE_CHECKING:
    import sqlalchemy as sa

    from customer_profiles.identity.explain.links import Link

HtmlOption = Annotated[
    Path | None, typer.Option("--html", help="Write it as a page with a picture to this file.")
]
_SHOWN = 20


def show_links(title: str, links: Sequence[Link]) -> None:
    """Links as a table, the first of many."""
    from customer_profiles.identity.explain.words import LINK_COLUMNS, link_row

    if links:
        show_table(title, LINK_COLUMNS, [link_row(link) for link in links[:_SHOWN]])
    if len(links) > _SHOWN:
        out.print(f"The first {_SHOWN} of {len(links):,}; all with --json or --html.", style="dim")


def ids_shown(opened: Opened, connection: sa.Connection, customers: Iterable[int]) -> dict[int, str]:
    """The IDs of customers by their numbers."""
    from customer_profiles.identity.claims.customer_ids import ids_of
    from customer_profiles.identity.claims.ids import CUSTOMER_ID_KEY

    found = ids_of(connection, opened.keys.key(CUSTOMER_ID_KEY), set(customers))
    return {number: str(id_) for number, id_ in found.items()}


def write_page(path: Path, page: str) -> None:
    """Write a page for its owner's eyes alone: it tells of persons, if by pseudonyms."""
    try:
        path.touch(mode=0o600)
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise typer.BadParameter(
            f"{path} cannot be written: {error.strerror}", param_hint="--html"
        ) from error


def say_next(html: Path | None, command: str) -> None:
    """Where the page is, and what to do next."""
    if html is not None:
        say("As a page: ", str(html))
    say("Next: ", command)


def live_generation_of(connection: sa.Connection) -> int:
    """The generation that is served."""
    from customer_profiles.state.generations import live_generation

    return live_generation(connection)
