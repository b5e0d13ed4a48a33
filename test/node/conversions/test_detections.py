"""Tracks are written as detections."""

import numpy as np
from std_msgs.msg import Header

from sam2_ros.node.conversions.detections import detection_array
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
