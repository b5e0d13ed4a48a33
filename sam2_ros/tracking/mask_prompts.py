"""Converts any image of a mask to a mask: True on the object, False elsewhere.

Masks come as black and white images (also as JPEG), label images, cut-outs with transparency, and probabilities. One
rule converts them all, whether they come from files, messages or arrays.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import torch

from .errors import PromptError

_ARTEFACT = 1 / 16  # of the brightest value: JPEG artefacts on black are darker
_MAX_LABEL = 63  # an image without brighter values is a label image
_MAX_LABELS = 32  # a picture has more different dark values than a label image has labels
_MAX_COVER = 0.9  # a mask that covers more of the image is probably inverted


def to_mask(image: Any) -> np.ndarray:
    """An image (H, W) or (H, W, channels) as (H, W) bool: an array, nested lists, a tensor or a PIL image.

    The last of 2 or 4 channels is alpha; if it varies, it alone is the mask. Otherwise the brightest channel is:

    - bool: unchanged;
    - floats: 0.5 or more, if they are probabilities 0..1; up to 255 or 65535 they are converted like integers;
    - integers: more than half the brightest value in a picture, any value but 0 in a label image.

    Raises TypeError for anything but an array of numbers, PromptError for other shapes and values.
    """
    samples: np.ndarray = _channels(_as_array(image))
    if samples.dtype == bool:
        return np.array(samples.any(axis=2) if samples.shape[2] > 1 else samples[..., 0])
    if samples.dtype.kind == "f":
        samples = np.where(np.isfinite(samples), samples, 0)
    if samples.shape[2] in (2, 4):
        alpha, samples = samples[..., -1], samples[..., :-1]
        low, high = float(alpha.min()), float(alpha.max())
        if high - low > high * _ARTEFACT:
            return alpha > (low + high) / 2
    brightest = samples.max(axis=2)
    return _of_probabilities(brightest) if brightest.dtype.kind == "f" else _of_integers(brightest)


def cover_warning(mask: np.ndarray | None) -> str:
    """A warning about a mask (H, W) bool that covers most of the image; empty for any other."""
    cover = 0.0 if mask is None else float(mask.mean())
    if cover <= _MAX_COVER:
        return ""
    return f"the mask covers {100 * cover:.0f} % of the image: is it inverted? Expected nonzero or opaque on the object"


def _as_array(image: Any) -> np.ndarray:
    try:
        if isinstance(image, torch.Tensor):
            image = image.detach().cpu()
            image = image.float() if image.is_floating_point() else image  # NumPy has no bfloat16
        array = np.asarray(image)
    except ValueError:  # nested lists of several lengths
        array = np.asarray(None)
    if array.dtype.kind not in "buif" or not array.ndim:
        raise TypeError(f"mask is a {type(image).__name__}, expected an array (height, width) of bool or numbers")
    return array


def _channels(array: np.ndarray) -> np.ndarray:
    """(H, W, channels); also from (1, H, W), a network's output."""
    if array.ndim == 3 and array.shape[0] == 1 and array.shape[2] > 4:
        array = array[0]
    if array.ndim == 2:
        array = array[..., None]
    if array.ndim != 3 or not 1 <= array.shape[2] <= 4 or not array.size:
        raise PromptError(f"mask has shape {array.shape}, expected (height, width) or (height, width, 1 to 4 channels)")
    return array


def _of_probabilities(values: np.ndarray) -> np.ndarray:
    """Resized probabilities may lie slightly outside their range."""
    low, high = float(values.min()), float(values.max())
    if low < -0.1 * max(high, 1.0):
        raise PromptError(
            f"mask has values from {low:g} to {high:g}, expected 0..1, or 0 and 255: pass logits > 0 for logits"
        )
    if high <= 1.1:
        return values >= 0.5
    return _of_integers(np.rint(values))


def _of_integers(values: np.ndarray) -> np.ndarray:
    brightest = int(values.max())
    if brightest <= _MAX_LABEL:
        return values > 0
    is_picture = brightest <= 255 or brightest > 32767  # values between are labels
    black = int(brightest * _ARTEFACT) if is_picture else 0
    dark = (values > black) & (values <= brightest / 2)
    return values > (black if _are_labels(values, dark) else brightest / 2)


def _are_labels(values: np.ndarray, dark: np.ndarray) -> bool:
    """Whether the dark values are few and fill areas, unlike smooth edges and JPEG artefacts."""
    if not dark.any() or len(np.unique(values[dark])) > _MAX_LABELS:
        return False
    values = values if values.dtype in (np.uint8, np.uint16) else values.astype(np.float64)
    kernel = np.ones((3, 3), np.uint8)
    is_flat = cv2.erode(values, kernel) == cv2.dilate(values, kernel)
    return bool(is_flat[dark].mean() > 0.5)
