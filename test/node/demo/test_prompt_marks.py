"""Clicks and detections are drawn onto the overlay when they arrive."""

from typing import Any

import numpy as np
import pytest
from sam2_ros.msg import Box, Click, Prompt
from std_msgs.msg import Header

from sam2_ros.node.conversions.messages import nearest_time
from sam2_ros.node.demo.prompt_marks import PromptMarks

PICTURE = np.full((180, 240, 3), 90, np.uint8)


def at(seconds: float) -> Header:
    return Header(stamp=nearest_time(seconds))


def changed(marks: PromptMarks, stamp: float) -> np.ndarray:
    """(H, W) bool, where something is drawn at that stamp."""
    return (marks.drawn(PICTURE, stamp) != PICTURE).any(axis=2)


def test_a_click_is_drawn_in_its_place_from_its_frame_on() -> None:
    marks = PromptMarks()
    marks.add_prompt(Prompt(header=at(102.0), clicks=[Click(x=60.0, y=80.0)]), now=100.0)
    assert not changed(marks, 101.9).any()
    drawn = changed(marks, 102.0)
    assert drawn[80, 60] and not drawn[:60].any() and not drawn[110:].any()
    assert changed(marks, 102.5).any()
    assert not changed(marks, 103.5).any()


def test_a_click_is_drawn_at_least_once_with_a_slow_tracker() -> None:
    marks = PromptMarks()
    marks.add_prompt(Prompt(header=at(102.0), clicks=[Click(x=60.0, y=80.0)]), now=100.0)
    assert changed(marks, 110.0).any()
    assert not changed(marks, 111.0).any()


def test_a_box_is_drawn_along_its_edges() -> None:
    marks = PromptMarks()
    marks.add_prompt(Prompt(has_box=True, box=Box(x_min=50.0, y_min=40.0, x_max=150.0, y_max=90.0)), now=100.0)
    drawn = changed(marks, 100.0)
    assert drawn[40, 50:150].mean() > 0.9 and drawn[40:90, 150].mean() > 0.9
    assert not drawn[50:80, 60:140].any()


def detections_at(stamp: float, left: float) -> Any:
    """A Detection2DArray with a box of 80 x 40 pixels, 40 from the top."""
    vision_msgs = pytest.importorskip("vision_msgs.msg")
    found = vision_msgs.ObjectHypothesisWithPose()
    found.hypothesis.class_id, found.hypothesis.score = "cup", 0.9
    detection = vision_msgs.Detection2D(results=[found])
    detection.bbox.center.position.x, detection.bbox.center.position.y = left + 40.0, 60.0
    detection.bbox.size_x, detection.bbox.size_y = 80.0, 40.0
    return vision_msgs.Detection2DArray(header=at(stamp), detections=[detection])


def test_a_detection_is_drawn_when_it_arrives_not_on_its_earlier_frame() -> None:
    marks = PromptMarks()
    marks.add_detections(detections_at(99.7, left=60), now=100.0)
    assert not changed(marks, 99.9).any()
    drawn = changed(marks, 100.1)
    assert drawn[40, 60:140].mean() > 0.9 and drawn[80, 60:140].mean() > 0.9


def test_only_the_newest_boxes_of_a_detector_are_drawn() -> None:
    marks = PromptMarks()
    for i in range(3):
        marks.add_detections(detections_at(99.7 + 0.1 * i, left=20 + 30 * i), now=100.0 + 0.1 * i)
    drawn = changed(marks, 100.3)
    assert drawn[50, 80] and not drawn[50, 20] and not drawn[50, 50]


@pytest.mark.parametrize("corner", [(0.0, 0.0), (239.0, 0.0), (0.0, 179.0), (239.0, 179.0)])
def test_marks_at_the_border_are_clipped(corner: tuple[float, float]) -> None:
    marks = PromptMarks()
    marks.add_prompt(Prompt(clicks=[Click(x=corner[0], y=corner[1])]), now=100.0)
    marks.add_prompt(Prompt(has_box=True, box=Box(x_min=-90.0, y_min=-90.0, x_max=500.0, y_max=100.0)), now=100.0)
    assert changed(marks, 100.0).any()
