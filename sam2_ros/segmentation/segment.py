"""A mask that was found in an image, kept small."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from ..tracking.geometry import bounding_box
from ..tracking.types import Box
from .coco import compressed_rle


@dataclass(frozen=True)
class PackedMask:
    """A mask that is not empty, as the compressed bits of its box: at most an eighth of its array, mostly far less."""

    size: tuple[int, int]  # (H, W) pixels of the image
    edges: tuple[int, int, int, int]  # x0, y0, x1, y1 of the box around it, right and bottom exclusive
    area: int  # pixels
    bits: bytes = field(repr=False)

    @staticmethod
    def of(mask: np.ndarray, size: tuple[int, int], corner: tuple[int, int] = (0, 0)) -> PackedMask:
        """Pack a mask (h, w) bool at `corner` (x, y) of an image of `size` (H, W); raises ValueError if it is empty."""
        box = bounding_box(mask)
        if box is None:
            raise ValueError("mask is empty, expected at least one pixel")
        x0, y0, x1, y1 = int(box.x0), int(box.y0), int(box.x1), int(box.y1)
        inside = mask[y0:y1, x0:x1]
        left, top = corner
        bits = zlib.compress(np.packbits(inside).tobytes(), 1)
        return PackedMask(size, (x0 + left, y0 + top, x1 + left, y1 + top), int(np.count_nonzero(inside)), bits)

    def inside(self) -> np.ndarray:
        """(h, w) bool: the mask inside its box."""
        x0, y0, x1, y1 = self.edges
        shape = (y1 - y0, x1 - x0)
        bits = np.frombuffer(zlib.decompress(self.bits), np.uint8)
        return np.unpackbits(bits, count=shape[0] * shape[1]).reshape(shape).view(bool)

    def overlap(self, other: PackedMask) -> int:
        """Pixels that are on both masks; they are unpacked only where their boxes overlap."""
        x0, y0 = max(self.edges[0], other.edges[0]), max(self.edges[1], other.edges[1])
        x1, y1 = min(self.edges[2], other.edges[2]), min(self.edges[3], other.edges[3])
        if x1 <= x0 or y1 <= y0:
            return 0
        a, b = (m.inside()[y0 - m.edges[1] : y1 - m.edges[1], x0 - m.edges[0] : x1 - m.edges[0]] for m in (self, other))
        return int(np.count_nonzero(a & b))

    def array(self) -> np.ndarray:
        """(H, W) bool"""
        mask = np.zeros(self.size, bool)
        x0, y0, x1, y1 = self.edges
        mask[y0:y1, x0:x1] = self.inside()
        return mask


@dataclass(frozen=True)
class Segment:
    """Something in an image, as `MaskGenerator` finds it."""

    packed: PackedMask = field(repr=False)
    predicted_iou: float  # 0..1
    stability_score: float  # IoU of the masks at a higher and at a lower threshold, 0..1
    point: tuple[float, float]  # (x, y) of the click that it was found by (pixels)
    crop_box: Box  # the crop that it was found in

    @property
    def mask(self) -> np.ndarray:
        """(H, W) bool; unpacked when asked for and not kept."""
        return self.packed.array()

    @cached_property
    def box(self) -> Box:
        """Around the mask (pixels)."""
        return Box(*self.packed.edges)

    @property
    def area(self) -> int:
        """Pixels of the mask."""
        return self.packed.area

    def coco_rle(self) -> dict[str, Any]:
        """The mask as COCO's compressed RLE. Raises MissingLibraryError without pycocotools."""
        return compressed_rle(self.mask)
