"""How commands show what they found: a table for people, JSON for programs, one line for an error."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

out = Console(highlight=False)
err = Console(stderr=True, highlight=False)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables, for programs.")]

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def show_json(value: object) -> None:
    """Print one JSON document on standard output."""
    options = orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS
    out.file.write(orjson.dumps(value, default=_plain, option=options).decode() + "\n")


def show_table(
    title: str, columns: Sequence[str], rows: Iterable[Sequence[object]], *, separated: bool = True
) -> None:
    """Print one table; numbers stand on the right.

    Args:
        title: Stands above it; empty for none.
        columns: Their headers.
        rows: Their values.
        separated: Whether numbers get separators; keys and moments, to be copied, do not.
    """
    table = Table(title=title or None, title_justify="left", header_style="bold")
    kept = [list(row) for row in rows]
    for position, column in enumerate(columns):
        numeric = bool(kept) and all(isinstance(row[position], int | float) for row in kept)
        table.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
    for row in kept:
        table.add_row(*[cell(str(value) if type(value) is int and not separated else value) for value in row])
    out.print(table)


def show_error(message: str) -> None:
    """Print one error on standard error, in its own words."""
    err.print(Text.assemble(("error: ", "bold red"), message), soft_wrap=True)


def say(*parts: str | tuple[str, str]) -> None:
    """Print a line that must not be broken where the window ends, such as a command to copy.

    Args:
        parts: Texts, or texts with their style; none of them is read as markup.
    """
    out.print(Text.assemble(*parts), soft_wrap=True)


def cell(value: object) -> Text:
    """A value for a table: what looks like markup in it stays as it is."""
    return Text(text(value))


def text(value: object) -> str:
    """A value in words: thousands separated, fractions to four places, nothing for none.

    Control characters are taken out, for a source's data must not steer the terminal.
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:,.4f}"
    if isinstance(value, list | tuple):
        return ", ".join(text(item) for item in value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return _CONTROL.sub("\N{REPLACEMENT CHARACTER}", str(value))


def moment(micros: int | None) -> str:
    """A time in micros as people read it, in UTC."""
    if micros is None:
        return ""
    return datetime.fromtimestamp(micros / 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset | tuple):
        return list(value)
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    return str(value)
