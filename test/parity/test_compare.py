"""Differences of outputs are found, and trivial outputs do not pass as equal."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from sam2_ros.parity.compare import SEEDED, TRAINED, FrameDifference, compare_modules, compare_videos, trivialities
from sam2_ros.parity.scenarios import FrameOutput

FRAME = FrameDifference(object=1, frame=0, difference=1e-6, mask_iou=1.0, our_score=2.0, score=2.0, area=0.3)


def ramp(size: int = 8) -> Tensor:
    return torch.linspace(-1, 1, size * size).view(size, size)


def compare_one(ours: FrameOutput, theirs: FrameOutput) -> FrameDifference:
    (difference,) = compare_videos({(1, 0): ours}, {(1, 0): theirs}, image_size=32)
    return difference


def test_a_module_s_difference_is_relative_to_its_largest_value() -> None:
    (difference,) = compare_modules({"neck": torch.tensor([1.0, -10.002])}, {"neck": torch.tensor([1.0, -10.0])})
    assert difference.difference == pytest.approx(2e-4, rel=1e-2)
    assert not difference.ok


def test_outputs_of_different_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"neck is \(2,\), the reference's is \(3,\)"):
        compare_modules({"neck": torch.zeros(2)}, {"neck": torch.zeros(3)})


def test_outputs_of_one_implementation_alone_are_named() -> None:
    with pytest.raises(ValueError, match="trunk"):
        compare_modules({"neck": torch.zeros(2)}, {"neck": torch.zeros(2), "trunk": torch.zeros(2)})
    with pytest.raises(ValueError, match=r"\(1, 0\)"):
        compare_videos({}, {(1, 0): FrameOutput(ramp(), 1.0)}, image_size=32)


def test_equal_outputs_are_within_the_limits() -> None:
    difference = compare_one(FrameOutput(ramp(), 1.0), FrameOutput(ramp(), 1.0))
    assert difference.within(SEEDED) and difference.within(TRAINED)
    assert difference.area == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(
    "ours",
    [
        pytest.param(FrameOutput(ramp() + 0.01, 1.0), id="logits"),
        pytest.param(FrameOutput(ramp(), -1.0), id="presence"),
        pytest.param(FrameOutput(torch.full((8, 8), -1024.0), -1.0), id="absence"),
    ],
)
def test_a_difference_on_a_frame_is_found(ours: FrameOutput) -> None:
    assert not compare_one(ours, FrameOutput(ramp(), 1.0)).within(SEEDED)


@pytest.mark.parametrize(
    ("ours", "equal"),
    [
        pytest.param(replace(FRAME, difference=0.03, mask_iou=0.995), True, id="logits"),
        pytest.param(replace(FRAME, mask_iou=0.989), False, id="mask"),
        pytest.param(replace(FRAME, our_score=-0.1, score=0.1), False, id="presence"),
    ],
)
def test_with_trained_weights_masks_and_presence_are_compared(ours: FrameDifference, equal: bool) -> None:
    assert ours.within(TRAINED) is equal


def test_masks_are_compared_by_iou() -> None:
    left, right = torch.full((8, 8), -1.0), torch.full((8, 8), -1.0)
    left[:, :4] = 1
    right[:, 4:] = 1
    assert compare_one(FrameOutput(left, 1.0), FrameOutput(right, 1.0)).mask_iou < 0.1


def test_changing_masks_are_not_trivial() -> None:
    assert not trivialities([FRAME, replace(FRAME, frame=1, area=0.31)], absence=False)


@pytest.mark.parametrize(
    ("frames", "absence", "problem"),
    [
        ([replace(FRAME, score=-1.0)], False, "never in view"),
        ([FRAME, replace(FRAME, area=0.31)], True, "always in view"),
        ([replace(FRAME, area=0.0), replace(FRAME, area=1.0)], False, "empty or full"),
        ([FRAME, FRAME], False, "never changes"),
    ],
)
def test_trivial_outputs_are_reported(frames: list[FrameDifference], absence: bool, problem: str) -> None:
    assert any(problem in found for found in trivialities(frames, absence))
