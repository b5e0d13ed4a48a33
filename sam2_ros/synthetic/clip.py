"""A clip: frames with the true mask of every object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# Fewer visible pixels than this share of the picture do not count as visible.
LEAST_VISIBLE = 0.0004


@dataclass(frozen=True)
class Clip:
    """`frames` (T, S, S, 3) uint8 RGB; `labels` (T, S, S) uint8, 0 background, k the visible part of object k.

    `look_alikes` pairs objects that were painted alike.
    """

    frames: np.ndarray
    labels: np.ndarray
    look_alikes: tuple[tuple[int, int], ...] = ()

    def visible(self) -> np.ndarray:
        """(T, K) bool: object k + 1 can be seen on the frame."""
        return visible_objects(self.labels, int(self.labels.max()))


def visible_objects(labels: np.ndarray, objects: int) -> np.ndarray:
    """(T, K) bool from (T, S, S) labels: enough pixels of object k + 1 are seen."""
    least = LEAST_VISIBLE * labels.shape[1] * labels.shape[2]
    counts = np.stack([np.bincount(frame.ravel(), minlength=objects + 1)[1 : objects + 1] for frame in labels])
    return counts >= least
