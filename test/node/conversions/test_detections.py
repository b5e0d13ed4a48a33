"""Tracks are written as detections."""

import numpy as np
import pytest
from std_msgs.msg import Header

from sam2_ros.depth.lifting import Surface
from sam2_ros.node.conversions.detections import detection_array, detection_array_3d
from sam2_ros.node.types import LiftedObjects
from sam2_ros.tracking.types import Box, FrameResult, Track, TrackState


def track(track_id: int, box: Box | None) -> Track:
    mask = np.zeros((60, 80), bool)
    return Track(track_id, track_id, "cup", TrackState.VISIBLE, 0.9, 0.8, mask, box, 0, 1.0)


def test_visible_tracks_are_written_in_order_of_id() -> None:
    header = Header(frame_id="optical")
    tracks = (track(3, Box(0, 0, 4, 4)), track(2, None), track(1, Box(10, 20, 30, 60)))
    array = detection_array(FrameResult(1.0, 0, (60, 80), tracks), header)
    assert [(message.id, message.header) for message in array.detections] == [("1", header), ("3", header)]
    first = array.detections[0]
    assert (first.results[0].hypothesis.class_id, first.results[0].hypothesis.score) == ("cup", 0.9)
    assert (first.bbox.center.position.x, first.bbox.center.position.y) == (20.0, 40.0)
    assert (first.bbox.size_x, first.bbox.size_y) == (20.0, 40.0)


def test_measured_objects_are_written_as_boxes_around_their_surfaces() -> None:
    points = np.array([[0.0, 0.0, 1.0], [0.2, 0.1, 1.0], [0.4, 0.0, 2.0]], np.float32)
    surface = Surface(points, (slice(0, 1), slice(0, 3)), np.ones((1, 3), bool))
    lifted = LiftedObjects(Header(frame_id="base_link"), {3: surface})
    tracks = (track(3, Box(0, 0, 4, 4)), track(1, Box(10, 20, 30, 60)))
    array = detection_array_3d(FrameResult(1.0, 0, (60, 80), tracks), lifted)
    (detection,) = array.detections
    assert (array.header.frame_id, detection.id, detection.header.frame_id) == ("base_link", "3", "base_link")
    centre, size = detection.bbox.center.position, detection.bbox.size
    assert (centre.x, centre.y, centre.z) == pytest.approx((0.2, 0.05, 1.5))
    assert (size.x, size.y, size.z) == pytest.approx(tuple(surface.extent))
    assert detection.bbox.center.orientation.w == 1.0
    at = detection.results[0].pose.pose.position
    assert (at.x, at.y, at.z) == pytest.approx(tuple(surface.centroid))
    assert (detection.results[0].hypothesis.class_id, detection.results[0].hypothesis.score) == ("cup", 0.9)
