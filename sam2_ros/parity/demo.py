"""The bundled demo clip: the target is fully occluded beside a distractor, then leaves and returns."""

from __future__ import annotations

import cv2
import numpy as np
import torch

from ..media.video import DEMO_CLIP, read_frames
from ..synthetic.demo_clip import LOOK_ALIKE, demo_clip
from ..tracking.preprocess import preprocess
from ..training.evaluation import PROMPTS, make_prompt
from .scenarios import Action, Scenario

_TARGET = 1  # its label


def demo_scenarios(image_size: int) -> list[Scenario]:
    """The whole clip: the target started by each type of prompt, and tracked together with the distractor."""
    images = [preprocess(frame, image_size, torch.device("cpu")) for frame, _ in read_frames(DEMO_CLIP)]
    labels = cv2.resize(demo_clip(1).labels[0], (image_size, image_size), interpolation=cv2.INTER_NEAREST)
    target, distractor = np.asarray(labels == _TARGET), np.asarray(labels == LOOK_ALIKE)
    single = [Scenario(f"demo, {prompt}", images, (Action(0, 1, make_prompt(prompt, target)),)) for prompt in PROMPTS]
    both = (Action(0, 1, make_prompt("box", target)), Action(0, 2, make_prompt("box", distractor)))
    return [*single, Scenario("demo, two objects", images, both)]
