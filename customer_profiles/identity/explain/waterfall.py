"""How the weight of two records comes about, as a picture: each part begins where the one before it ended. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from customer_profiles.identity.clusters.linkage import UNIT
from customer_profiles.identity.explain.pair import Score
from customer_profiles.identity.page import AGAINST, FOR

_LABELS, _BARS, _SUMS, _LINE = 330, 440, 110, 24
_SHOWN = 52
_TOTAL = "#1c1c28"


@dataclass(frozen=True)
class Part:
    """One part of a score.

    Attributes:
        name: The comparison, or what else the part is.
        level: The level that the two records reach.
        weight: What it adds, in 1/1024 bit.
        total: The sum so far, this part included, in 1/1024 bit.
    """

    name: str
    level: str
    weight: int
    total: int


def parts_of(score: Score) -> tuple[Part, ...]:
    """The parts of a score in their order; the total of the last is the score, exactly."""
    parts: list[Part] = []
    for name, level, weight in _weights(score):
        parts.append(Part(name, level, weight, weight + (parts[-1].total if parts else 0)))
    return tuple(parts)


def waterfall(score: Score, edge_threshold: int) -> str:
    """The picture: to the right what speaks for one person, to the left what speaks against, last the sum.

    Args:
        score: What the model says of two records.
        edge_threshold: From this weight on a pair is an edge, in 1/1024 bit; a line marks it.

    Returns:
        An SVG element. It holds names of comparisons and levels, no value of a person.
    """
    parts = parts_of(score)
    reached = [0, edge_threshold, score.weight, *(part.total for part in parts)]
    scale = _BARS / ((max(reached) - min(reached)) or UNIT)

    def x(units: int) -> float:
        return _LABELS + (units - min(reached)) * scale

    bottom = _LINE * (len(parts) + 2)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LABELS + _BARS + _SUMS} {bottom + 8}" '
        f'width="{_LABELS + _BARS + _SUMS}" role="img" font-family="sans-serif" font-size="12">'
        "<title>How the weight comes about, part by part, in bits</title>",
        _mark(x(0), bottom, "0", "#9a9aa6", ""),
        _mark(x(edge_threshold), bottom, "edge", "#1c1c28", ' stroke-dasharray="4 3"')
        if edge_threshold
        else "",
    ]
    for place, part in enumerate(parts, start=1):
        label = f"{part.name}: {part.level}" if part.level else part.name
        colour = FOR if part.weight >= 0 else AGAINST
        lines.append(_bar(place, label, x(part.total - part.weight), x(part.total), colour, part.weight))
        if place < len(parts):
            lines.append(
                f'<path d="M{x(part.total):.1f} {place * _LINE + _LINE - 4} v8" stroke="#9a9aa6" fill="none"/>'
            )
    lines.append(_bar(len(parts) + 1, "together", x(0), x(score.weight), _TOTAL, score.weight))
    return "\n".join([*lines, "</svg>"])


def _weights(score: Score) -> Iterator[tuple[str, str, int]]:
    if score.prior or score.evidence:
        yield "any two records", "", score.prior
    for one in score.evidence:
        yield one.comparison, one.level, one.weight
        if one.rarity:
            yield one.comparison, "how rare the value is", one.rarity


def _mark(x: float, bottom: int, label: str, colour: str, dashes: str) -> str:
    return (
        f'<path d="M{x:.1f} {_LINE - 6} V{bottom}" stroke="{colour}"{dashes}/>'
        f'<text x="{x:.1f}" y="{_LINE - 10}" text-anchor="middle" fill="{colour}">{label}</text>'
    )


def _bar(place: int, label: str, start: float, end: float, colour: str, weight: int) -> str:
    top, left, width = place * _LINE + 4, min(start, end), max(abs(end - start), 1)
    shown = label if len(label) <= _SHOWN else f"{label[: _SHOWN - 1]}…"
    weighs = f"{weight / UNIT:+.2f}"
    return (
        f'<g data-weight="{weight}"><title>{escape(label)}: {weight:+d}/{UNIT} bit</title>'
        f'<text x="{_LABELS - 10}" y="{top + 12}" text-anchor="end">{escape(shown)}</text>'
        f'<rect x="{left:.1f}" y="{top}" width="{width:.1f}" height="{_LINE - 8}" rx="2" fill="{colour}"/>'
        f'<text x="{left + width + 6:.1f}" y="{top + 12}">{weighs}</text></g>'
    )
