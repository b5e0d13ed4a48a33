"""Of duplicates the best one stays."""

import numpy as np
import pytest

from sam2_ros.segmentation.segment import PackedMask
from sam2_ros.segmentation.suppression import box_nms, mask_nms

BOXES = np.array([[0, 0, 10, 10], [0, 0, 10, 9], [50, 0, 60, 10], [0, 0, 10, 8]])


def test_a_box_goes_where_a_better_one_covers_it() -> None:
    assert box_nms(BOXES, np.array([0.5, 0.9, 0.7, 0.4]), 0.7) == [1, 2]


def test_a_box_that_only_overlaps_with_one_that_goes_stays() -> None:
    boxes = np.array([[0, 0, 10, 10], [3, 0, 13, 10], [6, 0, 16, 10]])  # neighbours overlap by 0.54, the others by 0.25
    assert box_nms(boxes, np.array([0.9, 0.8, 0.7]), 0.5) == [0, 2]


def test_an_overlap_of_exactly_the_threshold_is_allowed() -> None:
    assert box_nms(np.array([[0, 0, 10, 10], [0, 0, 10, 5]]), np.array([0.9, 0.8]), 0.5) == [0, 1]


def test_of_equal_scores_the_first_is_the_better() -> None:
    assert box_nms(BOXES, np.ones(4), 0.7) == [0, 2]


def test_boxes_without_area_are_no_duplicates() -> None:
    assert box_nms(np.array([[5, 0, 5, 10], [5, 0, 5, 10]]), np.ones(2), 0.7) == [0, 1]


def test_no_boxes_are_no_problem() -> None:
    assert box_nms(np.empty((0, 4)), np.empty(0), 0.7) == []


def test_agrees_with_a_plain_loop_on_random_boxes() -> None:
    random = np.random.default_rng(0)
    corner = random.integers(0, 50, (200, 2))
    boxes = np.concatenate((corner, corner + random.integers(5, 40, (200, 2))), axis=1)
    scores = random.random(200)
    kept: list[int] = []
    for i in np.argsort(-scores):
        if all(iou(boxes[i], boxes[j]) <= 0.4 for j in kept):
            kept.append(int(i))
    assert box_nms(boxes, scores, 0.4) == kept
    assert 5 < len(kept) < 150


def iou(a: np.ndarray, b: np.ndarray) -> float:
    width, height = np.minimum(a[2:], b[2:]) - np.maximum(a[:2], b[:2])
    inside = max(width, 0) * max(height, 0)
    return inside / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - inside)


def test_masks_with_one_box_are_duplicates_only_if_they_overlap() -> None:
    upper, lower = np.zeros((20, 20), bool), np.zeros((20, 20), bool)
    for i in range(20):
        upper[i, : i + 1], lower[i, i:] = True, True
    nearly = upper.copy()
    nearly[5, 0] = False
    masks = [PackedMask.of(mask, (20, 20)) for mask in (nearly, lower, upper)]
    assert mask_nms(masks, np.array([0.5, 0.6, 0.7]), 0.8) == [2, 1]


@pytest.mark.parametrize("threshold", [0.0, 0.9])
def test_masks_apart_are_no_duplicates(threshold: float) -> None:
    masks = []
    for x in (0, 8):
        mask = np.zeros((12, 12), bool)
        mask[2:6, x : x + 4] = True
        masks.append(PackedMask.of(mask, (12, 12)))
    assert mask_nms(masks, np.array([0.5, 0.6]), threshold) == [1, 0]
