"""Time to lift masks to 3-D, on a synthetic scene."""

from __future__ import annotations

import time

import numpy as np

from ..depth.lifting import DepthImage, Intrinsics, lift
from ..tracking.speed import Speed, speed_of

LIFTING_LIMIT = 5.0  # milliseconds for 3 objects at 640 x 480
_OBJECTS = 3
_RADIUS = 100  # pixels


def measure_lifting(frames: int) -> Speed:
    """Speed of points, centroid and extent of 3 balls, a tenth of the image each, in front of a noisy wall.

    The depth image has 640 x 480 pixels, in millimetres.
    """
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:480, :640]
    metres = rng.normal(2.0, 0.02, rows.shape)
    masks = []
    for i in range(_OBJECTS):
        distance = (columns - 110 - 210 * i) ** 2 + (rows - 240) ** 2
        masks.append(distance < _RADIUS**2)
        bulge = np.sqrt(np.maximum(0, _RADIUS**2 - distance)) / 1000
        metres = np.where(masks[-1], 1.2 - bulge + rng.normal(0, 0.003, rows.shape), metres)
    depth = DepthImage((1000 * metres).astype(np.uint16), Intrinsics(525.0, 525.0, 319.5, 239.5))
    seconds = np.empty(frames)
    for index in range(frames):
        start = time.perf_counter()
        surfaces = [lift(mask, depth) for mask in masks]
        _ = [(surface.centroid, surface.extent) for surface in surfaces if surface]
        seconds[index] = time.perf_counter() - start
    return speed_of(seconds)
