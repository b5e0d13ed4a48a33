"""Frames that are not encoded: masks move along with the picture, as optical flow sees it, from one frame to the next.

What an object looks like on such a frame is never remembered, and nothing new is believed of it.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from .transfer import fetch, upload

_SIDE = 256  # pixels, at most, of the pictures that are compared
_CONTRAST = 50.0  # grey levels of one standard deviation of the normalised picture


def grey_picture(image: Tensor) -> np.ndarray:
    """(h, w) uint8 of a normalised frame (1, 3, S, S)"""
    grey = image.mean(dim=1, keepdim=True)
    if grey.shape[-1] > _SIDE:
        grey = F.interpolate(grey, size=(_SIDE, _SIDE), mode="area")
    (picture,) = fetch((grey[0, 0] * _CONTRAST + 128).clamp(0, 255).byte())
    return picture


def origins(before: np.ndarray, now: np.ndarray, side: int, device: torch.device) -> Tensor:
    """(1, side, side, 2) where each place of a frame was on the one before (x, y; -1..1), from their grey pictures.

    Dense inverse search after Kroeger et al. (2016).
    """
    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST).calc(now, before, None)  # pixels, backwards
    shift = torch.from_numpy(flow).permute(2, 0, 1).unsqueeze(0) * (2 / flow.shape[0])
    shift = F.interpolate(shift, size=(side, side), mode="bilinear", align_corners=False)
    places = F.affine_grid(torch.eye(2, 3).unsqueeze(0), [1, 1, side, side], align_corners=False)
    return upload((places + shift.permute(0, 2, 3, 1)).numpy(), device)


def move(logits: Tensor, origins: Tensor) -> Tensor:
    """(N, 1, h, w) as they come to lie on the next frame"""
    grid = origins.expand(len(logits), -1, -1, -1)
    return F.grid_sample(logits, grid, mode="bilinear", padding_mode="border", align_corners=False)
