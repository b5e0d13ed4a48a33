"""Named training configurations: what is trained, on what, how long."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Stage:
    """Optimizer steps of one kind.

    Each is on `clips` clips of `frames` frames and `image_size` pixels, times `accumulate`; a single frame is a still
    image. With probability `teacher` a clip's memories are written from the true masks.
    """

    steps: int
    image_size: int
    frames: int
    clips: int
    objects: int = 3
    accumulate: int = 1
    teacher: float = 0.0
    least_area: float = 0.0  # share of its first frame that an object takes


@dataclass(frozen=True)
class Recipe:
    """A whole training. Stages follow one another under one learning rate schedule: warm-up, then cosine."""

    name: str
    model: str
    stages: tuple[Stage, ...]
    learning_rate: float
    synthetic_clips: int = 6000
    seed: int = 1
    warm_up: int = 200
    weight_decay: float = 0.05
    clip_norm: float = 0.1
    ema_decay: float = 0.998
    correct_first: float = 0.3  # share of clips with corrective clicks on the first frame
    correct_later: float = 0.3  # share of clips in which a second frame is prompted
    corrections: int = 2  # clicks on such a frame

    @property
    def steps(self) -> int:
        """Optimizer steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def stage_at(self, step: int) -> Stage:
        """The stage to which optimizer step `step` belongs."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        raise IndexError("the training is over")


RECIPES = {
    "nano": Recipe(
        name="nano",
        model="nano",
        stages=(
            Stage(1000, 128, frames=2, clips=12, teacher=0.5, least_area=0.015),
            Stage(1000, 128, frames=4, clips=8, teacher=0.2, least_area=0.006),
            Stage(700, 128, frames=8, clips=6, teacher=0.1, least_area=0.003),
            Stage(400, 192, frames=6, clips=4, least_area=0.002),
        ),
        learning_rate=8e-4,
    ),
}
