"""What boxes and masks have in common."""

import numpy as np
import pytest

from sam2_ros.tracking import Box
from sam2_ros.tracking.overlap import assign, box_overlaps, filling, mask_overlap, mask_share


def mask(x0: int, x1: int) -> np.ndarray:
    """(4, 20) bool, columns x0 to x1 - 1"""
    columns = np.zeros((4, 20), bool)
    columns[:, x0:x1] = True
    return columns


def test_boxes_overlap_by_intersection_over_union() -> None:
    overlaps = box_overlaps([Box(0, 0, 10, 10)], [Box(0, 0, 10, 10), Box(5, 0, 15, 10), Box(10, 0, 20, 10)])
    assert overlaps == pytest.approx(np.array([[1, 1 / 3, 0]]))


def test_boxes_apart_in_both_directions_have_nothing_in_common() -> None:
    assert box_overlaps([Box(0, 0, 2, 2)], [Box(5, 5, 9, 9)])[0, 0] == 0


def test_no_boxes_and_empty_boxes_are_no_trouble() -> None:
    assert box_overlaps([], [Box(0, 0, 1, 1)]).shape == (0, 1)
    assert box_overlaps([Box(0, 0, 0, 0)], [Box(0, 0, 0, 0)])[0, 0] == 0


def test_masks_overlap_by_union_and_share_by_the_smaller_one() -> None:
    assert mask_overlap(mask(0, 10), mask(5, 10)) == 0.5
    assert mask_share(mask(0, 10), mask(5, 10)) == 1
    assert mask_overlap(mask(0, 0), mask(0, 0)) == mask_share(mask(0, 0), mask(0, 9)) == 0


def test_a_mask_fills_a_box_by_what_is_around_it_inside() -> None:
    assert filling(mask(2, 12), Box(2, 0, 12, 4)) == 1
    assert filling(mask(2, 7), Box(2, 0, 12, 4)) == pytest.approx(0.5)
    assert filling(mask(0, 0), Box(2, 0, 12, 4)) == 0


def test_pixels_elsewhere_do_not_keep_a_mask_from_filling_a_box() -> None:
    assert filling(mask(2, 6) | mask(18, 19), Box(2, 0, 6, 4)) == 1


def test_a_mask_that_lies_mostly_elsewhere_does_not_fill_a_box() -> None:
    assert filling(mask(0, 20), Box(2, 0, 11, 4)) == 0


def test_assignment_takes_the_largest_sum_not_the_largest_pair() -> None:
    overlaps = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert assign(overlaps, 0.0) == [(0, 1), (1, 0)]


def test_pairs_below_the_least_overlap_are_none() -> None:
    assert assign(np.array([[0.29, 0.0], [0.0, 0.3]]), 0.3) == [(1, 1)]
    assert assign(np.zeros((0, 3)), 0.3) == assign(np.zeros((2, 2)), 0.0) == []
