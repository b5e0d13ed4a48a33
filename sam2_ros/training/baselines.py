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


def csrt(frames: Iterable[np.ndarray], mask: np.ndarray) -> Iterator[np.ndarray]:
    """The first mask stretched into the box that OpenCV's CSRT tracker finds.

    Raises ValueError where OpenCV comes without that tracker.
    """
    if not hasattr(cv2, "TrackerCSRT_create"):
        raise ValueError(
            f"OpenCV {cv2.__version__} has no CSRT tracker; install opencv-contrib-python-headless in place of "
            "opencv-python-headless"
        )
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    cut = mask[y : y + height, x : x + width].astype(np.uint8)
    tracker = None
    for frame in frames:
        if tracker is None:
            tracker = cv2.TrackerCSRT_create()
            tracker.init(frame, (x, y, width, height))
            yield mask
            continue
        found, box = tracker.update(frame)
        yield _placed(cut, box, mask.shape) if found else np.zeros_like(mask)


BASELINES = {"copy": copy, "flow": flow, "csrt": csrt}


def _placed(cut: np.ndarray, box: tuple[int, int, int, int], size: tuple[int, ...]) -> np.ndarray:
    """`cut` resized into a box of a picture of `size`."""
    x, y, width, height = (int(round(value)) for value in box)
    result = np.zeros(size, bool)
    if width < 1 or height < 1:
        return result
    resized = cv2.resize(cut, (width, height), interpolation=cv2.INTER_NEAREST) > 0
    left, upper, right, lower = max(x, 0), max(y, 0), min(x + width, size[1]), min(y + height, size[0])
    if right > left and lower > upper:
        result[upper:lower, left:right] = resized[upper - y : lower - y, left - x : right - x]
    return result
