"""Masks, boxes and label images."""

import numpy as np
import torch

from sam2_ros.tracking import Box
from sam2_ros.tracking.masks import bounding_box, full_size, paint_labels


def test_a_box_ends_beyond_the_last_pixel_of_its_mask() -> None:
    mask = np.zeros((20, 30), bool)
    mask[3:5, 7:11] = True
    assert bounding_box(mask) == Box(7, 3, 11, 5)


def test_an_empty_mask_has_no_box() -> None:
    assert bounding_box(np.zeros((20, 30), bool)) is None


def test_logits_are_stretched_to_the_frame() -> None:
    logits = torch.tensor([[[[-1.0, 1.0], [-1.0, 1.0]]]])
    mask = full_size(logits, (6, 8))[0] > 0
    assert mask.shape == (6, 8)
    assert not mask[:, :4].any() and mask[:, 4:].all()


def test_a_contested_pixel_goes_to_the_surer_object() -> None:
    logits = torch.tensor([[[[3.0, 3.0, -1.0]]], [[[-1.0, 5.0, 5.0]]]])
    masks = list((full_size(logits, (1, 3)) > 0).numpy())
    assert paint_labels(masks, [7, 9], logits).tolist() == [[7, 9, 9]]


def test_background_is_zero() -> None:
    logits = torch.full((1, 1, 2, 2), -1.0)
    assert not paint_labels([np.zeros((4, 4), bool)], [3], logits).any()
