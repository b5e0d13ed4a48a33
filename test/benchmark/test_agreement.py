"""Whether masks are the same."""

import pytest
import torch

from sam2_ros.benchmark.agreement import Agreements


def logits(*columns: int) -> torch.Tensor:
    """(N, 1, 8, 8); of each object the first `columns` columns."""
    x = torch.full((len(columns), 1, 8, 8), -1.0)
    for object_, width in zip(x, columns):
        object_[..., :width] = 1.0
    return x


def test_iou_is_over_all_frames_and_objects() -> None:
    agreements = Agreements()
    agreements.add(logits(4, 2), logits(4, 4))
    agreements.add(logits(4, 3), logits(4, 4))
    agreement = agreements.so_far()
    assert agreement.mean_iou == pytest.approx((1 + 0.5 + 1 + 0.75) / 4)
    assert agreement.least_iou == 0.5
    assert not agreement.is_trivial


def test_two_empty_masks_agree_but_prove_nothing() -> None:
    agreements = Agreements()
    agreements.add(logits(0, 8, 4), logits(0, 8, 4))
    agreement = agreements.so_far()
    assert agreement.least_iou == 1.0
    assert agreement.shaped == pytest.approx(1 / 3) and agreement.is_trivial


def test_masks_are_compared_at_the_size_of_the_baseline() -> None:
    agreements = Agreements()
    agreements.add(logits(4), torch.nn.functional.interpolate(logits(4), (48, 64), mode="bilinear"))
    assert agreements.so_far().least_iou == 1.0
