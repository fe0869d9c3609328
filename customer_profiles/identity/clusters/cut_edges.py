"""Cut edges: those whose removal takes a graph apart. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.int64]


def cut_edges(
    left: Numbers, right: Numbers, links: Sequence[tuple[int, int]] = ()
) -> tuple[Numbers, Numbers, Numbers]:
    """Find the edges that alone hold two parts of a graph together (Tarjan 1974, without recursion).

    Args:
        left: One end of each edge.
        right: The other end; no two edges have the same ends.
        links: Pairs that hang together without an edge; they are never cut edges themselves.

    Returns:
        The places of the cut edges, rising, and how many ends hang on the left and on the right of each.
    """
    beside: dict[int, list[tuple[int, int]]] = {}
    for place, (a, b) in enumerate(zip(left.tolist(), right.tolist(), strict=True)):
        beside.setdefault(a, []).append((b, place))
        beside.setdefault(b, []).append((a, place))
    for number, (a, b) in enumerate(links, start=1):
        beside.setdefault(a, []).append((b, -number))
        beside.setdefault(b, []).append((a, -number))
    found: dict[int, tuple[int, int]] = {}
    depth: dict[int, int] = {}
    for root in beside:
        if root not in depth:
            found |= _cuts_from(root, beside, depth, left)
    sides = np.array([found[place] for place in sorted(found)], dtype=np.int64).reshape(-1, 2)
    return np.array(sorted(found), dtype=np.int64), sides[:, 0], sides[:, 1]


def _cuts_from(
    root: int, beside: dict[int, list[tuple[int, int]]], depth: dict[int, int], left: Numbers
) -> dict[int, tuple[int, int]]:
    """The cut edges of the component of a record, and how many records hang on the left and the right of each."""
    depth[root] = 0
    # `lowest`: the least depth that a record reaches without the edge it was come by; `below`: records beyond it.
    lowest, below = {root: 0}, {root: 1}
    walk: list[tuple[int, int | None, Iterator[tuple[int, int]]]] = [(root, None, iter(beside[root]))]
    cuts: list[tuple[int, int]] = []
    while walk:
        record, came_by, rest = walk[-1]
        for neighbour, place in rest:
            if place == came_by:
                continue
            if neighbour in depth:
                lowest[record] = min(lowest[record], depth[neighbour])
            else:
                depth[neighbour] = lowest[neighbour] = depth[record] + 1
                below[neighbour] = 1
                walk.append((neighbour, place, iter(beside[neighbour])))
                break
        else:
            walk.pop()
            if walk:
                parent = walk[-1][0]
                lowest[parent] = min(lowest[parent], lowest[record])
                below[parent] += below[record]
                if came_by is not None and came_by >= 0 and lowest[record] > depth[parent]:
                    cuts.append((came_by, record))
    size = below[root]
    return {
        place: (below[record], size - below[record])
        if int(left[place]) == record
        else (size - below[record], below[record])
        for place, record in cuts
    }
