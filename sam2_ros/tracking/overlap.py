"""How much boxes and masks have in common, and which belong together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from scipy.optimize import linear_sum_assignment

from .masks import bounding_box
from .types import Box


def box_overlaps(boxes: Sequence[Box], others: Sequence[Box]) -> np.ndarray:
    """(N, M) intersection over union of every box with every other one."""
    one, two = _edges(boxes)[:, None], _edges(others)[None]
    width = np.minimum(one[..., 2], two[..., 2]) - np.maximum(one[..., 0], two[..., 0])
    height = np.minimum(one[..., 3], two[..., 3]) - np.maximum(one[..., 1], two[..., 1])
    common = width.clip(0) * height.clip(0)
    return common / np.maximum(_areas(one) + _areas(two) - common, np.finfo(float).tiny)


def filling(mask: np.ndarray, box: Box) -> float:
    """How well a mask (H, W) bool fills a box: overlap of the box and what is around the mask inside.

    A few pixels elsewhere do not count; a mask that lies outside for the greater part fills nothing.
    """
    rows, columns = slice(int(box.y0), math.ceil(box.y1)), slice(int(box.x0), math.ceil(box.x1))
    inside = np.zeros_like(mask)
    inside[rows, columns] = mask[rows, columns]
    around = bounding_box(inside)
    if around is None or 2 * np.count_nonzero(inside) < np.count_nonzero(mask):
        return 0.0
    return float(box_overlaps([around], [box])[0, 0])


def mask_overlap(mask: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two masks (H, W) bool; 0 where both are empty."""
    common = int(np.count_nonzero(mask & other))
    return common / max(int(np.count_nonzero(mask)) + int(np.count_nonzero(other)) - common, 1)


def mask_share(mask: np.ndarray, other: np.ndarray) -> float:
    """Intersection of two masks (H, W) bool over the smaller one; 0 where that is empty."""
    smaller = min(int(np.count_nonzero(mask)), int(np.count_nonzero(other)))
    return int(np.count_nonzero(mask & other)) / max(smaller, 1)


def assign(overlaps: np.ndarray, least: float) -> list[tuple[int, int]]:
    """Rows and columns of (N, M) that belong together, each at most once, for the largest sum (Hungarian method).

    Pairs below `least` are none.
    """
    possible = np.where(overlaps >= least, overlaps, 0.0)
    return [
        (i, j)
        for i, j in zip(*map(np.ndarray.tolist, linear_sum_assignment(possible, maximize=True)))
        if possible[i, j] > 0
    ]


def _edges(boxes: Sequence[Box]) -> np.ndarray:
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], float).reshape(-1, 4)


def _areas(edges: np.ndarray) -> np.ndarray:
    return (edges[..., 2] - edges[..., 0]) * (edges[..., 3] - edges[..., 1])
