"""Detections are read from vision_msgs."""

import math

import pytest

pytest.importorskip("vision_msgs", reason="needs the ROS package vision_msgs")

from vision_msgs.msg import BoundingBox2D, Detection2D, Detection2DArray, ObjectHypothesisWithPose

from sam2_ros.detection.messages import read_boxes
from sam2_ros.tracking.types import Box


def hypothesis(label: str, score: float) -> ObjectHypothesisWithPose:
    message = ObjectHypothesisWithPose()
    message.hypothesis.class_id, message.hypothesis.score = label, score
    return message


def detection(width: float = 60.0, height: float = 60.0, theta: float = 0.0) -> Detection2D:
    """A cup at (100, 100)."""
    bbox = BoundingBox2D(size_x=width, size_y=height)
    bbox.center.position.x, bbox.center.position.y, bbox.center.theta = 100.0, 100.0, theta
    return Detection2D(results=[hypothesis("cup", 0.6)], bbox=bbox)


def test_a_detection_is_read_with_the_class_of_the_highest_score() -> None:
    message = detection()
    message.results = [hypothesis("bowl", 0.3), *message.results, hypothesis("vase", math.nan)]
    (read,) = read_boxes(Detection2DArray(detections=[message]))
    assert (read.label, read.score, read.box) == ("cup", 0.6, Box(70, 70, 130, 130))


def test_a_detection_without_a_class_has_no_score() -> None:
    (read,) = read_boxes(Detection2DArray(detections=[Detection2D()]))
    assert math.isnan(read.score)


@pytest.mark.parametrize(("theta", "half_width", "half_height"), [(math.pi / 2, 10, 30), (math.pi / 4, 28.28, 28.28)])
def test_a_rotated_box_is_read_as_the_upright_one_around_it(
    theta: float, half_width: float, half_height: float
) -> None:
    (read,) = read_boxes(Detection2DArray(detections=[detection(60.0, 20.0, theta)]))
    assert read.box.x1 - 100 == pytest.approx(half_width, abs=0.01)
    assert read.box.y1 - 100 == pytest.approx(half_height, abs=0.01)
