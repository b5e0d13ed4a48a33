"""Which of several masks of the same thing is kept: non-maximum suppression (NMS)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .segment import PackedMask


def box_nms(boxes: np.ndarray, scores: np.ndarray, threshold: float) -> list[int]:
    """Indices of the boxes (N, 4) that stay, best score first; of equal scores the earlier one is the better.

    A box goes if its IoU with a better one that stays is above `threshold`. Areas are right minus left edge times
    bottom minus top edge, in float32, as torchvision computes them: a duplicate for one is one for the other.
    """
    boxes = boxes.astype(np.float32)
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    remaining = np.argsort(-scores, kind="stable")
    kept = []
    while len(remaining):
        best, remaining = remaining[0], remaining[1:]
        kept.append(int(best))
        low = np.maximum(boxes[best, :2], boxes[remaining, :2])
        high = np.minimum(boxes[best, 2:], boxes[remaining, 2:])
        intersection = (high - low).clip(0).prod(axis=1)
        union = areas[best] + areas[remaining] - intersection
        # Masks of one pixel in width have boxes without area, and no duplicates.
        remaining = remaining[~(intersection > np.float32(threshold) * union)]
    return kept


def mask_nms(masks: Sequence[PackedMask], scores: np.ndarray, threshold: float) -> list[int]:
    """Like `box_nms`, by the IoU of the masks themselves."""
    kept: list[int] = []
    for i in np.argsort(-scores, kind="stable").tolist():
        if not any(_mask_iou(masks[i], masks[better]) > threshold for better in kept):
            kept.append(i)
    return kept


def _mask_iou(a: PackedMask, b: PackedMask) -> float:
    intersection = a.overlap(b)
    return intersection / (a.area + b.area - intersection)
