"""The motion model's predictions of boxes."""

import pytest

from sam2_ros.tracking import Box
from sam2_ros.tracking.geometry import box_iou
from sam2_ros.tracking.motion import Motion


def box(x: float, y: float = 0.5, side: float = 0.1) -> Box:
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def follow(stamps: list[float], speed: float, grown: float = 0.0) -> Motion:
    """The filter after boxes that move to the right by `speed` per second and grow by `grown` per second."""
    motion = Motion.start(box(0.1), stamps[0])
    for stamp in stamps[1:]:
        motion = motion.update(box(0.1 + speed * stamp, side=0.1 + grown * stamp), stamp)
    return motion


STAMPS = [0.1 * i for i in range(10)]


def test_a_moving_box_is_predicted_ahead() -> None:
    motion = follow(STAMPS, speed=0.5)
    assert box_iou(motion.predicted_box(1.0), box(0.6)) > 0.9
    assert box_iou(motion.predicted_box(1.4), box(0.8)) > 0.7


def test_a_still_box_is_predicted_in_place() -> None:
    assert box_iou(follow(STAMPS, speed=0.0).predicted_box(1.0), box(0.1)) > 0.99


def test_growth_is_extrapolated() -> None:
    predicted = follow(STAMPS, speed=0.0, grown=0.1).predicted_box(1.0)
    assert predicted.x1 - predicted.x0 == pytest.approx(0.2, abs=0.01)


def test_irregular_stamps_do_not_matter() -> None:
    stamps = [0.0, 0.05, 0.3, 0.35, 0.4, 0.7, 0.9]
    assert box_iou(follow(stamps, speed=0.5).predicted_box(1.0), box(0.6)) > 0.9


def test_a_single_outlier_does_not_reverse_the_velocity() -> None:
    motion = follow(STAMPS, speed=0.2).update(box(0.35), 1.0)  # the last one was at 0.28, the next one is at 0.32
    assert box_iou(motion.predicted_box(1.1), box(0.32)) > 0.35
    assert box_iou(box(0.35 + 0.07), box(0.32)) == 0.0


def test_a_prediction_needs_some_boxes() -> None:
    assert not follow(STAMPS[:4], speed=0.5).is_steady
    assert follow(STAMPS[:5], speed=0.5).is_steady


def test_a_shrinking_box_never_inverts() -> None:
    predicted = follow(STAMPS, speed=0.0, grown=-0.1).predicted_box(5.0)
    assert predicted.x0 <= predicted.x1 and predicted.y0 <= predicted.y1


def test_an_update_leaves_the_earlier_filter_unchanged() -> None:
    motion = follow(STAMPS, speed=0.5)
    before = motion.predicted_box(1.0)
    motion.update(box(0.9), 1.0)
    assert motion.predicted_box(1.0) == before
