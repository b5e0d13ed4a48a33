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
    horizon: int | None = None  # step at which it would be down, that of the end by default
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
    # Steps that each of several processes takes alone before they average their weights, a divisor of those between two
    # saves. 0: they average the gradients of every step.
    alone: int = 0

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


_STILLS = Turn(frames=1, clips=28)
_MANY = Turn(frames=1, clips=24)
_FEWER = Turn(frames=1, clips=14)
_AT_384 = (_FEWER, Turn(2, 7), Turn(4, 3), _FEWER, Turn(2, 7), Turn(8, 2), _FEWER, Turn(3, 5))
_LARGE_STILLS, _LARGE_PAIRS, _LARGE_CLIPS = Turn(1, 224, 360), Turn(2, 112, 180), Turn(8, 56, 90)
_ON_A_GPU = (
    *(_LARGE_STILLS, _LARGE_PAIRS, Turn(4, 64, 104), _LARGE_CLIPS),
    *(_LARGE_STILLS, _LARGE_PAIRS, _LARGE_CLIPS, Turn(12, 32, 52)),
)
_IN_SMALL_STEPS = (
    *(Turn(1, 32, 52), Turn(2, 16, 26), Turn(4, 8, 13), Turn(8, 5, 8)),
    *(Turn(1, 32, 52), Turn(2, 16, 26), Turn(8, 5, 8), Turn(12, 3, 5)),
)
_FASTER = PixelLoss.CROSS_ENTROPY
_WIDER_ZOOM = (0.006, 0.35)

_NANO_PICTURES = Recipe(
    name="nano_pictures",
    model="nano",
    stages=(
        Stage(
            900,
            256,
            (Turn(8, 2), Turn(4, 4), Turn(8, 2), Turn(16, 1), Turn(1, 10)),
            zoom=(0.005, 0.25),
            least_area=0.0015,
            absence=0.6,
            pixel_loss=_FASTER,
        ),
    ),
    learning_rate=4e-4,
    cool_down=0.8,
    synthetic_clips=1200,
    clip_frames=20,
    clip_size=288,
    seed=13,
    warm_up=40,
    goes_on=True,
    clip_norm=1.0,
    ema_decay=0.995,
    correct_first=0.1,
    correct_later=0.1,
    corrections=1,
)

_NANO_FILMS = replace(
    _NANO_PICTURES,
    name="nano_films",
    stages=(
        replace(
            _NANO_PICTURES.stages[0],
            steps=1300,
            zoom=_WIDER_ZOOM,
            turns=(Turn(8, 2), Turn(2, 8), Turn(4, 4), Turn(16, 1), Turn(2, 8), Turn(8, 2), Turn(1, 10)),
        ),
    ),
    cool_down=0.85,
    seed=19,
    ema_decay=0.997,
)

_NANO_MUON = replace(
    _NANO_FILMS,
    name="nano_muon",
    stages=(
        replace(_NANO_FILMS.stages[0], steps=300),
        replace(_NANO_FILMS.stages[0], steps=800, image_size=288),
    ),
    synthetic_clips=2200,
    plain_clips=1000,
    with_muon=True,
)

_NANO_STILLS = replace(
    _NANO_MUON,
    name="nano_stills",
    stages=(
        replace(
            _NANO_MUON.stages[1],
            steps=1200,
            turns=(_MANY, Turn(2, 12), Turn(4, 6), _MANY, Turn(2, 12), Turn(8, 3), _MANY, Turn(3, 8)),
        ),
    ),
    plain_clips=1200,
    seed=37,
)

_STAGE_AT_384 = replace(_NANO_STILLS.stages[0], image_size=384, turns=_AT_384)

