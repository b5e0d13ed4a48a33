"""Converts images of more than 8 bits to 8, with a steady scale: flicker would look like motion."""

from __future__ import annotations

import numpy as np

BIT_DEPTHS = (8, 10, 12, 14, 16)

_OUTLIERS = 1e-3  # fraction of an image's pixels that may be hot
_MAX_EXCESS = 2e-2  # fraction that may exceed the bit depth: hot pixels, and rows of data that the camera embeds
_SAMPLES = 20_000  # pixels at most that are sampled
_ADAPTATION = 0.1  # per frame


class BitDepth:
    """Used bits of 16-bit samples, from the lowest on: given, or the most that any frame has needed so far."""

    def __init__(self, given: int = 0) -> None:
        """`given` is 8 to 16, or 0 for the depth of the data."""
        self._given = given
        self.needed = 0  # by the frames so far; 0 before the first

    @property
    def value(self) -> int:
        """The bit depth by which frames are scaled."""
        return self._given or self.needed

    def to_bytes(self, pixels: np.ndarray) -> np.ndarray:
        """uint16 -> uint8 of the same shape; values beyond the bit depth are white."""
        self.needed = max(self.needed, _needed(_sampled(pixels)))
        scaled = pixels >> (self.value - 8)
        return (scaled if self.value == 16 else np.minimum(scaled, 255)).astype(np.uint8)


class SteadyRange:
    """Range of samples from their darkest to their brightest, which adapts slowly.

    Zeros and values that are not finite are no measurements; they become black.
    """

    def __init__(self) -> None:
        self._range: np.ndarray | None = None  # lowest and highest value

    def to_bytes(self, pixels: np.ndarray) -> np.ndarray:
        """Any number type -> uint8 of the same shape."""
        sampled = _sampled(pixels)
        measured = sampled[np.isfinite(sampled) & (sampled != 0)].astype(np.float64)
        if measured.size:
            self._adapt(np.percentile(measured, (100 * _OUTLIERS, 100 - 100 * _OUTLIERS)))
        if self._range is None:
            return np.zeros(pixels.shape, np.uint8)
        low, high = self._range
        values = pixels.astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):  # near the largest float, and of infinity
            grey = (values - np.float32(low)) * np.float32(255.0 / (high - low or 1.0))
        grey[~np.isfinite(values)] = 0
        return np.clip(grey, 0, 255, out=grey).astype(np.uint8)

    def _adapt(self, measured: np.ndarray) -> None:
        """Adapt to the range of a frame: at once if it does not overlap, as after a thermal camera's calibration."""
        if self._range is None or measured[0] > self._range[1] or measured[1] < self._range[0]:
            self._range = measured
        else:
            self._range = self._range + _ADAPTATION * (measured - self._range)


def _sampled(pixels: np.ndarray) -> np.ndarray:
    """Every n-th row and column, n odd, so that all colours of a Bayer pattern are sampled."""
    step = int(np.sqrt(pixels.size / _SAMPLES)) // 2 * 2 + 1
    return pixels[step // 2 :: step, step // 2 :: step]


def _needed(samples: np.ndarray) -> int:
    allowed = _MAX_EXCESS * samples.size
    return next(depth for depth in BIT_DEPTHS if np.count_nonzero(samples >= 1 << depth) <= allowed)
