"""The image encoder: a Hiera trunk, and a neck that turns its four maps into the features of a frame."""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from .config import ModelConfig
from .hiera import Hiera


class ImageFeatures(NamedTuple):
    """One encoded image; the batch may be 1 where several objects share it."""

    stride16: Tensor  # (B, C, S / 16, S / 16)
    stride8: Tensor  # (B, C / 4, S / 8, S / 8), for the mask decoder
    stride4: Tensor  # (B, C / 8, S / 4, S / 4), for the mask decoder


class FpnNeck(nn.Module):
    """A feature pyramid (Lin et al. 2017) in which only stride 16 receives the level above."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        convs = [nn.Conv2d(width, config.width, 1) for width in config.trunk.widths]
        # Checkpoints have the coarsest level first.
        self.convs = nn.ModuleList(nn.Sequential(OrderedDict(conv=conv)) for conv in reversed(convs))

    def forward(self, maps: list[Tensor], conv_s0: nn.Module, conv_s1: nn.Module) -> ImageFeatures:
        """Maps of strides 4, 8, 16, 32 -> ImageFeatures, projected for the mask decoder by its two convolutions."""
        stride32, stride16, stride8, stride4 = (level.get_submodule("conv") for level in self.convs)
        above = F.interpolate(_project(maps[3], stride32).float(), scale_factor=2.0, mode="nearest")
        return ImageFeatures(
            _project(maps[2], stride16) + above,
            _project(maps[1], stride8, conv_s1),
            _project(maps[0], stride4, conv_s0),
        )


class ImageEncoder(nn.Module):
    """Runs once per image, whatever the number of objects."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.trunk = Hiera(config.trunk)
        self.neck = FpnNeck(config)

    def forward(self, image: Tensor, conv_s0: nn.Module, conv_s1: nn.Module) -> ImageFeatures:
        """(B, 3, S, S) normalised -> ImageFeatures; `conv_s0` and `conv_s1` are those of the mask decoder"""
        features: ImageFeatures = self.neck(self.trunk(image), conv_s0, conv_s1)
        return features


def _project(x: Tensor, first: nn.Module, second: nn.Module | None = None) -> Tensor:
    """(B, C, H, W) through one 1 x 1 convolution, or through two that are folded into one."""
    weight: Tensor = first.get_parameter("weight").flatten(1)
    bias: Tensor = first.get_parameter("bias")
    if second is not None:
        outer = second.get_parameter("weight").flatten(1)
        weight, bias = outer @ weight, outer @ bias + second.get_parameter("bias")
    return F.linear(x.permute(0, 2, 3, 1), weight, bias).permute(0, 3, 1, 2)
