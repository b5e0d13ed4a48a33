"""Which frames are written."""

from __future__ import annotations

import numpy as np

from sam2_ros.tracking import FrameResult
from sam2_ros.tracking.geometry import mask_iou

_SAME = 0.9  # intersection over union of two masks from which a mask counts as unchanged


class Thinning:
    """Every N-th frame, and of these only those on which an object came, went or moved, where that is asked for."""

    def __init__(self, every: int = 1, only_changed: bool = False) -> None:
        self._every = every
        self._only_changed = only_changed
        self._count = 0
        self._written: dict[int, np.ndarray] | None = None  # masks (H, W) by id, of the last frame that was written

    def wants(self, result: FrameResult) -> bool:
        """Whether the next frame is written; called once for each frame."""
        is_candidate = self._count % self._every == 0
        self._count += 1
        if not is_candidate or not self._only_changed:
            return is_candidate
        masks = {track.id: track.mask for track in result.tracks if track.area}
        if self._written is not None and not _differ(self._written, masks):
            return False
        self._written = masks
        return True


def _differ(before: dict[int, np.ndarray], now: dict[int, np.ndarray]) -> bool:
    if before.keys() != now.keys():
        return True
    return any(before[i].shape != now[i].shape or mask_iou(before[i], now[i]) < _SAME for i in now)
