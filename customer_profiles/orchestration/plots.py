"""Small pictures for metadata: bars and lines, drawn as SVG, which the web UI shows in its markdown."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
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
    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LABELS + _BARS + 90}" height="{height}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="{_LINE - 6}" font-weight="bold">{escape(title)}</text>',
    ]
    for place, (label, value) in enumerate(rows, start=1):
        top = place * _LINE + 4
        left, width = min(zero, zero + value * scale), max(abs(value) * scale, 1)
        shown = f"{value:,.0f}" if float(value).is_integer() else f"{value:,.1f}"
        drawn += [
            f'<text x="{_LABELS - 8}" y="{top + 13}" text-anchor="end">{escape(label[:62])}</text>',
            f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_LINE - 6}" '
            f'fill="{_BAD if value < 0 else _GOOD}"/>',
            f'<text x="{max(left + width, zero) + 6:.1f}" y="{top + 13}">{shown}{escape(unit)}</text>',
        ]
    return _as_metadata(title, drawn)


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a picture.

    Attributes:
        name: What it shows.
        points: Its points from left to right, x and y; y is not below zero.
    """

    name: str
    points: Sequence[tuple[float, float]]


_COLOURS = ("#4f43dd", "#e07b00", "#1f8a5b")
_WIDTH, _HEIGHT, _LEFT, _TOP = 780, 180, 60, 30


def lines(title: str, shown: Sequence[Line], ends: tuple[float, float]) -> dg.MetadataValue:
    """Lines over a common axis; each point is marked, so that a lonely one is seen too.

    Args:
        title: What is shown, with its unit.
        shown: The lines, three at most.
        ends: Where the axis begins and ends.
    """
    highest = max([y for line in shown for _, y in line.points], default=0.0) or 1.0
    low, high = ends

    def place(x: float, y: float) -> tuple[float, float]:
        return _LEFT + (x - low) / (high - low) * _WIDTH, _TOP + _HEIGHT * (1 - y / highest)

    drawn = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_LEFT + _WIDTH + 30}" height="{_TOP + _HEIGHT + 30}" '
        'font-family="sans-serif" font-size="12">',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<text x="8" y="16" font-weight="bold">{escape(title)}</text>',
    ]
    for part in (0.0, 0.5, 1.0):
        left, height = place(low, highest * part)
        drawn += [
            f'<line x1="{left}" y1="{height}" x2="{left + _WIDTH}" y2="{height}" stroke="#dddddd"/>',
            f'<text x="{left - 6}" y="{height + 4}" text-anchor="end">{highest * part:,.2f}</text>',
        ]
    for part in (0.0, 0.5, 1.0):
        x = low + (high - low) * part
        drawn.append(
            f'<text x="{place(x, 0)[0]}" y="{_TOP + _HEIGHT + 18}" text-anchor="middle">{x:g}</text>'
        )
    for number, line in enumerate(shown):
        colour = _COLOURS[number]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in (place(*point) for point in line.points))
        drawn.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.5"/>')
        drawn += [
            f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2" fill="{colour}"/>'
            for x, y in (place(*point) for point in line.points)
        ]
        left = _LEFT + _WIDTH - 60 * (len(shown) - number)
        drawn.append(f'<text x="{left}" y="16" fill="{colour}">{escape(line.name)}</text>')
    return _as_metadata(title, drawn)


def _as_metadata(title: str, drawn: Sequence[str]) -> dg.MetadataValue:
    picture = base64.b64encode("".join([*drawn, "</svg>"]).encode()).decode()
    return dg.MetadataValue.md(f"![{title}](data:image/svg+xml;base64,{picture})")
