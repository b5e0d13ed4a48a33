"""Inputs for both implementations: single modules on one image, and videos with prompts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from ..model import ModelConfig, PointLabel, PromptTensors
from ..tracking import Box, Click, Prompt

MIN_FRAMES = 8  # of a video, for all scenarios
BLANK = slice(3, 6)  # blank frames of the absence scenario
MODULE_FRAME = 8  # the frame on which the memory is read; frame 0 is prompted, the frames between are tracked
_OBJECTS = 2  # in the memory that is read


class Action(NamedTuple):
    """A prompt for an object on a frame."""

    frame: int
    object: int
    prompt: Prompt
    delay: int = 0  # frames that were tracked since, and have to be tracked again

    @property
    def moment(self) -> int:
        """The newest frame when the prompt is applied."""
        return self.frame + self.delay


@dataclass(frozen=True)
class Scenario:
    """A video with prompts."""

    name: str
    images: Sequence[Tensor]  # (1, 3, S, S) normalised
    actions: tuple[Action, ...]
    corrections_are_prompted: bool = False  # whether a corrected frame is written to memory as a prompted one

    @property
    def image_size(self) -> int:
        """Side of the square images (pixels)."""
        return self.images[0].shape[-1]

    def applied_at(self, moment: int) -> list[Action]:
        """The prompts that are applied after a frame was tracked."""
        return [action for action in self.actions if action.moment == moment]


class FrameOutput(NamedTuple):
    """An implementation's output for one object on one frame."""

    logits: Tensor  # (S / 4, S / 4)
    occlusion_score: float


VideoOutputs = dict[tuple[int, int], FrameOutput]  # by object and frame


@dataclass(frozen=True)
class ModuleInputs:
    """Inputs of the modules."""

    image: Tensor  # (1, 3, S, S) normalised
    prompts: dict[str, PromptTensors]
    mask: Tensor  # (1, 1, S, S) of zeros and ones
    spatial: Tensor  # (T, N, h * w, 64) of the frames 0 .. T - 1, of N objects
    pointers: Tensor  # (T, N, C)


def video_scenarios(images: Sequence[Tensor]) -> list[Scenario]:
    """Scenarios with the objects in view; raises ValueError for a video of fewer than `MIN_FRAMES`."""
    if len(images) < MIN_FRAMES:
        raise ValueError(f"the video has {len(images)} frames, expected at least {MIN_FRAMES}")
    size = images[0].shape[-1]
    click, second = Click(0.5 * size, 0.45 * size), Click(0.6 * size, 0.6 * size)
    beside = Click(0.15 * size, 0.2 * size, positive=False)
    box = Box(0.3 * size, 0.25 * size, 0.7 * size, 0.8 * size)
    middle = len(images) // 2

    first = Action(0, 1, Prompt(clicks=[click]))
    mask = Prompt(mask=_disc(size).numpy() > 0)
    correction = Action(middle, 1, Prompt(clicks=[second, beside]))
    return [
        Scenario("click", images, (first,)),
        Scenario(
            "several clicks",
            images,
            (Action(0, 1, Prompt(clicks=[click, second])), Action(0, 1, Prompt(clicks=[beside]))),
        ),
        Scenario("box", images, (Action(0, 1, Prompt(box=box)),)),
        Scenario("mask", images, (Action(0, 1, mask),)),
        Scenario("later correction", images, (first, correction)),
        Scenario("two objects", images, (first, Action(middle, 2, Prompt(box=box)))),
        Scenario("prompted corrections", images, (first, correction, Action(middle + 2, 1, mask)), True),
        Scenario(
            "late prompts",
            images,
            (first, Action(2, 2, Prompt(clicks=[second], box=box), delay=1), correction._replace(delay=2)),
        ),
    ]


def absence_scenario(images: Sequence[Tensor]) -> Scenario:
    """The object is out of view for a few frames, which are blank."""
    size = images[0].shape[-1]
    blank = torch.zeros_like(images[0])
    frames = [*images]
    frames[BLANK] = [blank] * len(frames[BLANK])
    return Scenario("absence", frames, (Action(0, 1, Prompt(clicks=[Click(0.5 * size, 0.45 * size)])),))


def module_inputs(config: ModelConfig, image: Tensor) -> ModuleInputs:
    """Every type of prompt, and a random memory."""
    size = config.image_size
    random = torch.Generator().manual_seed(0)
    spatial = torch.randn(MODULE_FRAME, _OBJECTS, config.grid**2, config.memory_width, generator=random)
    pointers = torch.randn(MODULE_FRAME, _OBJECTS, config.width, generator=random)
    earlier = torch.randn(1, 1, size // 4, size // 4, generator=random)
    positive, negative = PointLabel.POSITIVE, PointLabel.NEGATIVE
    corners = PointLabel.BOX_TOP_LEFT, PointLabel.BOX_BOTTOM_RIGHT

    def points(*labelled: tuple[PointLabel, float, float], mask: Tensor | None = None) -> PromptTensors:
        pixels = torch.tensor([[(x * size, y * size) for _, x, y in labelled]])
        return PromptTensors(pixels, torch.tensor([[int(label) for label, _, _ in labelled]]), mask)

    prompts = {
        "click": points((positive, 0.5, 0.45)),
        "clicks": points((positive, 0.5, 0.45), (positive, 0.6, 0.6), (negative, 0.15, 0.2)),
        "box": points((corners[0], 0.3, 0.25), (corners[1], 0.7, 0.8)),
        "correction": points((positive, 0.5, 0.45), (negative, 0.15, 0.2), mask=earlier),
    }
    return ModuleInputs(
        image=image,
        prompts=prompts,
        mask=_disc(size)[None, None],
        spatial=spatial.bfloat16().float(),
        pointers=pointers,
    )


def synthetic_frames(count: int, size: int) -> list[np.ndarray]:
    """(size, size, 3) uint8 each: discs that move over a pattern, by integer arithmetic: the same on every machine."""
    y, x = np.mgrid[:size, :size]
    frames = []
    for t in range(count):
        background = (x * 3 + t, y * 2 + 5 * t, (x // 16 ^ y // 16) * 37)
        frame = np.stack([channel % 256 for channel in background], axis=-1).astype(np.uint8)
        for cx, cy, radius, colour in (
            (size // 2 + 4 * t, size * 4 // 9, size // 6, (230, 60, 40)),
            (size * 3 // 5, size * 3 // 5 - 3 * t, size // 8, (30, 90, 220)),
        ):
            frame[(x - cx) ** 2 + (y - cy) ** 2 <= radius**2] = colour
        frames.append(frame)
    return frames


def _disc(size: int) -> Tensor:
    """(size, size) float, ones inside a circle."""
    y, x = torch.meshgrid(torch.arange(size), torch.arange(size), indexing="ij")
    return ((2 * x - size) ** 2 + (2 * y - size) ** 2 < (0.6 * size) ** 2).float()
