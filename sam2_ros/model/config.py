"""The sizes of SAM 2: one table of named configurations.

Sources: Ravi et al., "SAM 2: Segment Anything in Images and Videos" (2024), appendix D;
Ryali et al., "Hiera" (2023).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from numbers import Integral

NUM_RECENT = 6  # tracked frames whose spatial memory is attended to
NUM_MASKMEM = NUM_RECENT + 1  # rows of the temporal table; the last one marks prompted frames
NUM_RECENT_POINTERS = 15  # tracked frames whose object pointer is attended to, and the unit of their age
ABSENT_LOGIT = -1024.0  # mask logits of an object that is not in view
STRIDE = 16  # pixels per token of the feature map at stride 16

# Of ImageNet, RGB from 0 to 1: images are normalised by mean and standard deviation.
IMAGE_MEAN = (0.485, 0.456, 0.406)
IMAGE_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class TrunkConfig:
    """The Hiera image encoder: one entry per stage (strides 4, 8, 16, 32); width and heads double at each."""

    width: int
    heads: int
    blocks: tuple[int, int, int, int]
    global_blocks: tuple[int, ...]
    windows: tuple[int, int, int, int] = (8, 4, 14, 7)
    position_grid: tuple[int, int] = (7, 7)

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Channels of each stage."""
        return self.width, 2 * self.width, 4 * self.width, 8 * self.width


@dataclass(frozen=True)
class ModelConfig:
    """All dimensions of the network."""

    name: str
    trunk: TrunkConfig
    version: str = "2.1"
    image_size: int = 1024
    width: int = 256
    memory_width: int = 64
    memory_layers: int = 4
    memory_feedforward: int = 2048

    @property
    def grid(self) -> int:
        """Side of the feature map at stride 16 (tokens)."""
        return self.image_size // STRIDE

    @property
    def pointer_tokens(self) -> int:
        """Memory tokens into which one object pointer is split."""
        return self.width // self.memory_width

    def resized(self, image_size: int) -> ModelConfig:
        """The same network on another input size (pixels).

        Raises ValueError unless the first stage's windows tile the image and the grids halve evenly.
        """
        step = max(32, 4 * self.trunk.windows[0])
        if image_size < step or image_size % step:
            raise ValueError(f"image_size is {image_size}, expected a positive multiple of {step} for {self.name}")
        return replace(self, image_size=image_size)


_TRUNKS = {
    "tiny": TrunkConfig(96, 1, (1, 2, 7, 2), (5, 7, 9)),
    "small": TrunkConfig(96, 1, (1, 2, 11, 2), (7, 10, 13)),
    "base_plus": TrunkConfig(112, 2, (2, 3, 16, 3), (12, 16, 20), position_grid=(14, 14)),
    "large": TrunkConfig(144, 2, (2, 6, 36, 4), (23, 33, 43), windows=(8, 4, 16, 8)),
}

# Small enough for a CPU, within what the official architecture can express. At 384 pixels the windows of the last two
# stages cover the whole map, so that none is padded.
_NANO = ModelConfig(
    name="nano",
    trunk=TrunkConfig(40, 1, (1, 2, 3, 1), (4, 5), windows=(8, 4, 24, 12)),
    image_size=384,
    width=128,
    memory_layers=2,
    memory_feedforward=256,
)

CONFIGS: dict[str, ModelConfig] = {
    **{f"sam2.1_hiera_{size}": ModelConfig(f"sam2.1_hiera_{size}", trunk) for size, trunk in _TRUNKS.items()},
    **{f"sam2_hiera_{size}": ModelConfig(f"sam2_hiera_{size}", trunk, "2.0") for size, trunk in _TRUNKS.items()},
    "nano": _NANO,
}


def named_config(name: str, image_size: int | None = None) -> ModelConfig:
    """The configuration called `name`, on its own or the given input size (pixels).

    Raises ValueError for values that there are none of, TypeError for those of another type.
    """
    if not isinstance(name, str):
        raise TypeError(f"the model's name is a {type(name).__name__}, expected a str: one of {', '.join(CONFIGS)}")
    if image_size is not None and not isinstance(image_size, Integral):
        raise TypeError(f"image_size is {image_size!r} ({type(image_size).__name__}), expected an int or None")
    if name not in CONFIGS:
        raise ValueError(f"unknown model {name!r}, expected one of {', '.join(CONFIGS)}")
    config = CONFIGS[name]
    return config if image_size is None else config.resized(image_size)
