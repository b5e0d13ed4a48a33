"""Frame skipping: which frames are not encoded, and how optical flow warps masks to them.

A skipped frame is never written to memory and never changes a track's state.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .transfer import fetch, upload

_MAX_ENCODE_EVERY = 8  # frames: warped masks drift
_SMOOTHING = 0.2  # weight of a new duration in the running mean

_FLOW_SIZE = 256  # pixels, at most, of the images that flow is computed on
_CONTRAST = 50.0  # gray levels per standard deviation of the normalised image


class FrameSkipping:
    """Decides which frames are encoded, from how long frames take.

    Every `encode_every`-th frame is encoded, or fewer where that leaves less than `target_fps` frames per second
    (0: no target).
    """

    def __init__(self, encode_every: int, target_fps: float) -> None:
        self._min_encode_every = encode_every
        self._period = 1 / target_fps if target_fps else math.inf
        self._frames_since_encoded = math.inf
        self._encode_seconds = 0.0  # running means
        self._skip_seconds = 0.0

    @property
    def is_enabled(self) -> bool:
        """Whether any frame may be skipped."""
        return self._min_encode_every > 1 or self._period < math.inf

    @property
    def encode_every(self) -> int:
        """N where every N-th frame is encoded."""
        encode, skip = self._encode_seconds, self._skip_seconds
        if encode <= self._period:
            return self._min_encode_every
        if skip >= self._period:
            return max(self._min_encode_every, _MAX_ENCODE_EVERY)
        # (encode + (n - 1) * skip) / n <= period
        n = math.ceil((encode - skip) / (self._period - skip))
        return max(self._min_encode_every, min(_MAX_ENCODE_EVERY, n))

    def next_is_encoded(self) -> bool:
        """Whether the next frame is encoded; call once per frame."""
        self._frames_since_encoded += 1
        if self._frames_since_encoded < self.encode_every:
            return False
        self._frames_since_encoded = 0
        return True

    def record(self, seconds: float, is_skipped: bool) -> None:
        """How long a frame took."""
        if is_skipped:
            self._skip_seconds = _smoothed(self._skip_seconds, seconds)
        else:
            self._encode_seconds = _smoothed(self._encode_seconds, seconds)


def _smoothed(mean: float, value: float) -> float:
    return mean + _SMOOTHING * (value - mean) if mean else value


# ---- optical flow


def flow_image(image: Tensor) -> np.ndarray:
    """(h, w) uint8 gray image of a normalised frame (1, 3, S, S)."""
    gray = image.mean(dim=1, keepdim=True)
    if gray.shape[-1] > _FLOW_SIZE:
        gray = F.interpolate(gray, size=(_FLOW_SIZE, _FLOW_SIZE), mode="area")
    (pixels,) = fetch((gray[0, 0] * _CONTRAST + 128).clamp(0, 255).byte())
    return pixels


def flow_grid(previous: np.ndarray, current: np.ndarray, side: int, device: torch.device) -> Tensor:
    """Sampling grid (1, side, side, 2) from the current frame into the previous one (x, y; -1..1).

    Dense inverse search flow (Kroeger et al., 2016) between their gray images (h, w) uint8.
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(current, previous, None)  # pixels, backwards
    shift = torch.from_numpy(flow).permute(2, 0, 1).unsqueeze(0) * (2 / flow.shape[0])
    shift = F.interpolate(shift, size=(side, side), mode="bilinear", align_corners=False)
    identity = F.affine_grid(torch.eye(2, 3).unsqueeze(0), [1, 1, side, side], align_corners=False)
    return upload((identity + shift.permute(0, 2, 3, 1)).numpy(), device)


def warp(mask_logits: Tensor, grid: Tensor) -> Tensor:
    """Mask logits (N, 1, h, w) of the previous frame, warped to the current one."""
    grid = grid.expand(len(mask_logits), -1, -1, -1)
    return F.grid_sample(mask_logits, grid, mode="bilinear", padding_mode="border", align_corners=False)
