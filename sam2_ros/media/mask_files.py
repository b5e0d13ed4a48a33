"""Reads masks from picture files."""

from __future__ import annotations

import os
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from sam2_ros.tracking.mask_prompts import to_mask
from sam2_ros.tracking.types import PromptError

from .decoding import DecodeError, decode


def read_mask(path: str | os.PathLike[str]) -> np.ndarray:
    """(H, W) bool, True on the object, converted by `to_mask`; raises PromptError for a file that is no mask."""
    expected = "expected a picture such as a PNG, white on the object and black elsewhere"
    if not Path(path).is_file():
        raise PromptError(f"mask {path} does not exist; {expected}")
    data = Path(path).read_bytes()
    try:
        picture = decode(data)
    except DecodeError as error:
        raise PromptError(f"mask {path} is no picture: {error}; {expected}") from error
    try:
        return to_mask(_with_black_background(picture, data))
    except PromptError as error:
        raise PromptError(f"mask {path}: {error}") from error


def _with_black_background(picture: np.ndarray, data: bytes) -> np.ndarray:
    """The picture, or the indices of an indexed one without black: index 0 is the background of label images."""
    if picture.ndim < 3 or picture.shape[2] != 3 or not picture.any(axis=2).all():
        return picture
    try:
        with Image.open(BytesIO(data)) as indexed:
            return np.asarray(indexed) if indexed.mode == "P" else picture
    except OSError:  # a format that only OpenCV knows
        return picture
