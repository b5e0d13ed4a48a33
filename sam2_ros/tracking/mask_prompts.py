"""From any image of a mask to the mask: True on the object, False elsewhere.

People and programs send masks as black and white pictures (also as JPEG), label images, cut-outs with transparency and
probabilities. One rule reads them all, for files, messages and arrays alike.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from .errors import PromptError

_TRACE = 16  # a JPEG leaves of black, or of opaque, less than this part of the brightest value
_DARKEST_PICTURE = 64  # an image without brighter values holds labels
_MOST_LABELS = 32  # a picture has more different dark values than a label image has labels
_LARGEST_COVER = 0.9  # a mask of more is likely inverted


def to_mask(image: Any) -> np.ndarray:
    """An image (H, W) or (H, W, channels) as (H, W) bool; arrays, nested lists, tensors and PIL images will do.

    The last of 2 or 4 channels is alpha; where it varies it alone counts. Otherwise the brightest channel does:

    - bool: as it is;
    - floats: from 0.5 on, where they are probabilities 0..1; up to 255 or 65535 they are read like integers;
    - integers: from half the brightest value on in a picture, any value but 0 in a label image.

    Raises TypeError for what is no array of numbers, PromptError for shapes and values that have no such meaning.
    """
    samples: np.ndarray = _channels(_as_array(image))
    if samples.dtype == bool:
        return np.array(samples.any(axis=2) if samples.shape[2] > 1 else samples[..., 0])
    if samples.dtype.kind == "f":
        samples = np.where(np.isfinite(samples), samples, 0)
    if samples.shape[2] in (2, 4):
        alpha, samples = samples[..., -1], samples[..., :-1]
        low, high = float(alpha.min()), float(alpha.max())
        if high - low > high / _TRACE:
            return alpha > (low + high) / 2
    brightest = samples.max(axis=2)
    return _of_probabilities(brightest) if brightest.dtype.kind == "f" else _of_integers(brightest)


def cover_warning(mask: np.ndarray | None) -> str:
    """What is suspicious about the size of a mask (H, W) bool, empty if nothing is."""
    cover = 0.0 if mask is None else float(mask.mean())
    if cover <= _LARGEST_COVER:
        return ""
    return f"the mask covers {100 * cover:.0f} % of the image: is it inverted? Expected nonzero or opaque on the object"


def _as_array(image: Any) -> np.ndarray:
    try:
        array = np.asarray(image.detach().cpu() if isinstance(image, torch.Tensor) else image)
    except ValueError:  # nested lists of several lengths
        array = np.asarray(None)
    if array.dtype.kind not in "buif" or not array.ndim:
        raise TypeError(f"mask is a {type(image).__name__}, expected an array (height, width) of bool or numbers")
    return array


def _channels(array: np.ndarray) -> np.ndarray:
    """(H, W, channels); also from (1, H, W), as networks give it."""
    if array.ndim == 3 and array.shape[0] == 1 and array.shape[2] > 4:
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or not array.size:
        raise PromptError(f"mask has shape {array.shape}, expected (height, width) or (height, width, 1 to 4 channels)")
    return array


def _of_probabilities(values: np.ndarray) -> np.ndarray:
    """Resizing may have left values that lie a little outside their range."""
    low, high = float(values.min()), float(values.max())
    if low < -0.1 * max(high, 1.0):
        raise PromptError(
            f"mask has values from {low:g} to {high:g}, expected 0..1, or 0 and 255: of logits, pass logits > 0"
        )
    if high <= 1.1:
        return values >= 0.5
    return _of_integers(np.rint(values))


def _of_integers(values: np.ndarray) -> np.ndarray:
    brightest = int(values.max())
    if brightest < _DARKEST_PICTURE:
        return values > 0
    is_picture = brightest <= 255 or brightest > 32767  # numbers between these are those of labels
    black = brightest // _TRACE if is_picture else 0
    dark = (values > black) & (values <= brightest / 2)
    return values > (black if _are_labels(values, dark) else brightest / 2)


def _are_labels(values: np.ndarray, dark: np.ndarray) -> bool:
    """Whether the dark values are few and fill areas, unlike smooth edges and the traces of a JPEG."""
    if not dark.any() or len(np.unique(values[dark])) > _MOST_LABELS:
        return False
    values = values if values.dtype in (np.uint8, np.uint16) else values.astype(np.float64)
    around = np.ones((3, 3), np.uint8)
    is_flat = cv2.erode(values, around) == cv2.dilate(values, around)
    return bool(is_flat[dark].mean() > 0.5)