RECIPES = {
    "nano": Recipe(
        name="nano",
        model="nano",
        stages=(
            Stage(1000, 128, (Turn(2, 12),), teacher=0.5, least_area=0.015),
            Stage(600, 128, (Turn(4, 8),), teacher=0.2, least_area=0.006),
            Stage(1300, 128, (_STILLS, Turn(2, 14)), 2, 1, 0.3, (0.05, 0.45), 0.02, pixel_loss=_FASTER),
            Stage(1100, 128, (_STILLS, Turn(4, 8), Turn(8, 4)), 2, 1, 0.3, (0.04, 0.4), 0.02, pixel_loss=_FASTER),
            Stage(900, 192, (Turn(1, 14), Turn(4, 4), Turn(8, 2)), 2, 1, 0.3, (0.02, 0.3), 0.02, pixel_loss=_FASTER),
        ),
        learning_rate=8e-4,
        clip_norm=1.0,
        ema_decay=0.997,
        correct_first=0.1,
        correct_later=0.1,
        corrections=1,
    ),
    # Starts from weights of the above, on two cores: `torchrun --nproc-per-node 2`.
    "nano_on": Recipe(
        name="nano_on",
        model="nano",
        stages=(
            Stage(
                400,
                192,
                (Turn(8, 3), Turn(4, 5), Turn(8, 3), Turn(1, 12)),
                teacher=0.1,
                zoom=(0.015, 0.3),
                least_area=0.006,
                absence=0.6,
                pixel_loss=_FASTER,
            ),
            # At the size of use, with objects as small as they are there.
            Stage(
                700,
                256,
                (Turn(8, 2), Turn(4, 4), Turn(8, 2), Turn(16, 1), Turn(1, 10)),
                objects=4,
                zoom=(0.004, 0.2),
                least_area=0.0015,
                absence=0.6,
                pixel_loss=_FASTER,
            ),
        ),
        learning_rate=5e-4,
        cool_down=0.73,
        horizon=1350,
        synthetic_clips=2500,
        clip_frames=20,
        clip_size=224,
        seed=7,
        warm_up=50,
        goes_on=True,
        clip_norm=1.0,
        ema_decay=0.997,
        correct_first=0.1,
        correct_later=0.1,
        corrections=1,
    ),
    # On from there, with cut-out objects of many colours among the pictures.
    "nano_pictures": _NANO_PICTURES,
    # On from there, with photographed objects among the cut-outs, people, and more photographs. Not what is bundled.
    "nano_photographed": replace(
        _NANO_PICTURES,
        name="nano_photographed",
        stages=(replace(_NANO_PICTURES.stages[0], steps=1400, zoom=_WIDER_ZOOM),),
        cool_down=0.85,
        synthetic_clips=1600,
        clip_frames=24,
        seed=17,
        ema_decay=0.996,
    ),
    # On from the mean of the last two, with objects that turn and move by themselves.
    "nano_films": _NANO_FILMS,
    # On from there with Muon, and with as many clips again that look like the held-out ones.
    "nano_muon": _NANO_MUON,
    # On from there with more pixels, of clips that have as many.
    "nano_sharp": replace(
        _NANO_MUON,
        name="nano_sharp",
        stages=(
            replace(_NANO_MUON.stages[1], steps=330),
            replace(_NANO_MUON.stages[1], steps=560, image_size=384),
        ),
        synthetic_clips=1600,
        plain_clips=700,
        clip_size=384,
        seed=29,
    ),
    # On from there with many scenes in a batch: stills and short clips, whose gradients agree better.
    "nano_stills": _NANO_STILLS,
    # On from there: since then stills ask for every object twice, by a click and by a box.
    "nano_asked_twice": replace(
        _NANO_STILLS, name="nano_asked_twice", stages=(replace(_NANO_STILLS.stages[0], steps=1000),), seed=41
    ),
    # On from there, at the end at the size of use.
    "nano_at_384": replace(
        _NANO_STILLS,
        name="nano_at_384",
        stages=(
            replace(_NANO_STILLS.stages[0], steps=800),
            replace(_STAGE_AT_384, steps=440),
        ),
        seed=43,
    ),
    # On from there on a GPU, with batches ten times as large.
    "nano_on_a_gpu": replace(
        _NANO_STILLS,
        name="nano_on_a_gpu",
        stages=(replace(_STAGE_AT_384, steps=836, turns=_ON_A_GPU),),
        learning_rate=7e-4,
        synthetic_clips=2900,
        plain_clips=1450,
        seed=47,
        warm_up=30,
        ema_decay=0.996,
    ),
    # On from there on two cores. The mean of the last two is what is bundled.
    "nano_on_two_cores": replace(
        _NANO_STILLS,
        name="nano_on_two_cores",
        stages=(replace(_STAGE_AT_384, steps=640),),
        learning_rate=3e-4,
        synthetic_clips=1000,
        plain_clips=500,
        seed=53,
    ),
    # On from that mean, by three processes on one GPU: `torchrun --nproc-per-node 3`. Not what is bundled.
    "nano_in_small_steps": replace(
        _NANO_STILLS,
        name="nano_in_small_steps",
        stages=(replace(_STAGE_AT_384, steps=2050, turns=_IN_SMALL_STEPS),),
        learning_rate=5e-4,
        synthetic_clips=3600,
        plain_clips=1800,
        seed=61,
        warm_up=50,
        ema_decay=0.998,
        alone=25,
    ),
    # Start these from weights, on recordings of your own: the image encoder knows enough.
    "finetune_nano": Recipe(
        name="finetune_nano",
        model="nano",
        stages=(Stage(200, 384, (Turn(8, 1), Turn(4, 2)), objects=2, zoom=_WIDER_ZOOM, pixel_loss=_FASTER),),
        learning_rate=5e-5,
        warm_up=20,
        goes_on=True,
        frozen=("image_encoder.trunk.",),
    ),
    "finetune_tiny": Recipe(
        name="finetune_tiny",
        model="sam2.1_hiera_tiny",
        stages=(Stage(1000, 1024, (Turn(8, 1),), objects=2, accumulate=4, zoom=(0.02, 0.3)),),
        learning_rate=5e-6,
        warm_up=50,
        goes_on=True,
        frozen=("image_encoder.trunk.",),
    ),
}
