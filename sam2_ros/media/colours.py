"""Colours of objects, distinct from the image that they are drawn on and from each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping

import cv2
import numpy as np

from ..tracking.types import Box, FrameResult, Track

Colour = tuple[int, int, int]  # RGB, 0..255

# At least 31 apart by `_difference`; a difference of about 2 is just noticeable.
PALETTE: tuple[Colour, ...] = (
    (0, 240, 255),
    (255, 64, 255),
    (150, 255, 60),
    (230, 159, 0),
    (120, 60, 255),
    (255, 40, 60),
    (240, 228, 66),
    (0, 158, 115),
    (204, 121, 167),
    (0, 114, 178),
)
_SAMPLES = 48  # sampled pixels along each side of an object's surroundings
_SURROUNDINGS = 0.25  # margin around an object's box, relative to its sides
_SIMILAR = 10  # percentile of the pixels' differences that is the contrast
_LIGHTNESS = 0.5  # weight in the difference: lightness also changes by shading


class ObjectColours(Mapping[int, Colour]):
    """The colour of each tracked object by its id, chosen once."""

    def __init__(self) -> None:
        self._colours: dict[int, Colour] = {}

    def update(self, rgb: np.ndarray, result: FrameResult) -> None:
        """Choose colours for new objects on a frame (H, W, 3) uint8 RGB; drop those of removed objects."""
        self._colours = {track.id: self._colours[track.id] for track in result.tracks if track.id in self._colours}
        for track in result.tracks:
            if track.id not in self._colours:
                self._colours[track.id] = _most_distinct(_surroundings(rgb, track), list(self._colours.values()))

    def __getitem__(self, track_id: int) -> Colour:
        return self._colours[track_id]

    def __iter__(self) -> Iterator[int]:
        return iter(self._colours)

    def __len__(self) -> int:
        return len(self._colours)


def _most_distinct(background: tuple[np.ndarray, np.ndarray], taken: list[Colour]) -> Colour:
    """The least used colour that differs most from the pixels and from other objects' colours."""
    counts = Counter(taken)
    least = min(counts[colour] for colour in PALETTE)

    def distinction(colour: Colour) -> float:
        contrasts = [np.percentile(_difference(part, colour), _SIMILAR) for part in background if len(part)]
        return float(min([*contrasts, *_difference(np.array(taken, np.uint8).reshape(-1, 3), colour)]))

    return max((colour for colour in PALETTE if counts[colour] == least), key=distinction)


def _surroundings(rgb: np.ndarray, track: Track) -> tuple[np.ndarray, np.ndarray]:
    """Pixels (N, 3) uint8 on the object and around it; out of view, none and all of the frame."""
    height, width = rgb.shape[:2]
    x0, y0, x1, y1 = 0, 0, width, height
    if box := track.box:
        margin_x, margin_y = _SURROUNDINGS * (box.x1 - box.x0) + 1, _SURROUNDINGS * (box.y1 - box.y0) + 1
        x0, y0 = max(round(box.x0 - margin_x), 0), max(round(box.y0 - margin_y), 0)
        x1, y1 = min(round(box.x1 + margin_x) + 1, width), min(round(box.y1 + margin_y) + 1, height)
    sampled = np.s_[y0 : y1 : -((y0 - y1) // _SAMPLES), x0 : x1 : -((x0 - x1) // _SAMPLES)]
    pixels, mask = rgb[sampled], track.mask[sampled]
    return pixels[mask], pixels[~mask]


def _difference(colours: np.ndarray, colour: Colour) -> np.ndarray:
    """Differences (N,) of colours (N, 3) uint8 RGB from one: distances in CIELAB, with less weight on lightness."""
    both = np.concatenate([np.array([colour], np.uint8), colours]).astype(np.float32) / 255
    lab = cv2.cvtColor(both[None], cv2.COLOR_RGB2LAB)[0] * (_LIGHTNESS, 1.0, 1.0)
    differences: np.ndarray = np.linalg.norm(lab[1:] - lab[0], axis=1)
    return differences


def drawn_colour(picture: np.ndarray, box: Box, taken: Collection[Colour]) -> Colour | None:
    """The colour of an object drawn on a picture (H, W, 3) uint8 RGB; None where its box has none of the palette.

    `taken` are the colours of other objects.
    """
    region = picture[max(int(box.y0), 0) : int(box.y1) + 1, max(int(box.x0), 0) : int(box.x1) + 1]
    counts = {colour: int((region == colour).all(axis=2).sum()) for colour in PALETTE if colour not in taken}
    best = max(counts, key=lambda colour: counts[colour], default=None)
    return best if best and counts[best] else None
