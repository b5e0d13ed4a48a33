"""The scenarios: enough frames, valid prompts, an object that is out of view for a while."""

import numpy as np
import pytest
import torch

from sam2_ros.model import CONFIGS
from sam2_ros.parity.scenarios import (
    BLANK,
    MIN_FRAMES,
    absence_scenario,
    module_inputs,
    synthetic_frames,
    video_scenarios,
)

IMAGES = [torch.full((1, 3, 64, 64), float(i)) for i in range(MIN_FRAMES)]


def test_a_video_of_too_few_frames_is_refused() -> None:
    with pytest.raises(ValueError, match=f"has {MIN_FRAMES - 1} frames, expected at least {MIN_FRAMES}"):
        video_scenarios(IMAGES[1:])


def test_prompts_are_on_frames_of_the_video() -> None:
    for scenario in video_scenarios(IMAGES):
        assert scenario.actions[0].frame == 0
        assert all(action.moment < len(scenario.images) for action in scenario.actions)


def test_the_second_object_and_the_correction_come_on_later_frames() -> None:
    later = {scenario.name: scenario.actions[-1] for scenario in video_scenarios(IMAGES)}
    assert later["two objects"].frame > 0 and later["two objects"].object == 2
    assert later["later correction"].frame > 0 and later["later correction"].object == 1


def test_the_frames_of_the_absence_are_blank() -> None:
    images = absence_scenario(IMAGES).images
    assert len(images) == len(IMAGES)
    assert all(not image.any() for image in images[BLANK])
    assert images[BLANK.stop] is IMAGES[BLANK.stop]


def test_synthetic_frames_move() -> None:
    first, second = synthetic_frames(2, 64)
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert (first != second).any()


def test_the_memory_of_modules_is_exact_in_bfloat16() -> None:
    inputs = module_inputs(CONFIGS["nano"].resized(64), IMAGES[0])
    assert torch.equal(inputs.spatial, inputs.spatial.bfloat16().float())
