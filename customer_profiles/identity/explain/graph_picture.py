"""Records and the edges between them as a picture: what was accepted, refused, decided, and what alone holds parts together. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from html import escape

import numpy as np

from customer_profiles.identity.clusters.cut_edges import cut_edges
from customer_profiles.identity.explain.layout import lay_out
from customer_profiles.identity.explain.links import DECISION, Link
from customer_profiles.identity.page import AGAINST, FOR

LARGEST = 150
"""With more records than this a picture tells less than a list."""

_RADIUS, _GAP, _MARGIN, _LEGEND = 19, 64.0, 60, 26
_WEIGHTS_SHOWN = 14
"""With at most so many edges each is drawn with its weight."""

_WIDTH = 640
_FILLS = ("#e7e5fb", "#fdebc8", "#d5f0e3", "#fbdcdc", "#d9ecfa", "#eee0f5", "#ececec", "#f6f0b5")


class Drawn(StrEnum):
    """How an edge is drawn."""

    CUT = "accepted, and alone it holds two parts together"
    JOINED = "accepted, and it joined two parts"
    ACCEPTED = "accepted, between records joined before"
    DECIDED = "a steward's decision"
    REFUSED = "refused"


_STROKES = {
    Drawn.CUT: 'stroke="#e08a00" stroke-width="4"',
    Drawn.JOINED: f'stroke="{FOR}" stroke-width="2.5"',
    Drawn.ACCEPTED: f'stroke="{FOR}" stroke-width="1" stroke-opacity=".3"',
    Drawn.DECIDED: 'stroke="#14804a" stroke-width="3" stroke-dasharray="2 4" stroke-linecap="round"',
    Drawn.REFUSED: f'stroke="{AGAINST}" stroke-width="1.5" stroke-dasharray="7 5"',
}
_LENGTHS = {Drawn.REFUSED: 2.5}


@dataclass(frozen=True)
class Node:
    """A record in the picture.

    Attributes:
        record_no: Its number.
        source: Its source: it gives the colour.
        label: What is told of it where the pointer rests: never a value in clear unless that was asked for.
        within: Whether it is of what the picture is about; others are drawn pale.
        named: Whether it is one of those that were asked about.
    """

    record_no: int
    source: str
    label: str = ""
    within: bool = True
    named: bool = False


def drawn_as(links: Iterable[Link]) -> list[tuple[Link, Drawn]]:
    """How each link is drawn; those last that should be on top."""
    links = sorted(
        links, key=lambda one: (one.kind != DECISION, -(one.weight or 0), one.left_no, one.right_no)
    )
    accepted = [one for one in links if one.accepted and one.kind != DECISION]
    decided = [(one.left_no, one.right_no) for one in links if one.kind == DECISION]
    left = np.array([one.left_no for one in accepted], dtype=np.int64)
    right = np.array([one.right_no for one in accepted], dtype=np.int64)
    cut = {id(accepted[place]) for place in cut_edges(left, right, decided)[0].tolist()}
    part_of: dict[int, int] = {}
    found: list[tuple[Link, Drawn]] = []
    for link in links:
        if not link.accepted:
            found.append((link, Drawn.REFUSED))
            continue
        one, other = _part(part_of, link.left_no), _part(part_of, link.right_no)
        part_of[one] = other
        joined = Drawn.JOINED if one != other else Drawn.ACCEPTED
        found.append(
            (link, Drawn.DECIDED if link.kind == DECISION else Drawn.CUT if id(link) in cut else joined)
        )
    order = (Drawn.ACCEPTED, Drawn.REFUSED, Drawn.JOINED, Drawn.CUT, Drawn.DECIDED)
    return sorted(found, key=lambda one: order.index(one[1]))


def graph_picture(nodes: Sequence[Node], links: Iterable[Link]) -> str:
    """The picture.

    Args:
        nodes: The records, at most `LARGEST`.
        links: Edges and decisions between them.

    Returns:
        An SVG element; it holds the labels of the nodes as they were given.
    """
    place_of = {node.record_no: place for place, node in enumerate(nodes)}
    drawn = [one for one in drawn_as(links) if {one[0].left_no, one[0].right_no} <= place_of.keys()]
    points = lay_out(
        len(nodes),
        [(place_of[link.left_no], place_of[link.right_no], _LENGTHS.get(how, 1.0)) for link, how in drawn],
        _GAP,
    )
    extent = points.max(axis=0, initial=0.0)
    width = max(float(extent[0]) + 2 * _MARGIN, _WIDTH)
    points += np.array([(width - float(extent[0])) / 2, _MARGIN])
    at = {node.record_no: (float(x), float(y)) for node, (x, y) in zip(nodes, points.tolist(), strict=True)}
    fills = _fills(nodes)
    kinds = [kind for kind in Drawn if any(how is kind for _, how in drawn)]
    below = float(extent[1]) + 2 * _MARGIN
    height = below + _LEGEND * (len(kinds) + 1)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" width="{width:.0f}" '
            f'role="img" font-family="sans-serif" font-size="11"><title>{len(nodes)} records and {len(drawn)} links'
            "</title>",
            *(_edge(link, how, at) for link, how in drawn),
            *(_weight(link, how, at) for link, how in drawn if len(drawn) <= _WEIGHTS_SHOWN),
            *(_node(node, fills[node.source], *at[node.record_no]) for node in nodes),
            *_legend(kinds, fills, below),
            "</svg>",
        ]
    )


def _part(part_of: dict[int, int], record: int) -> int:
    """The representative of the part that a record is in."""
    while (above := part_of.setdefault(record, record)) != record:
        part_of[record] = part_of[above]
        record = above
    return record


def _fills(nodes: Iterable[Node]) -> Mapping[str, str]:
    sources = sorted({node.source for node in nodes})
    return {source: _FILLS[place % len(_FILLS)] for place, source in enumerate(sources)}


def _edge(link: Link, how: Drawn, at: Mapping[int, tuple[float, float]]) -> str:
    (x1, y1), (x2, y2) = at[link.left_no], at[link.right_no]
    told = f"{link.left_no} and {link.right_no}: {link.kind}"
    told += "" if link.bits is None else f", {link.bits:.2f} bits"
    told += f", {how.value}" + (f": {link.refusal}" if link.refusal else "")
    return (
        f'<line class="{how.name.lower()}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {_STROKES[how]}>'
        f"<title>{escape(told)}</title></line>"
    )


def _weight(link: Link, how: Drawn, at: Mapping[int, tuple[float, float]]) -> str:
    if link.bits is None:
        return ""
    (x1, y1), (x2, y2) = at[link.left_no], at[link.right_no]
    colour = AGAINST if how is Drawn.REFUSED else "#1c1c28"
    return (
        f'<text x="{(x1 + x2) / 2:.1f}" y="{(y1 + y2) / 2 + 4:.1f}" text-anchor="middle" fill="{colour}" '
        f'stroke="white" stroke-width="4" paint-order="stroke">{link.bits:.1f}</text>'
    )


def _node(node: Node, fill: str, x: float, y: float) -> str:
    number = str(node.record_no)
    size = 11 if len(number) <= 5 else max(6, 62 // len(number))
    ring = 'stroke="#1c1c28" stroke-width="3"' if node.named else 'stroke="#60606e" stroke-width="1.2"'
    pale = "" if node.within else ' opacity=".55"'
    told = ", ".join(part for part in (f"record {number}", node.source, node.label) if part)
    return (
        f'<g class="record"{pale}><title>{escape(told)}</title>'
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{_RADIUS}" fill="{fill}" {ring}/>'
        f'<text x="{x:.1f}" y="{y + 4:.1f}" text-anchor="middle" font-size="{size}">{number}</text></g>'
    )


def _legend(kinds: Sequence[Drawn], fills: Mapping[str, str], top: float) -> Iterable[str]:
    left = 12
    for source, fill in fills.items():
        yield (
            f'<circle cx="{left + 7}" cy="{top:.1f}" r="7" fill="{fill}" stroke="#60606e"/>'
            f'<text x="{left + 19}" y="{top + 4:.1f}">{escape(source)}</text>'
        )
        left += 36 + 7 * len(source)
    for place, kind in enumerate(kinds, start=1):
        y = top + place * _LEGEND
        yield f'<path d="M12 {y:.1f} h44" {_STROKES[kind]}/><text x="66" y="{y + 4:.1f}">{escape(kind.value)}</text>'
