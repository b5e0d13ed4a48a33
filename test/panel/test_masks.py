"""Runs of equal pixels describe label images and masks exactly."""

import numpy as np
import pytest

from sam2_ros.panel.masks import label_runs, mask_of_runs, resized


@pytest.mark.parametrize("seed", range(5))
def test_runs_describe_a_label_image_exactly(seed: int) -> None:
    labels = np.random.default_rng(seed).choice(np.array([0, 0, 0, 1, 7, 254], np.uint8), (17, 23))
    drawn = np.zeros(labels.size, np.uint8)
    for start, length, value in label_runs(labels).tolist():
        assert value and not drawn[start : start + length].any()
        drawn[start : start + length] = value
    assert (drawn.reshape(labels.shape) == labels).all()


def test_an_image_without_objects_has_no_runs_and_a_full_one_has_one() -> None:
    assert len(label_runs(np.zeros((5, 6), np.uint8))) == 0
    assert label_runs(np.full((5, 6), 3, np.uint8)).tolist() == [(0, 30, 3)]
    assert label_runs(np.zeros((0, 6), np.uint8)).tolist() == []


def test_a_view_with_gaps_between_its_rows_is_read() -> None:
    labels = np.zeros((4, 8), np.uint8)
    labels[1, 1:3] = 5
    labels[:, 4:] = 9
    assert label_runs(labels[:, :4]).tolist() == [(5, 2, 5)]


@pytest.mark.parametrize("seed", range(5))
def test_a_mask_is_the_same_after_runs(seed: int) -> None:
    mask = np.random.default_rng(seed).random((9, 11)) < 0.4
    runs = [number for start, length, _ in label_runs(mask.view(np.uint8)).tolist() for number in (start, length)]
    assert (mask_of_runs(runs, mask.shape) == mask).all()


@pytest.mark.parametrize("runs", [[0, 0], [98, 2], [5, 3, 6, 1], [2**32 - 1, 2**32 - 1], [-1, 2]])
def test_runs_outside_of_the_mask_or_out_of_order_are_refused(runs: list[int]) -> None:
    with pytest.raises(ValueError, match="runs have to be in order, inside the 99 pixels"):
        mask_of_runs(runs, (9, 11))


def test_labels_keep_their_values_at_another_size() -> None:
    labels = np.kron(np.array([[0, 3], [200, 3]], np.uint8), np.ones((10, 10), np.uint8))
    assert resized(labels, (6, 8)).shape == (6, 8)
    assert {*np.unique(resized(labels, (7, 5)))} == {0, 3, 200}
    assert resized(labels > 0, (6, 8)).dtype == bool
