"""Masks of the frame's size from the network's logits, and what is read off them."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .transfer import fetch
from .types import Box


def full_size(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 1, h, w) -> (N, H, W) float32, bilinear"""
    return F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False).squeeze(1)


def bounding_box(mask: np.ndarray) -> Box | None:
    """The box around the pixels of a mask (H, W) bool; right and bottom are the first column and row beyond it."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return Box(x, y, x + width, y + height) if width else None


def box_iou(a: Box | None, b: Box | None) -> float:
    """Intersection over union, 0 where one is None."""
    if a is None or b is None:
        return 0.0
    width = min(a.x1, b.x1) - max(a.x0, b.x0)
    height = min(a.y1, b.y1) - max(a.y0, b.y0)
    inner = max(width, 0.0) * max(height, 0.0)
    union = _area(a) + _area(b) - inner
    return inner / union if union > 0 else 0.0


def _area(box: Box) -> float:
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def paint_labels(masks: Sequence[np.ndarray], values: Sequence[int], logits: Sequence[Tensor]) -> np.ndarray:
    """(H, W) uint8 with the value of each mask (H, W); a pixel of several goes to the one with the highest logit.

    `logits` (1, h, w) are those that the masks were made from.
    """
    labels = np.zeros(masks[0].shape, np.uint8)
    claims = np.zeros(masks[0].shape, np.uint8)
    for mask, value in zip(masks, values):
        labels[mask] = value
        claims += mask
    contested = claims > 1
    if contested.any():
        (surest,) = fetch(full_size(torch.stack(list(logits)), masks[0].shape).argmax(dim=0))
        labels[contested] = np.asarray(values, np.uint8)[surest[contested]]
    return labels
