"""The benchmark's input: frames, and a click for each object."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..tracking import Click


@dataclass(frozen=True)
class Workload:
    """Frames (H, W, 3) uint8 that are repeated, and a click for each object on the first one."""

    frames: tuple[np.ndarray, ...]
    clicks: tuple[Click, ...]


def synthetic_frames(size: tuple[int, int] = (480, 640), frames: int = 16) -> list[np.ndarray]:
    """Drifting blocks of noise, (H, W, 3) uint8 of `size` (H, W)."""
    noise = np.random.default_rng(0).integers(0, 256, (size[0] // 8, size[1] // 8, 3), np.uint8)
    picture = noise.repeat(8, axis=0).repeat(8, axis=1)
    return [np.roll(picture, 3 * i, axis=1) for i in range(frames)]


def workload(frames: Sequence[np.ndarray], objects: int) -> Workload:
    """Clicks on a grid; the frames forwards and backwards, so that motion is continuous."""
    height, width = frames[0].shape[:2]
    columns = math.ceil(math.sqrt(objects))
    rows = math.ceil(objects / columns)
    cells = ((i % columns, i // columns) for i in range(objects))
    clicks = tuple(Click((x + 0.5) / columns * width, (y + 0.5) / rows * height) for x, y in cells)
    return Workload((*frames, *frames[-2:0:-1]), clicks)
