"""Training recipes: which model is trained, on which data, for how long."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .losses import PixelLoss

_OBJECTS_PER_CLIP = 1.6  # of samples of synthetic clips, on average


@dataclass(frozen=True)
class BatchSpec:
    """Shape of a batch on every device: `clips` clips of `frames` frames; a clip of one frame is a still image.

    `objects` is the number of objects of all clips together, None for as many as the clips have.
    """

    frames: int
    clips: int
    objects: int | None = None

    def scaled(self, factor: int) -> BatchSpec:
        """`factor` times as many clips, with as many objects as they have on average."""
        clips = factor * self.clips
        return replace(self, clips=clips, objects=round(_OBJECTS_PER_CLIP * clips))


@dataclass(frozen=True)
class Stage:
    """Optimizer steps on images of `image_size` pixels; step after step takes the next of `batches`, in turn.

    Most samples are zoomed onto an object, which then covers between the two shares `zoom` of the image; objects that
    cover less than `min_area` are dropped.
    """

    steps: int
    image_size: int
    batches: tuple[BatchSpec, ...]
    max_objects: int = 3  # per clip
    accumulation_steps: int = 1
    teacher_forcing: float = 0.0  # probability that memories are encoded from the true masks
    zoom: tuple[float, float] = (0.03, 0.45)
    min_area: float = 0.0
    absence_rate: float = 0.0  # share of clips in which an object leaves or is occluded, and mostly returns
    pixel_loss: PixelLoss = PixelLoss.FOCAL


@dataclass(frozen=True)
class Recipe:
    """A complete training. All stages share one learning rate schedule: linear warm-up, constant, cosine decay."""

    name: str
    model: str
    stages: tuple[Stage, ...]
    learning_rate: float
    decay_fraction: float = 1.0  # share of the steps after warm-up in which the learning rate decays
    warmup_steps: int = 200
    synthetic_clips: int = 6000
    plain_clips: int = 0  # of the synthetic clips, rendered without cut-outs and animations
    clip_frames: int = 8
    clip_size: int = 192  # pixels
    seed: int = 1
    weight_decay: float = 0.05
    use_muon: bool = False  # Muon instead of AdamW for the matrices of hidden layers
    max_grad_norm: float = 0.1
    ema_decay: float = 0.998
    first_frame_correction_rate: float = 0.3  # share of clips with corrective clicks on the first frame
    later_frame_correction_rate: float = 0.3  # share of clips in which a second frame is prompted
    correction_clicks: int = 2  # on such a frame
    needs_checkpoint: bool = False  # starts from trained weights
    frozen_prefixes: tuple[str, ...] = ()  # parameters whose names begin so are not trained

    @property
    def steps(self) -> int:
        """Optimizer steps of all stages."""
        return sum(stage.steps for stage in self.stages)

    def scaled(self, factor: int) -> Recipe:
        """The recipe with `factor` times as many clips in every batch, and a fixed number of objects.

        A fixed number saves a GPU from preparing kernels for every other one.
        """
        if factor == 1:
            return self
        stages = tuple(
            replace(stage, batches=tuple(spec.scaled(factor) for spec in stage.batches)) for stage in self.stages
        )
        return replace(self, stages=stages)

    def with_clips(self, count: int) -> Recipe:
        """The recipe with another number of synthetic clips, and as large a share of plain ones."""
        return replace(self, synthetic_clips=count, plain_clips=round(self.plain_clips * count / self.synthetic_clips))

    def stage_at(self, step: int) -> Stage:
        """The stage of optimizer step `step`. Raises IndexError beyond the last one."""
        for stage in self.stages:
            if step < stage.steps:
                return stage
            step -= stage.steps
        raise IndexError(f"step {step} lies beyond the recipe's last stage")


_FROM_NOTHING = (
    Stage(
        steps=1000,
        image_size=128,
        batches=(BatchSpec(frames=2, clips=12),),
        teacher_forcing=0.5,
        min_area=0.015,
    ),
    Stage(
        steps=600,
        image_size=128,
        batches=(BatchSpec(frames=4, clips=8),),
        teacher_forcing=0.2,
        min_area=0.006,
    ),
    Stage(
        steps=1300,
        image_size=128,
        batches=(BatchSpec(frames=1, clips=28), BatchSpec(frames=2, clips=14)),
        max_objects=2,
        teacher_forcing=0.3,
        zoom=(0.05, 0.45),
        min_area=0.02,
        pixel_loss=PixelLoss.CROSS_ENTROPY,
    ),
    Stage(
        steps=1100,
        image_size=128,
        batches=(BatchSpec(frames=1, clips=28), BatchSpec(frames=4, clips=8), BatchSpec(frames=8, clips=4)),
        max_objects=2,
        teacher_forcing=0.3,
        zoom=(0.04, 0.4),
        min_area=0.02,
        pixel_loss=PixelLoss.CROSS_ENTROPY,
    ),
    Stage(
        steps=900,
        image_size=192,
        batches=(BatchSpec(frames=1, clips=14), BatchSpec(frames=4, clips=4), BatchSpec(frames=8, clips=2)),
        max_objects=2,
        teacher_forcing=0.3,
        zoom=(0.02, 0.3),
        min_area=0.02,
        pixel_loss=PixelLoss.CROSS_ENTROPY,
    ),
)

# Mostly images and short clips of many scenes: their gradients agree better than those of a few long clips.
_SMALL_OBJECTS = Stage(
    steps=1200,
    image_size=256,
    batches=(
        *(BatchSpec(frames=1, clips=24), BatchSpec(frames=2, clips=12), BatchSpec(frames=4, clips=6)),
        *(BatchSpec(frames=1, clips=24), BatchSpec(frames=2, clips=12), BatchSpec(frames=8, clips=3)),
        *(BatchSpec(frames=1, clips=24), BatchSpec(frames=3, clips=8)),
    ),
    zoom=(0.006, 0.35),
    min_area=0.0015,
    absence_rate=0.6,
    pixel_loss=PixelLoss.CROSS_ENTROPY,
)

_FULL_SIZE = replace(
    _SMALL_OBJECTS,
    steps=2400,
    image_size=384,
    batches=(
        *(BatchSpec(frames=1, clips=14), BatchSpec(frames=2, clips=7), BatchSpec(frames=4, clips=3)),
        *(BatchSpec(frames=1, clips=14), BatchSpec(frames=2, clips=7), BatchSpec(frames=8, clips=2)),
        *(BatchSpec(frames=1, clips=14), BatchSpec(frames=3, clips=5)),
    ),
)

# Meant for pictures and recordings with masks, see `sam2_ros train --help`. Many small steps: the objects of a picture
# differ more than those of synthetic clips.
_REAL_DATA = replace(
    _FULL_SIZE,
    steps=3600,
    batches=(
        *(BatchSpec(frames=1, clips=8), BatchSpec(frames=2, clips=5), BatchSpec(frames=4, clips=2)),
        *(BatchSpec(frames=1, clips=8), BatchSpec(frames=3, clips=3), BatchSpec(frames=8, clips=1)),
    ),
    absence_rate=0.5,
)

RECIPES = {
    # From random weights to nano's input size, and on to real data. The bundled weights come from a sequence of runs
    # with these stages, not from one run of this recipe; the first 110 steps of it were compared with AdamW, which was
    # behind.
    "nano": Recipe(
        name="nano",
        model="nano",
        stages=(
            *_FROM_NOTHING,
            _SMALL_OBJECTS,
            replace(_SMALL_OBJECTS, steps=2400, image_size=288),
            _FULL_SIZE,
            _REAL_DATA,
        ),
        learning_rate=8e-4,
        decay_fraction=0.85,
        synthetic_clips=2400,
        plain_clips=1200,
        clip_frames=16,
        clip_size=256,
        use_muon=True,
        max_grad_norm=1.0,
        ema_decay=0.997,
        first_frame_correction_rate=0.1,
        later_frame_correction_rate=0.1,
        correction_clicks=1,
    ),
    # Fine-tuning on recordings: the image encoder stays as it is.
    "finetune_nano": Recipe(
        name="finetune_nano",
        model="nano",
        stages=(
            Stage(
                steps=200,
                image_size=384,
                batches=(BatchSpec(frames=8, clips=1), BatchSpec(frames=4, clips=2)),
                max_objects=2,
                zoom=(0.006, 0.35),
                pixel_loss=PixelLoss.CROSS_ENTROPY,
            ),
        ),
        learning_rate=5e-5,
        synthetic_clips=300,
        warmup_steps=20,
        needs_checkpoint=True,
        frozen_prefixes=("image_encoder.trunk.",),
    ),
    "finetune_tiny": Recipe(
        name="finetune_tiny",
        model="sam2.1_hiera_tiny",
        stages=(
            Stage(
                steps=1000,
                image_size=1024,
                batches=(BatchSpec(frames=8, clips=1),),
                max_objects=2,
                accumulation_steps=4,
                zoom=(0.02, 0.3),
            ),
        ),
        learning_rate=5e-6,
        synthetic_clips=4000,
        warmup_steps=50,
        needs_checkpoint=True,
        frozen_prefixes=("image_encoder.trunk.",),
    ),
}
