"""Label images and masks as runs of equal pixels, which are small, exact and quick to draw in a browser."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np

RUN = np.dtype([("start", "<u4"), ("length", "<u4"), ("value", "<u4")])


def label_runs(labels: np.ndarray) -> np.ndarray:
    """The runs (N,) of `RUN` of a label image (H, W) uint8, in order; background is left out.

    `start` and `length` count pixels, row by row; a run may continue in the next row.
    """
    flat = np.ascontiguousarray(labels).ravel()
    starts = np.flatnonzero(np.diff(flat, prepend=flat[:1] ^ 1))
    lengths = np.diff(starts, append=flat.size)
    is_object = flat[starts] > 0
    runs = np.empty(int(is_object.sum()), RUN)
    runs["start"], runs["length"], runs["value"] = starts[is_object], lengths[is_object], flat[starts][is_object]
    return runs


def mask_of_runs(numbers: Sequence[int], size: tuple[int, int]) -> np.ndarray:
    """The mask (H, W) bool of `size` from start, length, start, length, ... Raises ValueError for runs outside."""
    runs = np.array(numbers, np.int64).reshape(-1, 2)
    total = size[0] * size[1]
    starts, ends = runs[:, 0], runs[:, 0] + runs[:, 1]
    if len(runs) and (starts.min() < 0 or runs[:, 1].min() < 1 or ends.max() > total or (starts[1:] < ends[:-1]).any()):
        raise ValueError(f"runs have to be in order, inside the {total} pixels of the mask, and at least 1 pixel long")
    changes = np.zeros(total + 1, np.int8)
    np.add.at(changes, starts, 1)
    np.add.at(changes, ends, -1)
    return np.cumsum(changes[:-1], dtype=np.int8).astype(bool).reshape(size)


def resized(image: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """A label image or mask (H, W), uint8 or bool, at another size, without new values."""
    if image.shape == size:
        return image
    scaled: np.ndarray = cv2.resize(image.view(np.uint8), size[::-1], interpolation=cv2.INTER_NEAREST)
    return scaled.view(image.dtype)
