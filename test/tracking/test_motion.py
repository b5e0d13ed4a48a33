"""Where a box is expected."""

import pytest

from sam2_ros.tracking import Box
from sam2_ros.tracking.masks import box_iou
from sam2_ros.tracking.motion import Motion


def box(x: float, y: float = 0.5, side: float = 0.1) -> Box:
    return Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)


def follow(stamps: list[float], speed: float, grown: float = 0.0) -> Motion:
    """The filter after boxes that move to the right by `speed` per second and grow by `grown` per second."""
    motion = Motion.start(box(0.1), stamps[0])
    for stamp in stamps[1:]:
        motion = motion.after(box(0.1 + speed * stamp, side=0.1 + grown * stamp), stamp)
    return motion


STAMPS = [0.1 * i for i in range(10)]


def test_a_box_is_expected_where_its_speed_takes_it() -> None:
    motion = follow(STAMPS, speed=0.5)
    assert box_iou(motion.expected(1.0), box(0.6)) > 0.9
    assert box_iou(motion.expected(1.4), box(0.8)) > 0.7


def test_a_box_that_stands_still_is_expected_to_go_on_doing_so() -> None:
    assert box_iou(follow(STAMPS, speed=0.0).expected(1.0), box(0.1)) > 0.99


def test_growth_goes_on_too() -> None:
    expected = follow(STAMPS, speed=0.0, grown=0.1).expected(1.0)
    assert expected.x1 - expected.x0 == pytest.approx(0.2, abs=0.01)


def test_irregular_stamps_do_not_matter() -> None:
    stamps = [0.0, 0.05, 0.3, 0.35, 0.4, 0.7, 0.9]
    assert box_iou(follow(stamps, speed=0.5).expected(1.0), box(0.6)) > 0.9


def test_a_single_odd_box_does_not_turn_it_around() -> None:
    motion = follow(STAMPS, speed=0.2).after(box(0.35), 1.0)  # the last one was at 0.28, the next one is at 0.32
    assert box_iou(motion.expected(1.1), box(0.32)) > 0.35
    assert box_iou(box(0.35 + 0.07), box(0.32)) == 0.0


def test_an_expectation_takes_some_boxes() -> None:
    assert not follow(STAMPS[:4], speed=0.5).is_steady
    assert follow(STAMPS[:5], speed=0.5).is_steady


def test_a_box_that_shrinks_never_turns_inside_out() -> None:
    expected = follow(STAMPS, speed=0.0, grown=-0.1).expected(5.0)
    assert expected.x0 <= expected.x1 and expected.y0 <= expected.y1


def test_a_belief_is_not_changed_by_its_successors() -> None:
    motion = follow(STAMPS, speed=0.5)
    before = motion.expected(1.0)
    motion.after(box(0.9), 1.0)
    assert motion.expected(1.0) == before
