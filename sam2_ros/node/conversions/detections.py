"""Between vision_msgs/Detection2DArray and the tracker's types. Needs vision_msgs."""

from __future__ import annotations

import math
from typing import Any

from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from sam2_ros.detection.types import Detection
from sam2_ros.tracking.types import Box, FrameResult


def read_detections(message: Any) -> list[Detection]:
    """The detections of a Detection2DArray with the class of the highest score; NaN where there is no hypothesis."""
    detections = []
    for detection in message.detections:
        hypotheses = [result.hypothesis for result in detection.results]
        best = max(hypotheses, key=lambda h: h.score if math.isfinite(h.score) else -math.inf, default=None)
        score, label = (best.score, best.class_id) if best else (math.nan, "")
        detections.append(Detection(_upright_box(detection.bbox), score, label))
    return detections


def detection_array(result: FrameResult, header: Header) -> Detection2DArray:
    """The visible tracks in order of id; the score is the presence, 0..1."""
    array = Detection2DArray(header=header)
    for track in sorted(result.tracks, key=lambda track: track.id):
        if track.box is None:
            continue
        detection = Detection2D(header=header, id=str(track.id))
        hypothesis = ObjectHypothesisWithPose()
        hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = track.label, float(track.presence)
        detection.results.append(hypothesis)
        box, bbox = track.box, detection.bbox
        bbox.center.position.x, bbox.center.position.y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
        bbox.size_x, bbox.size_y = float(box.x1 - box.x0), float(box.y1 - box.y0)
        array.detections.append(detection)
    return array


def _upright_box(bbox: Any) -> Box:
    """The axis-aligned box around a vision_msgs/BoundingBox2D, which may be rotated."""
    x, y, theta = bbox.center.position.x, bbox.center.position.y, bbox.center.theta
    width, height = bbox.size_x, bbox.size_y
    if theta and math.isfinite(theta):
        cosine, sine = abs(math.cos(theta)), abs(math.sin(theta))
        width, height = width * cosine + height * sine, width * sine + height * cosine
    return Box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
