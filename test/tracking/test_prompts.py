"""Prompts are checked and scaled; others are rejected with the reason."""

import numpy as np
import pytest
import torch

from sam2_ros.tracking import Box, Click, Prompt, PromptError
from sam2_ros.tracking.prompts import MAX_CLICKS, Points, check_first_prompt, check_prompt, mask_tensor

SIZE = (48, 64)  # height, width
NAN = float("nan")


def mask(*size: int, value: bool = True) -> np.ndarray:
    return np.full(size, value)


@pytest.mark.parametrize(
    ("prompt", "reason"),
    [
        (Prompt(), "empty, expected a click, a box or a mask"),
        (Prompt([Click(64, 3)]), r"click \(64, 3\) is outside the image, expected x in 0..63 and y in 0..47"),
        (Prompt([Click(3, 3), Click(-2, 3)]), "outside the image"),
        (Prompt([Click(NAN, 3)]), "not finite"),
        (Prompt(box=Box(0, 0, NAN, 3)), "not finite"),
        (Prompt(box=Box(9, 9, 9, 20)), "empty, expected left < right and top < bottom"),
        (Prompt(box=Box(9, 20, 12, 10)), "empty"),
        (Prompt(box=Box(70, 9, 80, 20)), "outside the image of 64 x 48 pixels"),
        (Prompt(mask=mask(64, 48)), r"shape \(64, 48\), expected that of its image, \(48, 64\)"),
        (Prompt(mask=mask(48, 64, value=False)), "mask is empty"),
        (Prompt([Click(3, 3)], mask=mask(48, 64)), "expected a mask alone"),
    ],
)
def test_an_unusable_prompt_is_rejected_with_the_reason(prompt: Prompt, reason: str) -> None:
    with pytest.raises(PromptError, match=reason):
        check_prompt(prompt, SIZE)


BESIDE = Click(3, 3, positive=False)


@pytest.mark.parametrize("clicks", [[BESIDE], [BESIDE, Click(40, 40, positive=False)]])
def test_negative_clicks_alone_start_no_object_but_correct_one(clicks: list[Click]) -> None:
    with pytest.raises(PromptError, match="needs at least one positive click or a box"):
        check_first_prompt(Prompt(clicks), SIZE)
    assert check_prompt(Prompt(clicks), SIZE).clicks == tuple(clicks)


@pytest.mark.parametrize(
    "prompt", [Prompt([BESIDE, Click(9, 9)]), Prompt([BESIDE], Box(5, 5, 20, 20)), Prompt(mask=mask(48, 64))]
)
def test_negative_clicks_may_start_an_object_together_with_a_positive_click_or_a_box(prompt: Prompt) -> None:
    assert check_first_prompt(prompt, SIZE).box == prompt.box


def test_a_new_object_is_checked_like_any_prompt() -> None:
    with pytest.raises(PromptError, match="outside the image"):
        check_first_prompt(Prompt([Click(64, 3)]), SIZE)


def test_the_outermost_pixels_can_be_clicked() -> None:
    check_prompt(Prompt([Click(0, 0), Click(63, 47), Click(63.4, -0.4)]), SIZE)


def test_a_box_partly_outside_the_image_is_clipped() -> None:
    assert check_prompt(Prompt(box=Box(-5, 10, 99, 20)), SIZE).box == Box(0, 10, 64, 20)


def test_points_are_scaled_to_the_square_and_the_box_comes_first() -> None:
    points = Points((Click(16, 12), Click(32, 24, positive=False)), Box(0, 0, 64, 48))
    coordinates, labels = points.tensors(SIZE, 128, torch.device("cpu"))
    assert coordinates.tolist() == [[[0, 0], [128, 128], [32, 32], [64, 64]]]
    assert labels.tolist() == [[2, 3, 1, 0]]
    assert len(points) == 4  # a box counts as two


def test_clicks_on_one_frame_add_up_to_a_limit() -> None:
    points = Points().joined(Prompt([Click(1, 1)])).joined(Prompt([Click(2, 2)], Box(0, 0, 9, 9)))
    assert points == Points((Click(1, 1), Click(2, 2)), Box(0, 0, 9, 9))
    with pytest.raises(PromptError, match=f"expected at most {MAX_CLICKS}"):
        points.joined(Prompt([Click(1, 1)] * MAX_CLICKS))


def test_a_mask_is_resized_to_zeros_and_ones_of_the_square() -> None:
    half = mask(*SIZE, value=False)
    half[:, 32:] = True
    square = mask_tensor(half, 32, torch.device("cpu"))
    assert square.shape == (1, 1, 32, 32)
    assert square.unique().tolist() == [0, 1]
    assert square.mean() == 0.5


def test_a_mask_that_is_empty_at_the_model_s_size_is_rejected() -> None:
    speck = mask(480, 640, value=False)
    speck[100, 100] = True
    with pytest.raises(PromptError, match="too small for the model's 32 pixels"):
        mask_tensor(speck, 32, torch.device("cpu"))
