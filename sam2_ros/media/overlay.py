"""The visualization image: masks, captions, and a list of absent objects."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from textwrap import shorten

import cv2
import numpy as np

from ..tracking.geometry import bounding_box
from ..tracking.types import Box, FrameResult, Track, TrackState
from .colours import PALETTE, Colour

_FILL, _HALO, _BACKGROUND = 0.4, 0.45, 0.7  # opacity
_DARK, _WHITE = (18, 20, 24), (255, 255, 255)
_FONT = cv2.FONT_HERSHEY_DUPLEX


def draw(rgb: np.ndarray, result: FrameResult, colours: Mapping[int, Colour]) -> np.ndarray:
    """A copy of the frame (H, W, 3) uint8 RGB with the objects of its result, in the colours of their ids.

    Visible objects have a mask and a caption; the others are listed in the lower left corner. Raises ValueError if
    frame and result differ in size.
    """
    if rgb.shape != (*result.size, 3):
        raise ValueError(f"frame has shape {rgb.shape}, expected {(*result.size, 3)} as its result has")
    canvas = np.array(rgb, order="C")
    style = _Style.for_frame(canvas)
    for track in result.tracks:
        if track.box is not None:
            _paint_mask(canvas, track.mask, track.box, colours[track.id], style.line)
    taken: list[_Rectangle] = []
    for track in result.tracks:
        text = describe(track, result.stamp)
        taken.append(_free_rectangle(canvas, track.box, _caption_size(text, style), taken, style))
        _draw_caption(canvas, taken[-1], text, track.presence, colours[track.id], style)
    return canvas


def draw_masks(rgb: np.ndarray, masks: Iterable[np.ndarray]) -> np.ndarray:
    """A copy of an image (H, W, 3) uint8 with masks (H, W) bool in colours of the palette, the last one in front."""
    canvas = np.array(rgb, order="C")
    style = _Style.for_frame(canvas)
    for mask, colour in zip(masks, cycle(PALETTE)):
        box = bounding_box(mask)
        if box is not None:
            _paint_mask(canvas, mask, box, colour, style.line)
    return canvas


@dataclass(frozen=True)
class _Style:
    """Sizes that scale with the frame (pixels)."""

    line: int
    scale: float  # of the font
    height: int  # of a capital letter
    margin: int

    @classmethod
    def for_frame(cls, canvas: np.ndarray) -> _Style:
        side = min(canvas.shape[0], canvas.shape[1] * 3 // 4)
        height = max(7, round(side / 48))
        unit = cv2.getTextSize("H", _FONT, 10.0, 1)[0][1] / 10
        return cls(max(1, round(side / 480)), height / unit, height, max(3, height // 2))


@dataclass(frozen=True)
class _Rectangle:
    """A rectangle for a caption (pixels)."""

    x: int
    y: int
    width: int
    height: int

    def overlaps(self, other: _Rectangle) -> bool:
        return (
            self.x < other.x + other.width
            and other.x < self.x + self.width
            and self.y < other.y + other.height
            and other.y < self.y + self.height
        )


def _paint_mask(canvas: np.ndarray, mask: np.ndarray, box: Box, colour: Colour, line: int) -> None:
    """Paint a translucent mask with an outline in its colour inside its edge, and a dark one outside."""
    margin = 2 * line + 1
    x0, y0 = max(int(box.x0) - margin, 0), max(int(box.y0) - margin, 0)
    x1, y1 = int(box.x1) + margin + 1, int(box.y1) + margin + 1
    region = canvas[y0:y1, x0:x1]
    inside = np.ascontiguousarray(mask[y0:y1, x0:x1]).view(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * line + 1, 2 * line + 1))
    core = cv2.erode(inside, disc)
    _tint(region, colour, _FILL, core)
    _tint(region, _DARK, _HALO, cv2.dilate(inside, disc) - inside)
    _tint(region, colour, 1.0, inside - core)


def _tint(region: np.ndarray, colour: Colour, opacity: float, mask: np.ndarray | None = None) -> None:
    """Blend a colour into a region (H, W, 3) where the mask (H, W) is not zero; in integers, which is faster."""
    red, green, blue = (opacity * value for value in colour)
    tinted = cv2.add(cv2.convertScaleAbs(region, alpha=1.0 - opacity), (red, green, blue, 0.0))
    cv2.copyTo(tinted, mask, region)


def _caption_size(text: str, style: _Style) -> tuple[int, int]:
    """Width and height (pixels)."""
    (width, _), _ = cv2.getTextSize(text, _FONT, style.scale, 1)
    return width + 4 * style.margin, style.height + 3 * style.margin


def describe(track: Track, stamp: float) -> str:
    """Id, label and state in one line, with presence, or the seconds of absence at `stamp`."""
    name = shorten(f"{track.id} {track.label}", 28)
    if track.state is TrackState.VISIBLE:
        return f"{name}  visible {track.presence:.2f}"
    return f"{name}  {track.state.value} {stamp - track.last_seen:.1f} s"


def _free_rectangle(
    canvas: np.ndarray, box: Box | None, size: tuple[int, int], taken: list[_Rectangle], style: _Style
) -> _Rectangle:
    """A free place above, below or inside the box; without a box, in the list in the lower left corner."""
    (frame_height, frame_width), (width, height) = canvas.shape[:2], size
    gap = style.margin
    right, bottom = max(frame_width - width - gap, 0), max(frame_height - height - gap, 0)
    if box is None:
        tops = list(range(bottom, -1, -(height + gap // 2)))
        left = gap
    else:
        tops = [int(box.y0) - height - gap, int(box.y1) + gap, int(box.y0) + gap, int(box.y1) - height - gap]
        left = int(box.x0 + box.x1 - width) // 2
    candidates = [_Rectangle(min(max(left, 0), right), top, width, height) for top in tops if 0 <= top <= bottom]
    free = (candidate for candidate in candidates if not any(candidate.overlaps(other) for other in taken))
    fallback = _Rectangle(min(max(left, 0), right), min(max(tops[0], 0), bottom), width, height)
    return next(free, fallback)


def _draw_caption(
    canvas: np.ndarray, area: _Rectangle, text: str, presence: float, colour: Colour, style: _Style
) -> None:
    """Draw text on a dark background, with a bar in the object's colour whose length is the presence."""
    x, y, width, height = area.x, area.y, area.width, area.height
    _tint(canvas[y : y + height, x : x + width], _DARK, _BACKGROUND)
    line = max(2, style.margin // 2)
    canvas[y : y + height, x : x + line] = colour
    canvas[y + height - line : y + height, x : x + round(presence * width)] = colour
    baseline = (x + 2 * style.margin, y + style.margin + style.height)
    cv2.putText(canvas, text, baseline, _FONT, style.scale, _WHITE, 1, cv2.LINE_AA)
