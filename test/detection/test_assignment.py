"""Assignment of boxes to tracks."""

import numpy as np

from sam2_ros.detection.assignment import assign


def test_assignment_takes_the_largest_sum_not_the_largest_pair() -> None:
    overlaps = np.array([[0.9, 0.8], [0.85, 0.1]])
    assert assign(overlaps, 0.0) == [(0, 1), (1, 0)]


def test_scores_below_the_threshold_are_not_assigned() -> None:
    assert assign(np.array([[0.29, 0.0], [0.0, 0.3]]), 0.3) == [(1, 1)]
    assert assign(np.zeros((0, 3)), 0.3) == assign(np.zeros((2, 2)), 0.0) == []
