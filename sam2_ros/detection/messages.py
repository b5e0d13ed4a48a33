"""Reads vision_msgs/Detection2DArray by its fields, without ROS."""

from __future__ import annotations

import math
from typing import Any

from ..tracking.types import Box
from .types import Detection


def read_boxes(message: Any) -> list[Detection]:
    """The detections of a Detection2DArray with the class of the highest score; NaN where there is no hypothesis."""
    detections = []
    for detection in message.detections:
        hypotheses = [result.hypothesis for result in detection.results]
        best = max(hypotheses, key=lambda h: h.score if math.isfinite(h.score) else -math.inf, default=None)
        score, label = (best.score, best.class_id) if best else (math.nan, "")
        detections.append(Detection(_upright_box(detection.bbox), score, label))
    return detections


def _upright_box(bbox: Any) -> Box:
    """The axis-aligned box around a vision_msgs/BoundingBox2D, which may be rotated."""
    x, y, theta = bbox.center.position.x, bbox.center.position.y, bbox.center.theta
    width, height = bbox.size_x, bbox.size_y
    if theta and math.isfinite(theta):
        cosine, sine = abs(math.cos(theta)), abs(math.sin(theta))
        width, height = width * cosine + height * sine, width * sine + height * cosine
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
