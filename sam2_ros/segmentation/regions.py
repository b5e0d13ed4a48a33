"""Small regions of a mask: holes are filled, islands removed."""

from __future__ import annotations

import cv2
import numpy as np


def clean(mask: np.ndarray, least_area: int) -> np.ndarray:
    """A mask (H, W) bool without holes and then without islands of fewer than `least_area` pixels.

    Pixels that touch at a corner belong together. Of a mask of small islands alone the largest one stays. The mask
    itself is returned where there is nothing to clean.
    """
    holes = _small_regions(~mask, least_area)
    if holes is not None:
        mask = mask | holes
    islands = _small_regions(mask, least_area)
    if islands is None:
        return mask
    kept = mask & ~islands
    return kept if kept.any() else _largest_region(mask)


def _small_regions(mask: np.ndarray, least_area: int) -> np.ndarray | None:
    """(H, W) bool, None where there is none."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    is_small = statistics[:, cv2.CC_STAT_AREA] < least_area
    is_small[0] = False  # what is not on the mask
    return np.asarray(is_small[labels]) if is_small.any() else None


def _largest_region(mask: np.ndarray) -> np.ndarray:
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask.view(np.uint8), connectivity=8)
    return np.asarray(labels == 1 + statistics[1:, cv2.CC_STAT_AREA].argmax())
