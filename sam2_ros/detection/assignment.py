"""Assignment of boxes to tracks (Hungarian method)."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def assign(scores: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Pairs (row, column) of scores (N, M) with the largest sum; no row or column twice, no score below `threshold`."""
    possible = np.where(scores >= threshold, scores, 0.0)
    return [
        (i, j)
        for i, j in zip(*map(np.ndarray.tolist, linear_sum_assignment(possible, maximize=True)))
        if possible[i, j] > 0
    ]
