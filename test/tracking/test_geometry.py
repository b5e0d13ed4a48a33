"""Box and mask arithmetic."""

import numpy as np
import pytest
import torch

from sam2_ros.tracking import Box
from sam2_ros.tracking.geometry import (
    bounding_box,
    clip_box,
    full_size,
    label_image,
    mask_box_iou,
    mask_containment,
    mask_iou,
    mask_tensor_boxes,
    pairwise_box_iou,
)


def test_a_bounding_box_ends_after_the_last_pixel_of_its_mask() -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:5, 7:11] = True
    assert bounding_box(mask) == Box(7, 3, 11, 5)


def test_an_empty_mask_has_no_box() -> None:
    assert bounding_box(np.zeros((20, 30), bool)) is None


def test_logits_are_resized_to_the_frame() -> None:
    logits = torch.tensor([[[[-1.0, 1.0], [-1.0, 1.0]]]])
    mask = full_size(logits, (6, 8))[0] > 0
    assert mask.shape == (6, 8)
    assert not mask[:, :4].any() and mask[:, 4:].all()


def test_an_overlap_belongs_to_the_object_with_the_highest_logit() -> None:
    logits = torch.tensor([[[[3.0, 3.0, -1.0]]], [[[-1.0, 5.0, 5.0]]]])
    masks = list((full_size(logits, (1, 3)) > 0).numpy())
    assert label_image(masks, [7, 9], list(logits)).tolist() == [[7, 9, 9]]


def test_background_is_zero() -> None:
    logits = torch.full((1, 1, 2, 2), -1.0)
    assert not label_image([np.zeros((4, 4), bool)], [3], list(logits)).any()


def mask(x0: int, x1: int) -> np.ndarray:
    """(4, 20) bool, columns x0 to x1 - 1"""
    columns = np.zeros((4, 20), bool)
    columns[:, x0:x1] = True
    return columns


def test_box_iou_is_intersection_over_union() -> None:
    overlaps = pairwise_box_iou([Box(0, 0, 10, 10)], [Box(0, 0, 10, 10), Box(5, 0, 15, 10), Box(10, 0, 20, 10)])
    assert overlaps == pytest.approx(np.array([[1, 1 / 3, 0]]))


def test_boxes_apart_in_both_directions_have_an_iou_of_0() -> None:
    assert pairwise_box_iou([Box(0, 0, 2, 2)], [Box(5, 5, 9, 9)])[0, 0] == 0


def test_no_boxes_and_empty_boxes_have_an_iou_of_0() -> None:
    assert pairwise_box_iou([], [Box(0, 0, 1, 1)]).shape == (0, 1)
    assert pairwise_box_iou([Box(0, 0, 0, 0)], [Box(0, 0, 0, 0)])[0, 0] == 0


def test_mask_iou_and_containment_in_the_smaller_mask() -> None:
    assert mask_iou(mask(0, 10), mask(5, 10)) == 0.5
    assert mask_containment(mask(0, 10), mask(5, 10)) == 1
    assert mask_iou(mask(0, 0), mask(0, 0)) == mask_containment(mask(0, 0), mask(0, 9)) == 0


def test_mask_box_iou_is_of_the_box_around_the_mask_s_part_inside() -> None:
    assert mask_box_iou(mask(2, 12), Box(2, 0, 12, 4)) == 1
    assert mask_box_iou(mask(2, 7), Box(2, 0, 12, 4)) == pytest.approx(0.5)
    assert mask_box_iou(mask(0, 0), Box(2, 0, 12, 4)) == 0


def test_mask_box_iou_ignores_a_few_pixels_outside() -> None:
    assert mask_box_iou(mask(2, 6) | mask(18, 19), Box(2, 0, 6, 4)) == 1


def test_mask_box_iou_is_0_for_a_mask_mostly_outside() -> None:
    assert mask_box_iou(mask(0, 20), Box(2, 0, 11, 4)) == 0


def test_a_box_is_clipped_to_the_frame() -> None:
    assert clip_box(Box(-5, 2, 8, 40), size=(10, 20)) == Box(0, 2, 8, 10)


def test_boxes_of_mask_tensors_extend_to_the_border() -> None:
    masks = torch.zeros(3, 20, 20, dtype=torch.bool)
    masks[0] = True
    masks[1, 0, 19] = True
    expected = [[0, 0, 1, 1], [0.95, 0, 1, 0.05], [0, 0, 0, 0]]
    assert mask_tensor_boxes(masks).tolist() == [pytest.approx(edges) for edges in expected]
