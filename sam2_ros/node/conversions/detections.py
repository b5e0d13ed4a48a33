"""Writes tracks as vision_msgs/Detection2DArray; `detection.messages` reads them. Needs vision_msgs."""

from __future__ import annotations

from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, ObjectHypothesisWithPose

from sam2_ros.tracking.types import FrameResult


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
