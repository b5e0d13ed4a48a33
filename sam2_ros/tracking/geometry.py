"""Box and mask arithmetic: areas, intersections, bounding boxes, masks at frame size.

Boxes are (x0, y0, x1, y1), right and bottom edge exclusive, in pixels or in fractions of the frame (0..1).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .transfer import fetch
from .types import Box

# ---- boxes


def box_area(box: Box) -> float:
    """Width times height."""
    return (box.x1 - box.x0) * (box.y1 - box.y0)


def box_center(box: Box) -> tuple[float, float]:
    """(x, y)"""
    return (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2


def box_diagonal(box: Box) -> float:
    """Length of the diagonal."""
    return math.hypot(box.x1 - box.x0, box.y1 - box.y0)


def clip_box(box: Box, size: tuple[int, int]) -> Box:
    """The part of a box (pixels) inside a frame of `size` (H, W); of no or negative extent where there is none."""
    height, width = size
    return Box(max(box.x0, 0.0), max(box.y0, 0.0), min(box.x1, float(width)), min(box.y1, float(height)))


def box_iou(a: Box | None, b: Box | None) -> float:
    """Intersection over union, 0 where one box is None."""
    if a is None or b is None:
        return 0.0
    return float(pairwise_box_iou([a], [b])[0, 0])


def pairwise_box_iou(boxes: Sequence[Box], others: Sequence[Box]) -> np.ndarray:
    """(N, M) intersection over union of N boxes with M others."""
    a, b = _edges(boxes)[:, None], _edges(others)[None]
    width = np.minimum(a[..., 2], b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    height = np.minimum(a[..., 3], b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    intersection = width.clip(0) * height.clip(0)
    areas = [(edges[..., 2] - edges[..., 0]) * (edges[..., 3] - edges[..., 1]) for edges in (a, b)]
    iou: np.ndarray = intersection / np.maximum(areas[0] + areas[1] - intersection, np.finfo(float).tiny)
    return iou


def box_tensor_area(boxes: Tensor) -> Tensor:
    """(..., 4) -> (...)"""
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def box_tensor_iou(a: Tensor, b: Tensor) -> Tensor:
    """Intersection over union of boxes (..., 4) -> (...)"""
    corners = torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])
    intersection = corners.clamp(min=0).prod(dim=-1)
    return intersection / (box_tensor_area(a) + box_tensor_area(b) - intersection).clamp(min=1e-9)


def _edges(boxes: Sequence[Box]) -> np.ndarray:
    return np.array([(box.x0, box.y0, box.x1, box.y1) for box in boxes], float).reshape(-1, 4)


# ---- masks


def bounding_box(mask: np.ndarray) -> Box | None:
    """The box (pixels) around a mask (H, W) bool, None where it is empty."""
    x, y, width, height = cv2.boundingRect(mask.view(np.uint8))
    return Box(x, y, x + width, y + height) if width else None


def mask_iou(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two masks (H, W) bool; 0 where both are empty."""
    intersection = int(np.count_nonzero(a & b))
    return intersection / max(int(np.count_nonzero(a)) + int(np.count_nonzero(b)) - intersection, 1)


def mask_containment(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection of two masks (H, W) bool over the area of the smaller one; 0 where that is empty."""
    smaller = min(int(np.count_nonzero(a)), int(np.count_nonzero(b)))
    return int(np.count_nonzero(a & b)) / max(smaller, 1)


def mask_box_iou(mask: np.ndarray, box: Box) -> float:
    """IoU of a box (pixels) and the bounding box of the part of a mask (H, W) bool inside it.

    A few pixels elsewhere do not count; 0 where less than half of the mask is inside.
    """
    rows, columns = slice(int(box.y0), math.ceil(box.y1)), slice(int(box.x0), math.ceil(box.x1))
    inside = np.zeros_like(mask)
    inside[rows, columns] = mask[rows, columns]
    if 2 * np.count_nonzero(inside) < np.count_nonzero(mask):
        return 0.0
    return box_iou(bounding_box(inside), box)


def mask_tensor_boxes(masks: Tensor) -> Tensor:
    """Bounding boxes of masks (..., h, w) bool, in fractions of the frame: (..., 4), all 0 for an empty mask."""
    left, right = _span(masks.any(dim=-2))
    top, bottom = _span(masks.any(dim=-1))
    return torch.stack((left, top, right, bottom), dim=-1)


def _span(line: Tensor) -> tuple[Tensor, Tensor]:
    """(..., n) bool -> first and last + 1 index that is set, in fractions of n."""
    length, marks = line.shape[-1], line.int()
    first, last = marks.argmax(dim=-1), length - marks.flip(-1).argmax(dim=-1)
    is_set = line.any(dim=-1)
    return is_set * first / length, is_set * last / length


# ---- masks at frame size


def full_size(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """Mask logits (N, 1, h, w) -> (N, H, W) float32, bilinear."""
    return F.interpolate(logits.float(), size=size, mode="bilinear", align_corners=False).squeeze(1)


def label_image(masks: Sequence[np.ndarray], values: Sequence[int], logits: Sequence[Tensor]) -> np.ndarray:
    """(H, W) uint8 with each mask's value; a pixel of several masks (H, W) goes to the one with the highest logit.

    `logits` (1, h, w) are those that the masks were made from.
    """
    labels = np.zeros(masks[0].shape, np.uint8)
    counts = np.zeros(masks[0].shape, np.uint8)
    for mask, value in zip(masks, values):
        labels[mask] = value
        counts += mask
    overlap = counts > 1
    if overlap.any():
        (best,) = fetch(full_size(torch.stack(list(logits)), masks[0].shape).argmax(dim=0))
        labels[overlap] = np.asarray(values, np.uint8)[best[overlap]]
    return labels
