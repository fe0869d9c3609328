"""Where to draw the records of a graph: near what they are joined to, never on top of each other. Pure and repeatable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import shortest_path

Points = NDArray[np.float64]
_ROUNDS = 200
_BEYOND = 1.5
"""How much farther than the farthest records two are drawn between which no way leads."""


def lay_out(count: int, pairs: Sequence[tuple[int, int, float]], gap: float) -> Points:
    """Place points so that their distances follow the shortest ways between them (stress majorization, SMACOF).

    Gansner, Koren, North, Graph Drawing by Stress Majorization, 2004. It begins on a circle, so the same graph is always
    drawn the same way.

    Args:
        count: How many points there are, numbered from 0.
        pairs: Pairs of points with the length that their connection should have; 1 for what belongs together.
        gap: The least distance between two points.

    Returns:
        One row of x and y a point, from 0 upwards.
    """
    angles = 2 * np.pi * np.arange(count) / max(count, 1)
    points = np.stack([np.cos(angles), np.sin(angles)], axis=1) * max(count, 2) / 4
    if count > 1:
        points = _apart(_by_distance(points, _distances(count, pairs)) * gap * 2, gap)
    least: Points = points - points.min(axis=0, initial=np.inf)
    return least


def _distances(count: int, pairs: Sequence[tuple[int, int, float]]) -> Points:
    one, other, lengths = (np.array(column) for column in zip(*pairs, strict=True)) if pairs else ([], [], [])
    joined = coo_array((lengths, (one, other)), shape=(count, count)).tocsr()
    found: Points = shortest_path(joined, directed=False)
    farthest = found[np.isfinite(found)].max(initial=1.0)
    return np.where(np.isfinite(found), found, farthest * _BEYOND)


def _by_distance(points: Points, wanted: Points) -> Points:
    """Move points, all at once, round by round, to where their distances are as wanted."""
    weights = np.where(wanted > 0, 1 / np.maximum(wanted, 1e-9) ** 2, 0.0)
    np.fill_diagonal(weights, 0.0)
    laplacian = np.diag(weights.sum(axis=1)) - weights
    inverse = np.linalg.pinv(laplacian)
    for _ in range(_ROUNDS):
        away = np.linalg.norm(points[:, None] - points[None, :], axis=2)
        ratio = np.where(away > 1e-9, weights * wanted / np.maximum(away, 1e-9), 0.0)
        pull = np.diag(ratio.sum(axis=1)) - ratio
        points = inverse @ (pull @ points)
    return points


def _apart(points: Points, gap: float) -> Points:
    """Push points from each other until none is nearer than the gap to another."""
    points = points.copy()
    for _ in range(_ROUNDS):
        between = points[:, None] - points[None, :]
        away = np.linalg.norm(between, axis=2)
        np.fill_diagonal(away, np.inf)
        short = np.clip(gap - away, 0, None)
        if short.max() <= gap / 1000:
            break
        # Two in the very same place are told apart by their number.
        same = away < 1e-9
        between[same] = np.stack([np.cos(np.nonzero(same)[0]), np.sin(np.nonzero(same)[0])], axis=1)
        length = np.linalg.norm(between, axis=2, keepdims=True)
        points += (between / np.maximum(length, 1e-9) * short[:, :, None]).sum(axis=1) / 2
    return points
