"""Simulated prompts: first prompts from an object's true mask, and corrective clicks from the error region."""

from __future__ import annotations

from enum import Enum

import cv2
import numpy as np
import torch
from torch import Tensor

from sam2_ros.model import PointLabel, PromptTensors

BOX_JITTER = 0.1
TRUTH_CLICKS = 0.1
FEEDBACK_LIMIT = 32.0


class PromptKind(Enum):
    """The first prompt of an object."""

    MASK = "mask"
    CLICK = "click"
    BOX = "box"


KIND_SHARES = {PromptKind.MASK: 0.5, PromptKind.CLICK: 0.25, PromptKind.BOX: 0.25}


def random_kind(rng: np.random.Generator) -> PromptKind:
    """A random kind, by its share."""
    kinds = list(KIND_SHARES)
    return kinds[rng.choice(len(kinds), p=list(KIND_SHARES.values()))]


def first_prompts(rng: np.random.Generator, kind: PromptKind, masks: np.ndarray) -> PromptTensors | None:
    """Prompts from masks (N, S, S) bool; None if the masks themselves are the prompts."""
    if kind is PromptKind.MASK:
        return None
    return first_clicks(rng, masks) if kind is PromptKind.CLICK else boxes(rng, masks)


def first_clicks(rng: np.random.Generator, masks: np.ndarray) -> PromptTensors:
    """One positive click in each mask (N, S, S) bool: half of the time uniform, else weighted towards its centre."""
    points = [_click_in(rng, mask, centred=rng.random() < 0.5) for mask in masks]
    return PromptTensors(_points(points), torch.full((len(masks), 1), PointLabel.POSITIVE))


def boxes(rng: np.random.Generator, masks: np.ndarray, jitter: float = BOX_JITTER) -> PromptTensors:
    """The box of each mask (N, S, S) bool, each edge moved by normal noise of `jitter` of the box's side."""
    corners = np.stack([_box_of(rng, mask, jitter) for mask in masks])
    labels = torch.tensor([PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT])
    return PromptTensors(torch.from_numpy(corners).float(), labels.expand(len(masks), 2))


def corrected(
    rng: np.random.Generator, earlier: PromptTensors | None, logits: Tensor, masks: np.ndarray, predictions: np.ndarray
) -> PromptTensors:
    """The earlier prompts of this frame, one more click per object and the earlier logits as dense prompt.

    The click is drawn from the error region of `masks` and `predictions` (N, S, S) bool: positive on a false negative,
    negative on a false positive. With probability TRUTH_CLICKS, and without an error, it is drawn from the true mask;
    for an invisible object without an error it is padding.
    """
    points, labels = [], []
    for mask, prediction in zip(masks, predictions):
        wrong = mask != prediction
        region = mask if rng.random() < TRUTH_CLICKS or not wrong.any() else wrong
        if not region.any():
            points.append((0.0, 0.0))
            labels.append(PointLabel.PADDING)
            continue
        x, y = _click_in(rng, region, centred=False)
        points.append((x, y))
        labels.append(PointLabel.POSITIVE if mask[int(y), int(x)] else PointLabel.NEGATIVE)
    new_points, new_labels = _points(points), torch.tensor(labels).unsqueeze(1)
    if earlier is not None:
        new_points = torch.cat((earlier.points, new_points), dim=1)
        new_labels = torch.cat((earlier.labels, new_labels), dim=1)
    return PromptTensors(new_points, new_labels, logits.detach().clamp(-FEEDBACK_LIMIT, FEEDBACK_LIMIT))


def _points(points: list[tuple[float, float]]) -> Tensor:
    return torch.tensor(points).float().unsqueeze(1)


def _click_in(rng: np.random.Generator, region: np.ndarray, centred: bool) -> tuple[float, float]:
    """x, y of a random pixel of the region; if centred, weighted by its squared distance to the border."""
    inside = np.flatnonzero(region)
    share = None
    if centred:
        depth = cv2.distanceTransform(np.pad(region, 1).astype(np.uint8), cv2.DIST_L2, 3)[1:-1, 1:-1]
        weight = depth[region].astype(np.float64) ** 2
        share = weight / weight.sum()
    y, x = divmod(int(inside[rng.choice(len(inside), p=share)]), region.shape[1])
    return float(x), float(y)


def _box_of(rng: np.random.Generator, mask: np.ndarray, jitter: float) -> np.ndarray:
    """(2, 2): top left and bottom right corner."""
    xs, ys = (np.flatnonzero(mask.any(axis=axis)) for axis in (0, 1))
    corners = np.array([[xs[0], ys[0]], [xs[-1], ys[-1]]], np.float64)
    sides = corners[1] - corners[0] + 1
    moved = corners + rng.normal(0, 1, (2, 2)) * jitter * sides
    box: np.ndarray = np.clip(np.sort(moved, axis=0), 0, np.array(mask.shape[::-1]) - 1)
    return box
