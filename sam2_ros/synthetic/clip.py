"""A clip: frames with the true mask of every object."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

# An object counts as visible from this share of the image's pixels on.
MIN_VISIBLE_AREA = 0.0004


@dataclass(frozen=True)
class Clip:
    """`frames` (T, S, S, 3) uint8 RGB; `labels` (T, S, S) uint8, 0 background, k the visible part of object k.

    `look_alikes` pairs objects that look alike.
    """

    frames: np.ndarray
    labels: np.ndarray
    look_alikes: tuple[tuple[int, int], ...] = ()

    def visible(self) -> np.ndarray:
        """(T, K) bool: object k + 1 is visible on the frame."""
        return visible_objects(self.labels, int(self.labels.max()))


def visible_objects(labels: np.ndarray, objects: int) -> np.ndarray:
    """(T, K) bool from labels (T, S, S): enough pixels of object k + 1 are visible."""
    least = MIN_VISIBLE_AREA * labels.shape[1] * labels.shape[2]
    counts = np.stack([np.bincount(frame.ravel(), minlength=objects + 1)[1 : objects + 1] for frame in labels])
    visible: np.ndarray = counts >= least
    return visible
