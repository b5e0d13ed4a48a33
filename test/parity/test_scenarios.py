"""The questions: enough frames, real prompts, an object that is out of view for a while."""

import numpy as np
import pytest
import torch

from sam2_ros.model import CONFIGS
from sam2_ros.parity.scenarios import (
    BLANK,
    SHORTEST,
    absence_scenario,
    drawn_frames,
    module_inputs,
    video_scenarios,
)

IMAGES = [torch.full((1, 3, 64, 64), float(i)) for i in range(SHORTEST)]


def test_a_video_must_be_long_enough() -> None:
    with pytest.raises(ValueError, match=f"has {SHORTEST - 1} frames, expected at least {SHORTEST}"):
        video_scenarios(IMAGES[1:])


def test_prompts_lie_on_the_frames_that_exist() -> None:
    for scenario in video_scenarios(IMAGES):
        assert scenario.actions[0].frame == 0
        assert all(action.moment < len(scenario.images) for action in scenario.actions)


def test_the_second_object_and_the_correction_come_after_tracking_has_begun() -> None:
    later = {scenario.name: scenario.actions[-1] for scenario in video_scenarios(IMAGES)}
    assert later["two objects"].frame > 0 and later["two objects"].object == 2
    assert later["later correction"].frame > 0 and later["later correction"].object == 1


def test_nothing_is_seen_while_the_object_is_away() -> None:
    images = absence_scenario(IMAGES).images
    assert len(images) == len(IMAGES)
    assert all(not image.any() for image in images[BLANK])
    assert images[BLANK.stop] is IMAGES[BLANK.stop]


def test_drawn_frames_move() -> None:
    first, second = drawn_frames(2, 64)
    assert first.shape == (64, 64, 3) and first.dtype == np.uint8
    assert (first != second).any()


def test_the_memory_that_modules_read_is_one_that_bfloat16_holds() -> None:
    inputs = module_inputs(CONFIGS["nano"].resized(64), IMAGES[0])
    assert torch.equal(inputs.spatial, inputs.spatial.bfloat16().float())
