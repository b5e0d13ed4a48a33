"""Draws the demo's clicks and detections onto the images during which they arrive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from sam2_ros.media.ros_prompts import box_of
from sam2_ros.msg import Prompt
from sam2_ros.node.conversions import messages

_SECONDS = 0.8  # for which a mark is shown, on at least one image
_WHITE, _BLACK = (255, 255, 255), (0, 0, 0)
_DASH = 8  # pixels
_FONT = cv2.FONT_HERSHEY_DUPLEX


@dataclass(frozen=True)
class Mark:
    """A click (x, y), or a box (x0, y0, x1, y1), in pixels."""

    start: float  # stamp of the first image that shows it (seconds)
    corners: tuple[float, ...]
    text: str
    is_detected: bool = False  # replaced by the detector's next boxes


class PromptMarks:
    """Collects messages on arrival: a detector's late boxes are drawn when the tracker receives them."""

    def __init__(self) -> None:
        self._pending: list[Mark] = []  # not shown yet
        self._shown: list[Mark] = []

    def add_prompt(self, message: Prompt, now: float) -> None:
        """`now` is on the clock of the images' stamps (seconds)."""
        start = max(now, messages.seconds(message.header.stamp))
        for click in message.clicks:
            self._pending.append(Mark(start, (click.x, click.y), "click" if click.positive else "not this"))
        if message.has_box:
            box = box_of(message.box)
            self._pending.append(Mark(start, (box.x0, box.y0, box.x1, box.y1), "box"))

    def add_detections(self, message: Any, now: float) -> None:
        """`message` is a vision_msgs/Detection2DArray."""
        age = now - messages.seconds(message.header.stamp)
        for detection in message.detections:
            centre, width, height = detection.bbox.center.position, detection.bbox.size_x, detection.bbox.size_y
            left, top = centre.x - width / 2, centre.y - height / 2
            best = max(detection.results, key=lambda result: result.hypothesis.score, default=None)
            name = f"{best.hypothesis.class_id} {best.hypothesis.score:.2f}" if best else "box"
            self._pending.append(
                Mark(now, (left, top, left + width, top + height), f"detector, {age:.2f} s ago: {name}", True)
            )

    def drawn(self, rgb: np.ndarray, stamp: float) -> np.ndarray:
        """A copy of the image (H, W, 3) uint8 RGB with the marks of its stamp; images must come in order."""
        due = [mark for mark in self._pending if mark.start <= stamp]
        self._pending = [mark for mark in self._pending if mark.start > stamp]
        shown = [mark for mark in self._shown if stamp < mark.start + _SECONDS] + due
        newest = max((mark.start for mark in shown if mark.is_detected), default=stamp)
        self._shown = [mark for mark in shown if not mark.is_detected or mark.start == newest]
        canvas = np.array(rgb, order="C")
        for mark in self._shown:
            _draw(canvas, mark)
        return canvas


def _draw(canvas: np.ndarray, mark: Mark) -> None:
    unit = max(1, round(min(canvas.shape[:2]) / 360))
    corners = [round(value) for value in mark.corners]
    if len(corners) == 2:
        x, y = corners
        for colour, width in ((_BLACK, 4 * unit), (_WHITE, 2 * unit)):
            cv2.circle(canvas, (x, y), 9 * unit, colour, width, cv2.LINE_AA)
            cv2.drawMarker(canvas, (x, y), colour, cv2.MARKER_CROSS, 8 * unit, width, cv2.LINE_AA)
        _write(canvas, mark.text, (x + 14 * unit, y + 5 * unit), unit)
    else:
        x0, y0, x1, y1 = corners
        cv2.rectangle(canvas, (x0, y0), (x1, y1), _BLACK, unit)
        for start, end in (((x0, y0), (x1, y0)), ((x1, y0), (x1, y1)), ((x0, y1), (x1, y1)), ((x0, y0), (x0, y1))):
            _dashes(canvas, np.array(start), np.array(end), unit)
        _write(canvas, mark.text, (x0, y1 + 15 * unit), unit)


def _dashes(canvas: np.ndarray, start: np.ndarray, end: np.ndarray, unit: int) -> None:
    length = max(int(np.abs(end - start).max()), 1)
    for step in range(0, length, 2 * _DASH * unit):
        first = start + (end - start) * step // length
        last = start + (end - start) * min(step + _DASH * unit, length) // length
        cv2.line(canvas, first.tolist(), last.tolist(), _WHITE, unit)


def _write(canvas: np.ndarray, text: str, position: tuple[int, int], unit: int) -> None:
    """Draw text with this lower left corner, moved so that it fits into the image."""
    scale = 0.42 * unit
    (width, height), _ = cv2.getTextSize(text, _FONT, scale, unit)
    x = min(max(position[0], 2), max(canvas.shape[1] - width - 2, 2))
    y = min(max(position[1], height + 2), canvas.shape[0] - 4)
    cv2.putText(canvas, text, (x, y), _FONT, scale, _BLACK, 3 * unit, cv2.LINE_AA)
    cv2.putText(canvas, text, (x, y), _FONT, scale, _WHITE, unit, cv2.LINE_AA)
