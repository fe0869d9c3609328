"""The frame of a report as one page of HTML that needs nothing else: no network, no script. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from html import escape

FOR, AGAINST = "#4f43dd", "#d24545"
"""The colours of what speaks for one person, and of what speaks against."""

_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c1c28}"
    "table{border-collapse:collapse;margin:0 0 1.5rem}"
    "th,td{padding:.2rem .8rem;border-bottom:1px solid #ddd;text-align:left;vertical-align:top}"
    "td.n,th.n{text-align:right;font-variant-numeric:tabular-nums}svg{max-width:100%;height:auto}"
    "p.told{font-size:1.15rem}p.aside{color:#60606e}"
)
_NOTHING_FROM_OUTSIDE = "default-src 'none'; style-src 'unsafe-inline'"


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page.

    Args:
        title: In plain text; it is the heading too.
        parts: What follows, in HTML.
    """
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_NOTHING_FROM_OUTSIDE}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style>"
        + "\n".join([f"<h1>{escape(title)}</h1>", *parts])
        + "</html>\n"
    )


def paragraph(text: str, kind: str = "") -> str:
    """A paragraph of plain text; its kind is `told` for what matters most, `aside` for a remark."""
    return f"<p{f' class={kind}' if kind else ''}>{escape(text)}</p>"


def heading(text: str) -> str:
    """The heading of a part of the page, in plain text."""
    return f"<h2>{escape(text)}</h2>"


def table(columns: Sequence[str], rows: Sequence[Sequence[str | int | float | None]]) -> str:
    """A table; columns of numbers stand on the right, every value is escaped.

    Args:
        columns: Their headers.
        rows: Their values; None leaves a cell empty.
    """
    numeric = [
        bool(rows) and all(isinstance(row[place], int | float) for row in rows)
        for place in range(len(columns))
    ]

    def line(tag: str, values: Iterable[str]) -> str:
        cells = (
            f"<{tag}{' class=n' if right else ''}>{escape(value)}</{tag}>"
            for value, right in zip(values, numeric, strict=True)
        )
        return f"<tr>{''.join(cells)}</tr>"

    body = [line("td", [_text(value) for value in row]) for row in rows]
    return "<table>" + "\n".join([line("th", columns), *body]) + "</table>"


def moment(micros: int) -> str:
    """A time in micros as people read it, in UTC."""
    return datetime.fromtimestamp(micros / 1_000_000, tz=UTC).strftime("%Y-%m-%d %H:%M:%S")


def _text(value: str | float | None) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.4f}"
