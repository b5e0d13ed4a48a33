"""The reference implementation as a contestant."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import torch

from ..model import ModelConfig
from ..parity.reference import Reference
from ..parity.scenarios import Action, Scenario
from ..tracking import Prompt
from ..tracking.preprocess import preprocess
from .measure import Steps, Workload


class StreamingReference(Reference):
    """The video predictor of a checkout, frame by frame; it takes all frames first, and keeps what it answers."""

    def __init__(self, checkout: Path, config: ModelConfig) -> None:
        """Raises ValueError as `Reference` does."""
        super().__init__(checkout, config)
        del self._model.forward_image  # its own again, which encodes every frame anew
        self._image_size = config.image_size

    def steps(self, work: Workload, frames: int) -> Steps:
        """Its video of so many frames; bringing them to its size beforehand is not counted."""
        size = self._image_size
        images = [preprocess(frame, size, torch.device("cpu")) for frame in work.frames]
        height, width = work.frames[0].shape[:2]
        actions = tuple(
            Action(0, number, Prompt(clicks=[dataclasses.replace(c, x=c.x / width * size, y=c.y / height * size)]))
            for number, c in enumerate(work.clicks, start=1)
        )
        state = self._state(Scenario("benchmark", [images[i % len(images)] for i in range(frames)], actions))
        for action in actions:
            self._prompt(state, action)
        for _ in self._model.propagate_in_video(state, 0, frames):
            yield {}
