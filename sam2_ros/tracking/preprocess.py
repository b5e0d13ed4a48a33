"""From a camera frame to the square, normalised tensor that the network reads."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

# Mean and standard deviation of ImageNet, in the units of uint8.
_MEAN = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1) * 255
_STD = torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1) * 255


def preprocess(rgb: np.ndarray, image_size: int, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, S, S) float32; the aspect ratio is not kept, as SAM 2 was trained.

    Raises ValueError for anything but a non-empty (H, W, 3) uint8 array.
    """
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ValueError(f"frame is {rgb.dtype} {rgb.shape}, expected non-empty uint8 (H, W, 3), RGB")
    pixels = torch.from_numpy(np.ascontiguousarray(rgb)).to(device).permute(2, 0, 1).unsqueeze(0)
    if device.type != "cpu":  # only the CPU resizes uint8, several times faster than float
        pixels = pixels.float()
    square = F.interpolate(pixels, size=(image_size, image_size), mode="bilinear", antialias=True)
    return (square.float() - _MEAN.to(device)) / _STD.to(device)
