"""Small pictures for metadata: bars, drawn as SVG, which the web UI shows in its markdown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from html import escape

import dagster as dg

_LABELS, _BARS, _LINE = 400, 380, 22
_GOOD, _BAD = "#4f43dd", "#d24545"


def bars(title: str, rows: Sequence[tuple[str, float]], unit: str = "") -> dg.MetadataValue:
    """Horizontal bars, one a row; those below zero go to the left and have another colour.

    Args:
        title: What is counted.
        rows: Label and value of each bar, from top to bottom; labels are names of ours, never values of people.
        unit: Stands behind each value.
    """
    height = _LINE * (len(rows) + 2)
    lowest = min([0.0, *(value for _, value in rows)])
    highest = max([0.0, *(value for _, value in rows)])
    scale = _BARS / ((highest - lowest) or 1.0)
    zero = _LABELS - lowest * scale
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABELS + _BARS + 90}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="{_LINE - 6}" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (label, value) in enumerate(rows, start=1):
        top = place * _LINE + 4
        left, width = min(zero, zero + value * scale), max(abs(value) * scale, 1)
        shown = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
        lines += [
            f'<text x="{_LABELS - 8}" y="{top + 13}" text-anchor="end">{escape(label[:62])}</text>',
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_LINE - 6}" '
            f'fill="{_BAD if value < 0 else _GOOD}"/>',
            f'<text x="{max(left + width, zero) + 6:.1f}" y="{top + 13}">{shown}{escape(unit)}</text>',
        ]
    picture = base64.b64encode("".join([*lines, "</svg>"]).encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{picture})")
