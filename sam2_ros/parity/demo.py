"""The demo clip as it comes along: of two look-alikes one is hidden wholly, then leaves and returns."""

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
    """The whole clip: its target started by every kind of prompt, and beside its look-alike."""
    images = [preprocess(frame, image_size, torch.device("cpu")) for frame, _ in read_frames(DEMO_CLIP)]
    labels = cv2.resize(demo_clip(1).labels[0], (image_size, image_size), interpolation=cv2.INTER_NEAREST)
    target, other = np.asarray(labels == _TARGET), np.asarray(labels == LOOK_ALIKE)
    alone = [Scenario(f"demo, {kind}", images, (Action(0, 1, make_prompt(kind, target)),)) for kind in PROMPTS]
    both = (Action(0, 1, make_prompt("box", target)), Action(0, 2, make_prompt("box", other)))
    return [*alone, Scenario("demo, two objects", images, both)]
