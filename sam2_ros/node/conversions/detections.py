"""Writes tracks as vision_msgs/Detection2DArray and Detection3DArray. Needs vision_msgs.

`detection.messages` reads Detection2DArray.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from geometry_msgs.msg import Point, Vector3
from std_msgs.msg import Header
from vision_msgs.msg import Detection2D, Detection2DArray, Detection3D, Detection3DArray, ObjectHypothesisWithPose

from sam2_ros.detection.types import Detection
from sam2_ros.node.types import LiftedObjects
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
    message.results.append(_hypothesis(detection.label, detection.score))
    box, bbox = detection.box, message.bbox
    bbox.center.position.x, bbox.center.position.y = (box.x0 + box.x1) / 2, (box.y0 + box.y1) / 2
    bbox.size_x, bbox.size_y = float(box.x1 - box.x0), float(box.y1 - box.y0)
    return message


def detection_array_3d(result: FrameResult, lifted: LiftedObjects) -> Detection3DArray:
    """The objects that depth measures, in order of id: boxes around their visible surfaces in metres.

    The boxes are parallel to the axes of the frame of `lifted`. The pose of the hypothesis is at the centroid.
    """
    array = Detection3DArray(header=lifted.header)
    for track in sorted(result.tracks, key=lambda track: track.id):
        surface = lifted.surfaces.get(track.id)
        if surface is None:
            continue
        detection = Detection3D(header=lifted.header, id=str(track.id))
        hypothesis = _hypothesis(track.label, float(track.presence))
        _set_position(hypothesis.pose.pose.position, surface.centroid)
        detection.results.append(hypothesis)
        _set_position(detection.bbox.center.position, (surface.points.min(axis=0) + surface.points.max(axis=0)) / 2)
        _set_position(detection.bbox.size, surface.extent)
        array.detections.append(detection)
    return array


def _hypothesis(label: str, score: float) -> ObjectHypothesisWithPose:
    hypothesis = ObjectHypothesisWithPose()
    hypothesis.hypothesis.class_id, hypothesis.hypothesis.score = label, score
    return hypothesis


def _set_position(target: Point | Vector3, vector: np.ndarray) -> None:
    target.x, target.y, target.z = map(float, vector)
