"""From a camera frame to the square, normalised tensor that the network reads."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.config import IMAGE_MEAN, IMAGE_STD
from .transfer import upload


def preprocess(rgb: np.ndarray, image_size: int, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, S, S) float32; the aspect ratio is not kept, as SAM 2 was trained.

    Raises ValueError for anything but a non-empty (H, W, 3) uint8 array.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ValueError(f"frame is {rgb.dtype} {rgb.shape}, expected non-empty uint8 (H, W, 3), RGB")
    pixels = upload(rgb, device).permute(2, 0, 1).unsqueeze(0)
    if device.type != "cpu":  # only the CPU resizes uint8, several times faster than float
        pixels = pixels.float()
    square = F.interpolate(pixels, size=(image_size, image_size), mode="bilinear", antialias=True)
    mean, deviation = _statistics(device)
    return (square.float() - mean) / deviation


@cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3, 1, 1) in the units of uint8."""
    mean, deviation = (torch.tensor(values, device=device).view(3, 1, 1) * 255 for values in (IMAGE_MEAN, IMAGE_STD))
    return mean, deviation
