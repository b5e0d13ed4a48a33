"""Agreement of two variants' masks."""

import pytest
import torch

from sam2_ros.benchmark.agreement import AgreementMeter


def logits(*columns: int) -> torch.Tensor:
    """(N, 1, 8, 8); of each object the first `columns` columns."""
    x = torch.full((len(columns), 1, 8, 8), -1.0)
    for object_, width in zip(x, columns):
        object_[..., :width] = 1.0
    return x


def test_iou_is_over_all_frames_and_objects() -> None:
    meter = AgreementMeter()
    meter.add(logits(4, 2), logits(4, 4))
    meter.add(logits(4, 3), logits(4, 4))
    agreement = meter.agreement()
    assert agreement.mean_iou == pytest.approx((1 + 0.5 + 1 + 0.75) / 4)
    assert agreement.min_iou == 0.5
    assert not agreement.is_trivial


def test_empty_and_full_masks_agree_trivially() -> None:
    meter = AgreementMeter()
    meter.add(logits(0, 8, 4), logits(0, 8, 4))
    agreement = meter.agreement()
    assert agreement.min_iou == 1.0
    assert agreement.non_trivial == pytest.approx(1 / 3) and agreement.is_trivial


def test_masks_are_compared_at_the_size_of_the_baseline() -> None:
    meter = AgreementMeter()
    meter.add(logits(4), torch.nn.functional.interpolate(logits(4), (48, 64), mode="bilinear"))
    assert meter.agreement().min_iou == 1.0
