"""Named training configurations: what is trained, on what, how long."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .losses import PixelLoss


@dataclass(frozen=True)
class Turn:
    """The batch of a step, on every device: so many clips of so many frames; a single frame is a still image.

    `objects` of all clips together; as many as they have, if it is None. A GPU prepares kernels for every number anew.
    """

    frames: int
    clips: int
    objects: int | None = None


@dataclass(frozen=True)
class Stage:
    """Optimizer steps of one kind, on pictures of `image_size` pixels; the `turns` take turns.

    With probability `teacher` a batch's memories are written from the true masks. Most samples are zoomed onto an
    object, which then takes between the two shares `zoom` of the picture; those below `least_area` are left out.
    """

    steps: int
    image_size: int
    turns: tuple[Turn, ...]
    objects: int = 3  # per clip, at most
    accumulate: int = 1
    teacher: float = 0.0
    zoom: tuple[float, float] = (0.03, 0.45)
    least_area: float = 0.0
    absence: float = 0.0  # share of the clips in which an object leaves or is hidden, mostly to return
    pixel_loss: PixelLoss = PixelLoss.FOCAL


@dataclass(frozen=True)
class Recipe:
    """A whole training. Stages follow one another under one learning rate schedule: warm-up, constant, cosine."""

    name: str
    model: str
    stages: tuple[Stage, ...]
    learning_rate: float
    cool_down: float = 1.0  # share of the steps after warm-up in which the learning rate falls
    synthetic_clips: int = 6000
    plain_clips: int = 0  # of them, made without cut-outs and films
    clip_frames: int = 8
    clip_size: int = 192  # pixels
    seed: int = 1
    warm_up: int = 200
    weight_decay: float = 0.05
    with_muon: bool = False  # moves the matrices inside the network, in place of AdamW
    clip_norm: float = 0.1
    ema_decay: float = 0.998
    correct_first: float = 0.3  # share of clips with corrective clicks on the first frame
    correct_later: float = 0.3  # share of clips in which a second frame is prompted
    corrections: int = 2  # clicks on such a frame
    goes_on: bool = False  # starts from trained weights
    frozen: tuple[str, ...] = ()  # parameters whose names start so keep their values

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


_FROM_NOTHING = (
    Stage(1000, 128, (Turn(2, 12),), teacher=0.5, least_area=0.015),
    Stage(600, 128, (Turn(4, 8),), teacher=0.2, least_area=0.006),
    Stage(
        steps=1300,
        image_size=128,
        turns=(Turn(1, 28), Turn(2, 14)),
        objects=2,
        teacher=0.3,
        zoom=(0.05, 0.45),
        least_area=0.02,
        pixel_loss=PixelLoss.CROSS_ENTROPY,
    ),
    Stage(
        steps=1100,
        image_size=128,
        turns=(Turn(1, 28), Turn(4, 8), Turn(8, 4)),
        objects=2,
        teacher=0.3,
        zoom=(0.04, 0.4),
        least_area=0.02,
        pixel_loss=PixelLoss.CROSS_ENTROPY,
    ),
    Stage(
        steps=900,
        image_size=192,
        turns=(Turn(1, 14), Turn(4, 4), Turn(8, 2)),
        objects=2,
        teacher=0.3,
        zoom=(0.02, 0.3),
        least_area=0.02,
        pixel_loss=PixelLoss.CROSS_ENTROPY,
    ),
)

# Mostly images and short clips of many scenes: their gradients agree better than those of a few long clips.
_SMALL_OBJECTS = Stage(
    steps=1200,
    image_size=256,
    turns=(Turn(1, 24), Turn(2, 12), Turn(4, 6), Turn(1, 24), Turn(2, 12), Turn(8, 3), Turn(1, 24), Turn(3, 8)),
    zoom=(0.006, 0.35),
    least_area=0.0015,
    absence=0.6,
    pixel_loss=PixelLoss.CROSS_ENTROPY,
)

_FULL_SIZE = replace(
    _SMALL_OBJECTS,
    steps=2400,
    image_size=384,
    turns=(Turn(1, 14), Turn(2, 7), Turn(4, 3), Turn(1, 14), Turn(2, 7), Turn(8, 2), Turn(1, 14), Turn(3, 5)),
)

RECIPES = {
    # From nothing to the size of use, about fifteen hours on two cores.
    "nano": Recipe(
        name="nano",
        model="nano",
        stages=(*_FROM_NOTHING, _SMALL_OBJECTS, replace(_SMALL_OBJECTS, steps=2400, image_size=288), _FULL_SIZE),
        learning_rate=8e-4,
        cool_down=0.85,
        synthetic_clips=2400,
        plain_clips=1200,
        clip_frames=16,
        clip_size=256,
        with_muon=True,
        clip_norm=1.0,
        ema_decay=0.997,
        correct_first=0.1,
        correct_later=0.1,
        corrections=1,
    ),
    # Start these from weights, on recordings of your own: the image encoder knows enough.
    "finetune_nano": Recipe(
        name="finetune_nano",
        model="nano",
        stages=(
            Stage(
                steps=200,
                image_size=384,
                turns=(Turn(8, 1), Turn(4, 2)),
                objects=2,
                zoom=(0.006, 0.35),
                pixel_loss=PixelLoss.CROSS_ENTROPY,
            ),
        ),
        learning_rate=5e-5,
        synthetic_clips=300,
        warm_up=20,
        goes_on=True,
        frozen=("image_encoder.trunk.",),
    ),
    "finetune_tiny": Recipe(
        name="finetune_tiny",
        model="sam2.1_hiera_tiny",
        stages=(Stage(1000, 1024, (Turn(8, 1),), objects=2, accumulate=4, zoom=(0.02, 0.3)),),
        learning_rate=5e-6,
        synthetic_clips=4000,
        warm_up=50,
        goes_on=True,
        frozen=("image_encoder.trunk.",),
    ),
}
