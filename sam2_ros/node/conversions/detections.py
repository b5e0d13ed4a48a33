"""Writes vision_msgs/Detection2DArray; `detection.messages` reads them. Needs vision_msgs."""

from __future__ import annotations

from collections.abc import Sequence

from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from sam2_ros.detection.types import Detection
from sam2_ros.tracking.types import FrameResult


def detection_array(result: FrameResult, header: Header) -> Detection2DArray:
    """The visible tracks in order of id; the score is the presence, 0..1."""
    array = Detection2DArray(header=header)
    for track in sorted(result.tracks, key=lambda track: track.id):
        if track.box is not None:
            detection = _message(Detection(track.box, float(track.presence), track.label), header)
            detection.id = str(track.id)
            array.detections.append(detection)
    return array


def found_detections(detections: Sequence[Detection], header: Header) -> Detection2DArray:
    """What a detector found on the image of this header."""
    return Detection2DArray(header=header, detections=[_message(detection, header) for detection in detections])


def _message(detection: Detection, header: Header) -> Detection2D:
    message = Detection2D(header=header)
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = detection.label, detection.score
    message.results.append(hypothesis)
    box, bbox = detection.box, message.bbox
    bbox.center.position.x, bbox.center.position.y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    bbox.size_x, bbox.size_y = float(box.x1 - box.x0), float(box.y1 - box.y0)
    return message
