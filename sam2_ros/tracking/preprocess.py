"""Converts a camera frame to the square, normalised input of the network."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ..model.config import IMAGE_MEAN, IMAGE_STD
from .transfer import upload


def preprocess(rgb: np.ndarray, image_size: int, device: torch.device) -> Tensor:
    """(H, W, 3) uint8 -> (1, 3, S, S) float32; the aspect ratio is not kept, as in the training of SAM 2.

    Raises TypeError for anything but an array, ValueError for any but a non-empty (H, W, 3) uint8 array.
    """
    check_frame(rgb)
    pixels = upload(rgb, device)
    # Only the CPU can resize uint8, several times faster than float.
    return _normalised_square(pixels if device.type == "cpu" else pixels.float(), image_size)


def preprocess_unrounded(rgb: np.ndarray, image_size: int, device: torch.device) -> Tensor:
    """Like `preprocess`; on a CPU slower, and not rounded to whole colour values once it is resized."""
    check_frame(rgb)
    return _normalised_square(upload(rgb, device).float(), image_size)


def _normalised_square(pixels: Tensor, image_size: int) -> Tensor:
    """(H, W, 3) -> (1, 3, S, S)"""
    pixels = pixels.permute(2, 0, 1).unsqueeze(0)
    square = F.interpolate(pixels, size=(image_size, image_size), mode="bilinear", antialias=True)
    mean, deviation = _statistics(pixels.device)
    return (square.float() - mean) / deviation


def check_frame(rgb: np.ndarray) -> None:
    """Raises TypeError or ValueError unless the frame is non-empty (H, W, 3) uint8; with a hint at the conversion."""
    expected = "expected non-empty uint8 (H, W, 3), RGB"
    if not isinstance(rgb, np.ndarray):
        array = "frame.cpu().numpy()" if isinstance(rgb, Tensor) else "np.asarray(frame)"
        raise TypeError(f"frame is a {type(rgb).__name__}, {expected}, as a NumPy array: pass {array}")
    if rgb.dtype != np.uint8 or rgb.ndim != 3 or rgb.shape[2] != 3 or not rgb.size:
        raise ValueError(f"frame is {rgb.dtype} {rgb.shape}, {expected}{_conversion(rgb)}")


def _conversion(frame: np.ndarray) -> str:
    """How a frame of this shape and type is usually converted; empty where that is unknown."""
    if frame.ndim == 2:
        return ": repeat grey in three channels by np.dstack([frame] * 3)"
    if frame.ndim == 3 and frame.shape[2] == 4:
        return ": drop alpha by frame[..., :3]"
    if frame.ndim == 3 and frame.shape[0] == 3 != frame.shape[2]:
        return ": move the channels last by frame.transpose(1, 2, 0)"
    if frame.dtype.kind == "f":
        return ": scale 0..1 by (255 * frame).round().astype(np.uint8)"
    if frame.dtype.kind in "iu" and frame.dtype != np.uint8:
        return ": scale it to 0..255 and use astype(np.uint8)"
    return ""


@cache
def _statistics(device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (3, 1, 1), scaled to 0..255."""
    mean, deviation = (torch.tensor(values, device=device).view(3, 1, 1) * 255 for values in (IMAGE_MEAN, IMAGE_STD))
    return mean, deviation
