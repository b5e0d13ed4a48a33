"""Simple ways to carry a mask through a video, for comparison."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np


def copy(frames: Iterable[np.ndarray], mask: np.ndarray) -> Iterator[np.ndarray]:
    """The first mask (H, W) bool on every frame."""
    for _ in frames:
        yield mask


def flow(frames: Iterable[np.ndarray], mask: np.ndarray) -> Iterator[np.ndarray]:
    """The last mask moved along OpenCV's DIS optical flow."""
    estimator = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    height, width = mask.shape
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    share, last = mask.astype(np.float32), None
    for frame in frames:
        grey = cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)
        if last is not None:
            back = estimator.calc(grey, last, None)
            share = cv2.remap(share, x + back[..., 0], y + back[..., 1], cv2.INTER_LINEAR)
        last = grey
        yield share > 0.5


def template(frames: Iterable[np.ndarray], mask: np.ndarray) -> Iterator[np.ndarray]:
    """The first mask moved to where OpenCV's template matching finds the first frame's box again.

    It is searched within one box's size of where it was last; neither its size nor the template ever change.
    """
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    cut = mask[y : y + height, x : x + width]
    first: np.ndarray | None = None
    for frame in frames:
        if first is None:
            first = frame[y : y + height, x : x + width].copy()
        else:
            left, top = max(x - width, 0), max(y - height, 0)
            window = frame[top : y + 2 * height, left : x + 2 * width]
            _, _, _, (dx, dy) = cv2.minMaxLoc(cv2.matchTemplate(window, first, cv2.TM_CCOEFF_NORMED))
            x, y = left + dx, top + dy
        moved = np.zeros_like(mask)
        moved[y : y + height, x : x + width] = cut
        yield moved


BASELINES = {"copy": copy, "flow": flow, "template": template}
