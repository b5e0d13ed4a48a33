"""Where everything is looked for: crops of an image, and a grid of clicks on each."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import product
from typing import NamedTuple

import numpy as np

from .mask_generator_config import MaskGeneratorConfig

_EDGE = 20.0  # pixels


class Crop(NamedTuple):
    """A part of an image (pixels), right and bottom edge exclusive; layer 0 is the whole image."""

    layer: int
    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def size(self) -> tuple[int, int]:
        """(H, W)"""
        return self.y1 - self.y0, self.x1 - self.x0

    @property
    def edges(self) -> tuple[int, int, int, int]:
        """(x0, y0, x1, y1)"""
        return self[1:]

    def of(self, rgb: np.ndarray) -> np.ndarray:
        """Its pixels."""
        return rgb[self.y0 : self.y1, self.x0 : self.x1]

    def cuts(self, boxes: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """(K,) bool: which boxes (K, 4) end at an edge of the crop that is none of the image, whose `size` is (H, W).

        Their objects are likely cut off.
        """
        image = np.array([0, 0, size[1], size[0]])
        at_crop = np.abs(boxes - np.array(self.edges)) <= _EDGE
        at_image = np.abs(boxes - image) <= _EDGE
        cuts: np.ndarray = (at_crop & ~at_image).any(axis=1)
        return cuts


def crops(size: tuple[int, int], config: MaskGeneratorConfig) -> Iterator[Crop]:
    """The image of `size` (H, W), then 2^n x 2^n overlapping crops in layer n."""
    height, width = size
    yield Crop(0, 0, 0, width, height)
    for layer in range(1, config.crop_n_layers + 1):
        count = 2**layer
        overlap = int(config.crop_overlap_ratio * min(size) * 2 / count)
        columns, rows = (_intervals(length, count, overlap) for length in (width, height))
        for (x0, x1), (y0, y1) in product(columns, rows):
            yield Crop(layer, x0, y0, x1, y1)


def _intervals(length: int, count: int, overlap: int) -> list[tuple[int, int]]:
    """So many that overlap by so much; fewer where the image is too small for all."""
    side = math.ceil((length + overlap * (count - 1)) / count)
    starts = [(side - overlap) * i for i in range(count)]
    return [(start, min(start + side, length)) for start in starts if start < length]


def grid(crop: Crop, config: MaskGeneratorConfig) -> np.ndarray:
    """(P, 2) float32 clicks on a crop, in its pixels, row by row."""
    count = config.points_on_side(crop.layer)
    margin = 1 / (2 * count)
    places = np.linspace(margin, 1 - margin, count)
    x, y = np.meshgrid(places, places)
    height, width = crop.size
    return (np.stack((x.ravel(), y.ravel()), axis=1) * (width, height)).astype(np.float32)
